"""The installed wheel, in directories whose files have the names of faceid's rooms and of its old top-level package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from distributions import Environment, clean_environ, install, make_environment, site_packages
from faceid.distribution import NAME, VERSION
from faceid.recognition.detect.fake import draw_face
from places import ROOT

pytestmark = pytest.mark.packaging

ALICE, BOB = (208, 80, 80), (80, 208, 80)

ROOMS = sorted(path.stem for path in (ROOT / "faceid").iterdir() if not path.stem.startswith("_"))
"""What lies directly in the package: `errors`, `config`, `results`, `networks`, `types`..."""

OTHERS = ("enrollment", "enrolment", "models", "evaluation", "calibrate", "backends", "compiled")
"""Names of former packages and modules, and names that users choose."""

HOSTILE = "raise SystemExit('a file of the working directory was imported in place of a module of faceid')\n"

# A file `types.py` beside a script hides the standard library's module from every program, `python -m json.tool`
# included, before faceid has a say: only Python's own safe path helps there.
SAFE = pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no -P")


@pytest.fixture(params=["modules", "packages"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A user's folder with modules, or with packages, that have the names of faceid's own; two photos."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in {*ROOMS, *OTHERS} - {"types"}:
        if request.param == "modules":
            (folder / f"{name}.py").write_text(HOSTILE, encoding="utf-8")
        else:
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text(HOSTILE, encoding="utf-8")
    for name, colour in (("alice", ALICE), ("bob", BOB)):
        for number in range(2):
            canvas = np.zeros((180, 200, 3), np.uint8)
            draw_face(canvas, colour, 30, 20 + number, 120)
            PilImage.fromarray(canvas).save(folder / f"{name}{number}.png")
    return folder


def run(project: Path, *command: object) -> subprocess.CompletedProcess[str]:
    environ = {**clean_environ(), "FACEID_HOME": str(project.parent / "home")}
    arguments = list(map(str, command))
    return subprocess.run(
        arguments, cwd=project, env=environ, capture_output=True, text=True, check=False, timeout=120
    )


def expect_enrolment_and_identification(project: Path, command: list[object]) -> None:
    enrolled = run(project, *command, "--json", "--model", "fake", "enroll", "--name", "alice", "alice0.png")
    assert enrolled.returncode == 0, enrolled.stderr
    found = run(project, *command, "--json", "--model", "fake", "identify", "alice1.png", "bob0.png")
    assert found.returncode in (0, 1), found.stderr
    results = [json.loads(line) for line in found.stdout.splitlines()]
    assert [[face["name"] for face in result["faces"]] for result in results] == [["alice"], [None]]


def test_the_environment_has_the_wheel_and_not_the_checkout(installed: Environment, tmp_path: Path) -> None:
    program = (
        "import faceid, enrollment_db, importlib.metadata as m; from pathlib import Path;"
        f"print(Path(faceid.__file__).parent.parent); print(m.version({NAME!r}))"
    )
    done = run(tmp_path, installed.python, "-c", program)
    assert done.stdout.splitlines() == [str(site_packages(installed)), VERSION], done.stderr


@pytest.mark.parametrize("form", ["script", "module"])
def test_the_command_line_works_beside_hostile_names(
    installed: Environment, project: Path, form: str
) -> None:
    command: list[object] = [installed.faceid] if form == "script" else [installed.python, "-m", "faceid"]
    version = run(project, *command, "--version")
    assert (version.stdout, version.returncode) == (f"faceid {VERSION}\n", 0), version.stderr
    doctor = run(project, *command, "--model", "fake", "doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    listed = run(project, *command, "--json", "models")
    shipped = {item["name"]: item for item in map(json.loads, listed.stdout.splitlines())}
    assert shipped["mobilefacenet"]["weights"] == "available"
    assert "faceid-triplet" not in shipped
    expect_enrolment_and_identification(project, command)


SCRIPT = """
from faceid import FaceID

with FaceID(db="gallery.db", model="fake", device="cpu") as system:
    print([item.status for item in system.enroll("alice", ["alice0.png"])])
    print([[face.name for face in system.identify(path).faces] for path in ("alice1.png", "bob0.png")])
"""


def test_a_script_beside_hostile_names_works(installed: Environment, project: Path) -> None:
    (project / "door.py").write_text(SCRIPT, encoding="utf-8")
    done = run(project, installed.python, "door.py")
    assert done.stdout.splitlines() == ["['enrolled']", "[['alice'], [None]]"], done.stderr


def test_the_console_script_works_beside_a_module_types(installed: Environment, project: Path) -> None:
    (project / "types.py").write_text(HOSTILE, encoding="utf-8")
    expect_enrolment_and_identification(project, [installed.faceid])


@SAFE
def test_with_a_safe_path_all_forms_work_beside_a_module_types(installed: Environment, project: Path) -> None:
    (project / "types.py").write_text(HOSTILE, encoding="utf-8")
    expect_enrolment_and_identification(project, [installed.python, "-P", "-m", "faceid"])
    (project / "gallery.db").unlink(missing_ok=True)
    (project / "door.py").write_text(SCRIPT, encoding="utf-8")
    done = run(project, installed.python, "-P", "door.py")
    assert done.stdout.splitlines() == ["['enrolled']", "[['alice'], [None]]"], done.stderr


def test_an_editable_installation_finds_the_cards_where_they_lie(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "environment")
    install(environment, "--editable", str(ROOT))
    program = (
        "import faceid; from pathlib import Path; from faceid.networks import registry;"
        "print(Path(faceid.__file__).parent.parent); print(registry.card_path('mobilefacenet'))"
    )
    done = run(tmp_path, environment.python, "-c", program)
    assert done.stdout.splitlines() == [str(ROOT), str(ROOT / "models/cards/mobilefacenet.toml")], done.stderr
    assert not (site_packages(environment) / "faceid").exists()
