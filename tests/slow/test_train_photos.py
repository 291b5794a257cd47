"""A network trained on real photos, from a folder to a gallery that uses it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from faceid import FaceID, Target
from faceid.cli import run
from faceid.config import Settings
from faceid.enrolment.rules import EnrolmentRules
from faceid.networks import registry
from places import SHARED_DATA

DATA = SHARED_DATA
LFW = DATA / "lfw" / "images"
PEOPLE = 60

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photos each of the first people who have that many."""
    if not LFW.is_dir():
        pytest.skip(f"no lfw/images in {DATA}; set FACEID_TEST_DATA")
    root = tmp_path_factory.mktemp("people")
    enough = [
        folder for folder in sorted(LFW.iterdir()) if folder.is_dir() and len(list(folder.glob("*.jpg"))) >= 4
    ]
    for folder in enough[:PEOPLE]:
        (root / folder.name).mkdir()
        for photo in sorted(folder.glob("*.jpg"))[:4]:
            shutil.copy(photo, root / folder.name)
    return root


def test_from_scratch_to_a_gallery(people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEID_HOME", str(tmp_path / "home"))
    file = tmp_path / "train.toml"
    file.write_text("[schedule]\nvalidate = 20\n[split]\nvalidation = 0.25\ncalibration = 0.25\n")
    arguments = [
        "--device",
        "cpu",
        "train",
        str(people),
        "--output",
        str(tmp_path / "own"),
        "--network",
        "light",
    ]
    arguments += ["--steps", "60", "--people", "10", "--settings", str(file), "--multi-face", "largest"]
    assert run(arguments) == 0
    settings = Settings.load()
    card = registry.card("own", settings.models_dir)
    assert card.calibration is not None
    assert card.calibration.points[-1].fnmr == 0.0
    # People whom nobody trained on are told apart better than by chance.
    (point,) = (point for point in card.calibration.points if point.fmr == 0.2)
    assert point.fnmr is not None
    assert point.fnmr < 0.7
    photos = sorted(str(path) for path in people.rglob("*.jpg"))
    with FaceID(db=tmp_path / "people.db", model="dlib-resnet", device="cpu") as system:
        for result in system.enroll(
            "somebody", photos[:2], EnrolmentRules(on_conflict="accept", multi_face="largest")
        ):
            assert result.status == "enrolled", result
        assert system.transfer.reembed("own").status == "switched"
        assert system.compare(photos[0], photos[0], Target(fmr=0.05)).distance == pytest.approx(0.0, abs=1e-5)
        face = system.identify(photos[0]).faces[0]
        assert (face.decision, face.name) == ("match", "somebody")
        assert face.fmr is not None


def test_a_network_that_goes_on_forgets_little(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fine-tuning by the defaults: its best step is not worse than the start, and near it where it was not trained."""
    monkeypatch.setenv("FACEID_HOME", str(tmp_path / "home"))
    file = tmp_path / "train.toml"
    file.write_text("[schedule]\nvalidate = 4\n[split]\nvalidation = 0.3\ncalibration = 0.3\n")
    arguments = ["--device", "cpu", "--json", "train", str(people), "--output", str(tmp_path / "own")]
    arguments += ["--steps", "8", "--people", "8", "--settings", str(file), "--multi-face", "largest"]
    code = run(arguments)
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])["summary"]
    print(summary)
    assert summary["best_tmr"] >= summary["start_tmr"]
    assert summary["start"].startswith("dlib-resnet")
    if summary["status"] == "made":
        assert code == 0
        assert summary["tmr"] > summary["tmr_before"] - 0.1
    else:
        assert code == 1
