"""The generated reference says what the program does."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command

import enrollment_db
import faceid
from faceid import cli, results
from faceid.cli.messages import EXIT_INTERNAL, exit_code_of, shown_problem
from faceid.errors import FaceIDError
from faceid.recognition.detect.fake import draw_face
from generated import load_generator
from places import ROOT

generate = load_generator()
REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(generate.pages()))
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == generate.pages()[name], (
        "run `make docs` and commit"
    )


def test_the_generator_reports_a_page_that_is_out_of_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = tmp_path / "docs" / "reference"
    reference.mkdir(parents=True)
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "REFERENCE", reference)
    monkeypatch.setattr(generate, "pages", lambda: {"commands.md": "new\n"})
    monkeypatch.setattr("sys.argv", ["generate.py", "--check"])
    assert generate.main() == 1
    assert not any(reference.iterdir())
    monkeypatch.setattr("sys.argv", ["generate.py"])
    assert generate.main() == 0
    assert (reference / "commands.md").read_text() == "new\n"
    monkeypatch.setattr("sys.argv", ["generate.py", "--check"])
    assert generate.main() == 0
    assert capsys.readouterr().out.count("docs/reference/commands.md") == 2


def test_every_result_has_its_fields_listed() -> None:
    shown = (REFERENCE / "json.md").read_text(encoding="utf-8")
    for name, kind in vars(results).items():
        if (
            inspect.isclass(kind)
            and dataclasses.is_dataclass(kind)
            and kind.__module__.startswith("faceid.results")
        ):
            section = shown.split(f"## {name}\n")[1].split("\n## ")[0]
            assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(generate.json_fields(kind))


def test_every_command_that_is_listed_with_a_result_exists() -> None:
    assert set(generate.RESULT_OF) <= {words for words, _ in generate.walk(get_command(cli.app))}
    assert {name for names in generate.RESULT_OF.values() for name in names} <= set(generate.result_classes())


@pytest.mark.parametrize(
    ("command", "line", "code"),
    [
        ("enroll", "enroll --name bob bob.png", 0),
        ("identify", "identify alice.png", 0),
        ("verify", "verify alice alice.png", 0),
        ("compare", "compare alice.png bob.png", 1),
        ("list", "list", 0),
        ("show", "show alice", 0),
        ("rename", "rename alice alba", 0),
        ("remove", "remove alice --yes", 0),
        ("export", "export people.npz", 0),
        ("index status", "index status", 0),
        ("index rebuild", "index rebuild", 0),
        ("policy show", "policy show", 0),
        ("policy set", "policy set --fmr 0.01", 0),
        ("models", "models", 0),
        ("doctor", "doctor", 0),
        ("live", "live pictures --no-display", 0),
    ],
)
def test_json_has_the_fields_of_the_reference(
    command: str,
    line: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FACEID_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    for name, colour in (("alice", (208, 80, 80)), ("bob", (80, 208, 80))):
        canvas = np.zeros((180, 200, 3), np.uint8)
        draw_face(canvas, colour, 30, 20, 120)
        Image.fromarray(canvas).save(f"{name}.png")
        Image.fromarray(canvas).save(f"pictures/{name}.png")
    base = ["--db", "gallery.db", "--model", "fake", "--json"]
    assert cli.run([*base, "enroll", "--name", "alice", "alice.png"]) == 0
    capfd.readouterr()
    assert cli.run([*base, *line.split()]) == code
    classes = generate.result_classes()
    kinds = {frozenset(_fields(classes[name])) for name in generate.RESULT_OF[command]}
    for printed in map(json.loads, capfd.readouterr().out.splitlines()):
        keys = frozenset(printed.get("summary", printed))
        # The page says which fields may be left out.
        assert any(kind - {"name", "already_enrolled", "loose_photos"} <= keys <= kind for kind in kinds), (
            printed
        )


def _fields(kind: Any) -> list[str]:
    return list(generate.json_fields(kind))


def test_every_class_of_errors_is_listed_with_its_exit_code() -> None:
    for package in (faceid, enrollment_db):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("errors"):
                importlib.import_module(module.name)
    shown = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    classes = shown.split("\n## Classes\n")[1]
    listed = set(re.findall(r"^\| `(\w+)` \| `(?:faceid|enrollment_db)", classes, re.MULTILINE))
    kinds = [FaceIDError]
    for kind in kinds:
        kinds += [child for child in kind.__subclasses__() if child not in kinds]
    ours = [kind for kind in kinds if kind.__module__.split(".")[0] in ("faceid", "enrollment_db")]
    assert listed == {kind.__name__ for kind in ours}
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", shown, re.MULTILINE)}
    assert codes == {exit_code_of(kind("")) for kind in ours} | {0, 3, 130, EXIT_INTERNAL}


def test_every_variable_that_the_program_reads_is_listed() -> None:
    shown = set(
        re.findall(r"^\| `(\w+)`", (REFERENCE / "environment.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    read: set[str] = set()
    for path in (ROOT / "faceid").rglob("*.py"):
        read |= set(re.findall(r"[\"'](FACEID_[A-Z_]+)[\"']", path.read_text(encoding="utf-8")))
    assert read == {name for name in shown if name.startswith("FACEID_")} - {"FACEID_TEST_DATA"}


def test_a_problem_has_the_fields_of_the_reference() -> None:
    told = shown_problem(results.Problem("no_face", "no face found"))
    assert list(told) == list(generate.json_fields(results.Problem))
