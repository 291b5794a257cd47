from __future__ import annotations

import pytest

from cli_runs import ALICE, BOB, Faceid, Photo

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
    "policy",
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

    def test_default_is_one_stranger_in_ten_thousand(self, faceid: Faceid, photo: Photo) -> None:
        path = photo(ALICE)
        default = faceid("--json", "verify", "alice", path).object["threshold"]
        assert default == faceid("--json", "verify", "--fmr", "1e-4", "alice", path).object["threshold"]


def test_compare_needs_no_gallery(faceid: Faceid, photo: Photo, db) -> None:
    paths = [photo(ALICE), photo(ALICE)]
    ran = faceid("--json", "compare", *paths)
    assert ran.code == 0, ran.err
    assert list(ran.object) == ["paths", *VERIFY_FIELDS[2:]]
    assert ran.object["paths"] == paths
    assert faceid("--json", "compare", photo(ALICE), photo(BOB)).code == 1
    assert not db.exists()


def test_compare_names_the_photo_at_fault(faceid: Faceid, photo: Photo) -> None:
    good, empty = photo(ALICE), photo()
    ran = faceid("--json", "compare", good, empty)
    assert (ran.code, ran.object["error"]["path"]) == (3, empty)
