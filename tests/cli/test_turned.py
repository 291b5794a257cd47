"""Photos that lie on a side, and faces of an implausible pose, through the commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from cli_runs import ALICE, BOB, Faceid, Photo
from faceid.imaging import read
from faceid.imaging.turned import turned_image
from faceid.recognition.detect.fake import FakeDetector
from faceid.types import Face

CORNER = 20
"""The gray value of the first pixel of an upright picture: too dark for a fake face."""

_find = FakeDetector._detect_one


@pytest.fixture
def _upright_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake detector finds upright faces only, as real ones do."""

    def detect(self: FakeDetector, pixels: np.ndarray) -> list[Face]:
        return _find(self, pixels) if (pixels[0, 0] == CORNER).all() else []

    monkeypatch.setattr(FakeDetector, "_detect_one", detect)


def marked(path: str) -> str:
    """The picture at `path` with the corner that upright pictures have."""
    pixels = read(path).pixels
    pixels[0, 0] = CORNER
    PilImage.fromarray(pixels).save(path)
    return path


def lying(path: str, degrees: int) -> str:
    """A copy of the picture turned clockwise, in a file that does not say so."""
    turned = turned_image(read(path), degrees)
    copy = Path(path).with_name(f"turned{degrees}-{Path(path).name}")
    PilImage.fromarray(turned.pixels).save(copy)
    return str(copy)


@pytest.mark.usefixtures("_upright_only")
class TestTurned:
    def test_enrolled_upright_and_said(self, faceid: Faceid, photo: Photo) -> None:
        path = lying(marked(photo(ALICE)), 90)
        ran = faceid("--json", "enroll", "--name", "alice", path)
        assert ran.code == 0, ran.err
        one = ran.objects[0]
        assert (one["status"], one["turned"]) == ("enrolled", 270)
        assert f"{path}: turned by 270 degrees clockwise" in ran.err
        # In pixels of the upright photo, where the face is on the left.
        assert one["box"][0] == 30.0

    @pytest.mark.parametrize("degrees", [90, 180, 270])
    def test_recognised_however_it_lies(
        self, faceid: Faceid, photo: Photo, tmp_path: Path, degrees: int
    ) -> None:
        upright = marked(photo(ALICE))
        assert faceid("enroll", "--name", "alice", marked(photo(ALICE))).code == 0
        path = lying(upright, degrees)
        ran = faceid("--json", "identify", "--annotate", tmp_path / "drawn", path)
        assert ran.code == 0, ran.err
        assert ran.object["turned"] == 360 - degrees
        assert "turned by" in ran.err
        as_it_was = faceid("--json", "identify", upright)
        assert as_it_was.object["turned"] == 0
        assert "turned by" not in as_it_was.err
        assert ran.object["faces"] == as_it_was.object["faces"]
        drawn = read(str(tmp_path / "drawn" / f"{Path(path).stem}.png"))
        assert drawn.pixels.shape == read(upright).pixels.shape
        verified = faceid("--json", "verify", "alice", path)
        assert (verified.code, verified.object["turned"]) == (0, 360 - degrees)
        compared = faceid("--json", "compare", upright, path)
        assert (compared.code, compared.object["turned"]) == (0, [0, 360 - degrees])

    def test_the_report_has_the_turn(self, faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
        report = tmp_path / "report.csv"
        faceid("enroll", "--name", "alice", "--report", report, lying(marked(photo(ALICE)), 180))
        header, row = report.read_text(encoding="utf-8").splitlines()
        assert dict(zip(header.split(","), row.split(","), strict=True))["turned"] == "180"


@pytest.fixture
def _wrong_landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake detector takes the eyes for the mouth in all pictures but upright ones."""

    def detect(self: FakeDetector, pixels: np.ndarray) -> list[Face]:
        faces = _find(self, pixels)
        if (pixels[0, 0] == CORNER).all():
            return faces
        return [Face(face.box, face.landmarks[[3, 4, 2, 0, 1]], face.score) for face in faces]

    monkeypatch.setattr(FakeDetector, "_detect_one", detect)


@pytest.mark.usefixtures("_wrong_landmarks")
class TestImplausiblePose:
    @pytest.mark.parametrize("quality", ["standard", "off"])
    def test_not_enrolled_at_any_quality(self, faceid: Faceid, photo: Photo, quality: str) -> None:
        ran = faceid("--json", "enroll", "--name", "alice", "--quality", quality, photo(ALICE))
        assert ran.code == 3
        one = ran.objects[0]
        assert (one["status"], one["reason"], one["quality"]) == ("rejected", "implausible_pose", 0.0)
        assert one["box"] is not None

    def test_not_compared(self, faceid: Faceid, photo: Photo) -> None:
        assert faceid("enroll", "--name", "alice", marked(photo(ALICE))).code == 0
        path = photo(ALICE)
        ran = faceid("--json", "identify", path)
        assert ran.code == 1
        (face,) = ran.object["faces"]
        assert (face["decision"], face["reason"]) == ("unknown", "implausible_pose")
        assert (face["distance"], face["candidates"]) == (None, [])
        assert f"{path}: face 1 was not compared: the landmarks are not those" in ran.err
        quiet = faceid("--quiet", "identify", path)
        assert "not compared" not in quiet.err
        for command in (("verify", "alice", path), ("compare", path, path)):
            ran = faceid("--json", *command)
            assert (ran.code, ran.object["error"]["code"]) == (3, "implausible_pose")

    def test_not_embedded(self, faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
        marked(photo(ALICE, name="people/alice/good.png"))
        photo(ALICE, name="people/alice/wrong.png")
        archive = tmp_path / "faces.npz"
        ran = faceid("--json", "embed", tmp_path / "people", "--output", archive)
        assert ran.code == 3
        good, wrong, last = ran.objects
        assert (good["status"], len(good["faces"])) == ("ok", 1)
        assert (wrong["status"], wrong["faces"]) == ("implausible_pose", [])
        assert wrong["problem"]["code"] == "implausible_pose"
        assert last["summary"]["lost"] == {"implausible_pose": 1}
        with np.load(archive) as rows:
            assert [Path(source).name for source in rows["sources"]] == ["good.png"]

    def test_a_false_face_beside_the_person_takes_no_name(
        self, faceid: Faceid, photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def detect(self: FakeDetector, pixels: np.ndarray) -> list[Face]:
            first, second = _find(self, pixels)
            return [first, Face(second.box, second.landmarks[[3, 4, 2, 0, 1]], second.score)]

        monkeypatch.setattr(FakeDetector, "_detect_one", detect)
        photo(ALICE, BOB, name="people/alice/both.png")
        ran = faceid("--json", "embed", tmp_path / "people", "--output", tmp_path / "faces.npz")
        assert ran.code == 0, ran.err
        assert (ran.objects[0]["name"], len(ran.objects[0]["faces"])) == ("alice", 1)
