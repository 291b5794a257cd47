"""The shape of the source tree: no import circles, few rooms, modules of a readable size, a light command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from import_graph import PACKAGES, circles, declared_entry_points, import_graph, sources
from places import ROOT

MOST_ROOMS = 25
LONGEST_MODULE, SHORTEST_MODULE = 400, 40

SHORT = {
    # One file a command: each is found by the name of its command.
    "faceid.app.index": "one part of FaceID",
    "faceid.cli.doctor": "one file a command",
    "faceid.cli.export_": "one file a command",
    "faceid.cli.import_": "one file a command",
    "faceid.cli.list_": "one file a command",
    "faceid.cli.rename": "one file a command",
    "faceid.cli.show": "one file a command",
    "faceid.cli._liveness": "words that several commands share",
    "faceid.cli.messages": "the one table of messages; it grows with the commands",
    "faceid.distribution": "the build reads the version from it, so it holds nothing else",
    "enrollment_db.names": "the one rule for names, used by every database",
    "faceid.enrolment.checks.levels": "constants that several checks share",
    "faceid.explore.extras": "the one place that imports optional libraries for exploration",
    "faceid.imaging.refusal": "the one form of a refusal, shared by imaging and sources",
    "faceid.live.tracking.cells": "shared by the detection of cuts and the pace of detections",
    "faceid.networks.backbones.torch_format": "one module a file format",
    "faceid.networks.files": "hashes and modes of network files, shared by all of the room",
    "faceid.networks.losses.autoencoder": "one module a loss",
    "faceid.networks.losses.distance": "shared by losses and mining, which must not import each other in a circle",
    "faceid.networks.losses.factory": "above the losses, which import what every loss is",
    "faceid.networks.training.together": "how processes train together, apart from what they train",
    "faceid.ports.storage": "the ports of enrollment_db under the name that the rooms above use",
    "faceid.results.problem": "what all other results may hold",
    "faceid.runtime.process": "settings of the whole process, apart from those of a device",
    "faceid.training.judging": "how a training is judged, apart from how it is run",
}
"""Modules of fewer lines than usual, each with its reason."""

LIGHT = {
    *PACKAGES,
    *("typer", "click", "rich", "platformdirs", "typing_extensions"),
    # What typer and rich load themselves, where it is installed.
    *(
        "annotated_doc",
        "annotated_types",
        "attr",
        "colorama",
        "markdown_it",
        "mdurl",
        "pydantic",
        "pydantic_core",
    ),
    *("pygments", "shellingham", "typing_inspection"),
}
"""Third-party packages that `faceid --help` may load."""


def test_no_module_imports_itself_through_others() -> None:
    files = sources(packages=(*PACKAGES, "scripts"))
    assert len(files) > 300
    found = circles(import_graph(files, declared_entry_points()))
    assert found == []


def test_the_package_has_few_rooms() -> None:
    rooms = {path.stem for path in (ROOT / "faceid").iterdir() if not path.name.startswith((".", "__"))}
    assert len(rooms - {"py"}) <= MOST_ROOMS, sorted(rooms)


def test_no_module_is_too_long_to_read() -> None:
    lengths = {name: length_of(path) for name, path in sources(packages=(*PACKAGES, "scripts")).items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_a_short_module_has_a_reason() -> None:
    short = {
        name
        for name, path in sources().items()
        if not path.name.startswith("__") and length_of(path) < SHORTEST_MODULE
    }
    assert short - SHORT.keys() == set()


def length_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("arguments", [["--help"], ["identify", "--help"], ["--version"]])
def test_help_loads_only_light_packages(arguments: list[str]) -> None:
    program = (
        "import sys; before = set(sys.modules); from faceid.cli import run; code = run(sys.argv[1:]);"
        "found = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(code, *sorted(found - set(sys.stdlib_module_names)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    code, *loaded = done.stderr.split()
    assert code == "0"
    assert {name for name in loaded if not name.startswith("_")} <= LIGHT


def write(root: Path, files: dict[str, str]) -> dict[str, Path]:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return sources(root, ("faceid",))


@pytest.mark.parametrize(
    "back",
    [
        "import faceid.one",
        "from faceid import one",
        "from faceid.one import thing",
        "from . import one",
        "from .one import thing",
        "def f():\n    from faceid import one",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from faceid.one import Thing",
        "from importlib import import_module\nimport_module('faceid.one')",
        "import importlib\nimportlib.import_module('faceid.one')",
        "from importlib import import_module\ndef f(name):\n    import_module(f'faceid.{name}')",
        "REGISTERED = {'one': 'faceid.one:Thing'}",
        "from importlib.metadata import entry_points\nentry_points(group='faceid.things')",
    ],
)
def test_the_graph_sees_every_kind_of_import(tmp_path: Path, back: str) -> None:
    files = write(
        tmp_path,
        {"faceid/__init__.py": "", "faceid/one.py": "import faceid.two\n", "faceid/two.py": f"{back}\n"},
    )
    graph = import_graph(files, {"faceid.things": {"faceid.one"}})
    assert circles(graph) == [["faceid.one", "faceid.two"]]


def test_the_graph_sees_circles_through_packages_and_no_others(tmp_path: Path) -> None:
    files = write(
        tmp_path,
        {
            "faceid/__init__.py": "",
            "faceid/a/__init__.py": "from faceid.a.b import thing\n",
            "faceid/a/b.py": "from faceid.c import thing\n",
            "faceid/c.py": "from faceid.a import thing\n",
            "faceid/d.py": "import faceid.a.b\nimport faceid.c\n",
        },
    )
    assert circles(import_graph(files)) == [["faceid.a", "faceid.a.b", "faceid.c"]]
