from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PilImage

from cli_runs import ALICE, BOB, Faceid, Photo
from faceid.recognition.detect.fake import draw_face

VERIFY_FIELDS = [
    *(
        "path",
        "name",
        "decision",
        "verified",
        "distance",
        "similarity",
        "threshold",
        "fmr",
        "fmr_alike",
        "llr",
    ),
    "box",
    "policy",
    "turned",
]


@pytest.fixture
def alice(faceid: Faceid, photo: Photo) -> None:
    assert faceid("enroll", "--name", "alice", photo(ALICE)).code == 0


@pytest.mark.usefixtures("alice")
class TestVerify:
    def test_the_right_person(self, faceid: Faceid, photo: Photo) -> None:
        path = photo(ALICE)
        ran = faceid("--json", "verify", "alice", path)
        assert ran.code == 0, ran.err
        assert list(ran.object) == VERIFY_FIELDS
        assert (ran.object["path"], ran.object["name"]) == (path, "alice")
        assert (ran.object["decision"], ran.object["verified"]) == ("match", True)

    def test_somebody_else(self, faceid: Faceid, photo: Photo) -> None:
        ran = faceid("--json", "verify", "alice", photo(BOB))
        assert (ran.code, ran.object["decision"], ran.object["verified"]) == (1, "no_match", False)

    def test_a_name_that_nobody_has(self, faceid: Faceid, photo: Photo) -> None:
        ran = faceid("--json", "verify", "nobody", photo(ALICE))
        assert (ran.code, ran.object["error"]["code"]) == (1, "unknown_identity")

    @pytest.mark.parametrize(("people", "code"), [((), "no_face"), ((ALICE, BOB), "multiple_faces")])
    def test_one_face_is_needed(self, faceid: Faceid, photo: Photo, people: tuple, code: str) -> None:
        path = photo(*people)
        ran = faceid("--json", "verify", "alice", path)
        assert ran.code == 3
        assert (ran.object["error"]["code"], ran.object["error"]["path"]) == (code, path)
        assert len(ran.err.splitlines()) == 1

    def test_a_face_in_the_background_does_not_refuse_the_photo(self, faceid: Faceid, tmp_path: Path) -> None:
        canvas = np.zeros((300, 420, 3), np.uint8)
        draw_face(canvas, ALICE, 110, 60, 160)
        draw_face(canvas, BOB, 330, 30, 70)
        path = tmp_path / "street.png"
        PilImage.fromarray(canvas).save(path)
        assert faceid("verify", "alice", path).code == 0
        ran = faceid("--json", "verify", "alice", "--subject", "only", path)
        assert (ran.code, ran.object["error"]["code"]) == (3, "multiple_faces")
        x0, _, x1, _ = faceid("--json", "verify", "alice", path).object["box"]
        assert 110 <= (x0 + x1) / 2 <= 270
        first, second = faceid("--json", "compare", path, path).object["boxes"]
        assert first == second
        assert 110 <= (first[0] + first[2]) / 2 <= 270
        assert faceid("compare", path, path).code == 0
        assert faceid("compare", path, path, "--subject", "only").code == 3

    def test_the_subject_may_be_the_face_nearest_to_the_middle(self, faceid: Faceid, photo: Photo) -> None:
        path = photo(BOB, ALICE, BOB)
        ran = faceid("--json", "verify", "alice", path)
        assert (ran.code, ran.object["error"]["code"]) == (3, "multiple_faces")
        assert "3 faces, and none is clearly the subject" in ran.err
        assert "choose one with --subject" in ran.err
        assert faceid("verify", "alice", path, "--subject", "centre").code == 0

    @pytest.mark.parametrize("subject", ["all", "biggest"])
    def test_a_subject_that_one_photo_cannot_tell(self, faceid: Faceid, photo: Photo, subject: str) -> None:
        for arguments in (("verify", "alice", photo(ALICE)), ("compare", photo(ALICE), photo(ALICE))):
            ran = faceid(*arguments, "--subject", subject)
            assert ran.code == 2
            assert "choose one of largest, centre, only" in ran.err

    def test_default_is_one_stranger_in_ten_thousand(self, faceid: Faceid, photo: Photo) -> None:
        path = photo(ALICE)
        default = faceid("--json", "verify", "alice", path).object["threshold"]
        assert default == faceid("--json", "verify", "--fmr", "1e-4", "alice", path).object["threshold"]


def test_compare_needs_no_gallery(faceid: Faceid, photo: Photo, db) -> None:
    paths = [photo(ALICE), photo(ALICE)]
    ran = faceid("--json", "compare", *paths)
    assert ran.code == 0, ran.err
    assert list(ran.object) == ["paths", *VERIFY_FIELDS[2:-3], "boxes", "policy", "turned"]
    assert ran.object["paths"] == paths
    assert faceid("--json", "compare", photo(ALICE), photo(BOB)).code == 1
    assert not db.exists()


def test_compare_names_the_photo_at_fault(faceid: Faceid, photo: Photo) -> None:
    good, empty = photo(ALICE), photo()
    ran = faceid("--json", "compare", good, empty)
    assert (ran.code, ran.object["error"]["path"]) == (3, empty)
