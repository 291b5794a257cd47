"""The code of the documentation runs: shell lines and Python, in the order of each page, with the fake network."""

from __future__ import annotations

import csv
import itertools
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command

from faceid import cli
from faceid.recognition.detect.fake import draw_face
from pages import Block, blocks, faceid_calls, label, pages
from places import ROOT

OBAMA, BIDEN, STRANGER = (176, 112, 176), (112, 176, 144), (144, 144, 208)
ALICE = (208, 80, 80)

RUN = [page for page in pages() if any(block.runs for block in blocks(page))]
SHELL = [page for page in pages() if any(block.language != "python" for block in blocks(page))]


def _people(count: int) -> dict[str, tuple[int, int, int]]:
    """Names with colours, Alice first; none is that of a person on the sample photos, and none is very dark."""
    levels = (80, 112, 144, 176, 208)
    colours = [
        colour
        for colour in itertools.product(levels, repeat=3)
        if colour not in (ALICE, OBAMA, BIDEN, STRANGER) and 336 <= sum(colour) <= 480
    ]
    return {"alice": ALICE} | {f"person{number}": colours[number] for number in range(1, count)}


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the photos that the pages speak of, in which new galleries use the fake network."""
    for name in ("FACEID_DEBUG", "FACEID_INDEX", "FACEID_RUNTIME"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text('default_model = "fake"\n')
    monkeypatch.setenv("FACEID_HOME", str(home))
    monkeypatch.setenv("FACEID_DB", "gallery.db")
    page: Path = request.getfixturevalue("page")
    # A calibration needs more comparisons than anything else on the pages.
    many = re.search(r"^faceid (calibrate|evaluate)", page.read_text(encoding="utf-8"), re.MULTILINE)
    people = _people(40 if many else 8)
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    for name, colour in people.items():
        for number in range(1, 5):
            _draw(place / "people" / name / f"{number}.jpg", colour, number)
    shown = {"obama": OBAMA, "obama2": OBAMA, "obama3": OBAMA, "biden": BIDEN}
    for number, (name, colour) in enumerate(shown.items()):
        _draw(place / "photos" / f"{name}.jpg", colour, number)
    _draw(place / "photos" / "astronaut.png", STRANGER, 0)
    for number, name in enumerate(("alice1.jpg", "alice2.jpg", "frame.jpg", "door.jpg")):
        _draw(place / name, ALICE, 5 + number)
    with zipfile.ZipFile(place / "people.zip", "w") as archive:
        for path in sorted((place / "people").rglob("*.jpg")):
            archive.write(path, path.relative_to(place))
    with (place / "people.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("path", "name"), *((f"people/{name}/{n}.jpg", name) for name in people for n in range(1, 5))]
        )
    with (place / "pairs.csv").open("w", newline="") as file:
        mated = [
            (f"people/{name}/{n}.jpg", f"people/{name}/{n + 1}.jpg", 1) for name in people for n in (1, 3)
        ]
        others = [(f"people/{a}/1.jpg", f"people/{b}/2.jpg", 0) for a, b in itertools.pairwise(people)]
        csv.writer(file).writerows([("file1", "file2", "same"), *mated, *others])
    with (place / "attributes.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("identity", "team"), *((name, "ab"[number % 2]) for number, name in enumerate(people))]
        )
    return place


def _draw(path: Path, colour: tuple[int, int, int], number: int) -> None:
    canvas = np.zeros((180, 200, 3), np.uint8)
    draw_face(canvas, colour, 30 + number, 20 + number, 120)
    canvas[canvas > 0] += number % 8
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(canvas).save(path)


@pytest.mark.parametrize("page", RUN, ids=label)
def test_the_code_of_a_page_runs(page: Path, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if "<!-- gallery: people -->" in page.read_text(encoding="utf-8"):
        assert cli.run(["enroll", "--each-folder", "people"]) == 0
    for block in blocks(page):
        if not block.runs:
            continue
        if block.language == "python":
            exec(compile(block.text, label(page), "exec"), {"__name__": "page"})
            continue
        for command, expected in block.steps:
            code = _run(command)
            captured = capfd.readouterr()
            assert code == expected, f"{command}\n{captured.out}{captured.err}"


def _run(command: str) -> int:
    if variable := re.fullmatch(r"export (\w+)=(\S+)", command):
        os.environ[variable[1]] = variable[2]  # `place` has patched the variables that pages set
        return 0
    if command.startswith("faceid ") and not re.search(r"[|;&<>*]", command):
        return cli.run(shlex.split(command)[1:])
    # A pipe is for a shell, which finds this program under its name.
    binaries = Path("bin").resolve()
    binaries.mkdir(exist_ok=True)
    program = binaries / "faceid"
    program.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c "import faceid.cli as c; c.main()" "$@"\n'
    )
    program.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    return subprocess.run(["sh", "-c", command], env=environment, check=False).returncode


@pytest.mark.parametrize("page", SHELL, ids=label)
def test_every_command_line_of_a_page_is_one_that_faceid_knows(page: Path) -> None:
    for block in blocks(page):
        for command in () if block.language == "python" else block.commands:
            for words in faceid_calls(command):
                _check(words, command)


def _check(words: list[str], shown: str) -> None:
    """Every option must belong to the root or to the command, and the command must exist."""
    node = get_command(cli.app)
    known = {option for parameter in node.params for option in parameter.opts}
    for word in words:
        child = getattr(node, "commands", {}).get(word)
        if child is not None:
            node = child
            known |= {option for parameter in node.params for option in parameter.opts}
    assert node.name != "faceid" or not words or words[0] in known, f"no such command: {shown}"
    unknown = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} - known - {"--help"}
    assert not unknown, f"{unknown} in: {shown}"


def test_the_check_of_command_lines_finds_what_is_wrong() -> None:
    for wrong in (
        "faceid identfy a.jpg",
        "faceid identify --claim x a.jpg",
        "cat x | faceid enroll --nam x -",
    ):
        (words,) = faceid_calls(wrong)
        with pytest.raises(AssertionError):
            _check(words, wrong)


def test_a_block_knows_its_commands_and_their_exit_codes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- exit codes: 0 1 -->\n```sh\nfaceid list  # all\nfaceid verify a \\\n  b.jpg\n```\n"
        "<!-- not run: needs a camera -->\n```console\n$ faceid live\n 0.0 s appeared\n```\n"
    )
    ran, shown = blocks(page)
    assert list(ran.steps) == [("faceid list", 0), ("faceid verify a    b.jpg", 1)]
    assert (shown.runs, shown.commands) == (False, ["faceid live"])
    with pytest.raises(AssertionError, match="1 exit codes for 2"):
        _ = list(Block("sh", "a\nb\n", True, (0,)).steps)
