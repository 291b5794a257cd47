from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli_runs import ALICE, BOB, CAROL, Faceid, Photo


@pytest.fixture
def enrolled(faceid: Faceid, photo: Photo) -> None:
    assert faceid("enroll", "--name", "bob", photo(BOB)).code == 0
    assert faceid("enroll", "--name", "alice", photo(ALICE), photo(ALICE)).code == 0


pytestmark = pytest.mark.usefixtures("enrolled")


def test_list(faceid: Faceid) -> None:
    people = faceid("--json", "list").objects
    assert [list(person) for person in people] == 2 * [
        ["name", "templates", "created_at", "attributes", "unconfirmed"]
    ]
    assert [(person["name"], person["templates"]) for person in people] == [("alice", 2), ("bob", 1)]


def test_show(faceid: Faceid) -> None:
    templates = faceid("--json", "show", "alice").objects
    assert list(templates[0]) == [
        "template_id",
        "source",
        "sha256",
        "quality",
        "model",
        "created_at",
        "state",
        "detector",
    ]
    assert [template["template_id"] for template in templates] == [2, 3]
    assert {template["detector"] for template in templates} == {"fake"}
    assert "detector fake" in faceid("show", "alice").out
    assert faceid("--json", "show", "nobody").code == 1


def test_rename(faceid: Faceid, photo: Photo) -> None:
    ran = faceid("--json", "rename", "alice", "alicia")
    assert ran.object == {"status": "renamed", "old": "alice", "new": "alicia", "templates": 2}
    assert faceid("--json", "identify", photo(ALICE)).object["faces"][0]["name"] == "alicia"


@pytest.mark.parametrize(
    ("old", "new", "exit_code", "code"),
    [
        ("alice", "bob", 1, "name_taken"),
        ("nobody", "x", 1, "unknown_identity"),
        ("alice", " ", 2, "bad_name"),
    ],
)
def test_renames_that_cannot_be(faceid: Faceid, old: str, new: str, exit_code: int, code: str) -> None:
    ran = faceid("--json", "rename", old, new)
    assert (ran.code, ran.object["error"]["code"]) == (exit_code, code)


def test_a_removed_person_is_never_found_again(faceid: Faceid, photo: Photo) -> None:
    ran = faceid("--json", "remove", "--yes", "alice")
    assert ran.object == {"status": "removed", "name": "alice", "identities": 1, "templates": 2}
    found = faceid("--json", "identify", photo(ALICE))
    assert (found.code, found.object["faces"][0]["decision"]) == (1, "unknown")


def test_one_template_and_then_the_last(faceid: Faceid) -> None:
    for template, identities in ((2, 0), (3, 1)):
        ran = faceid("--json", "remove", "--yes", "--template", template)
        assert (ran.object["name"], ran.object["identities"], ran.object["templates"]) == (
            "alice",
            identities,
            1,
        )
    assert [person["name"] for person in faceid("--json", "list").objects] == ["bob"]


def test_remove_wants_to_be_sure(faceid: Faceid) -> None:
    ran = faceid("remove", "alice")
    assert ran.code == 2
    assert "--yes" in ran.err
    assert len(faceid("--json", "list").objects) == 2


@pytest.mark.parametrize("arguments", [[], ["alice", "--template", "1"]])
def test_remove_one_thing_at_a_time(faceid: Faceid, arguments: list[str]) -> None:
    assert faceid("remove", "--yes", *arguments).code == 2


def test_export_and_import_into_another_gallery(
    faceid: Faceid, photo: Photo, db: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "templates.npz"
    ran = faceid("--json", "export", archive)
    assert (ran.object["status"], ran.object["identities"], ran.object["templates"]) == ("exported", 2, 3)
    assert archive.stat().st_mode & 0o077 == 0
    with np.load(archive, allow_pickle=False) as arrays:
        assert arrays["embeddings"].dtype == np.float32
        assert arrays["embeddings"].shape == (3, 64)
        assert sorted(arrays["names"]) == ["alice", "alice", "bob"]
        assert (str(arrays["model"]), str(arrays["metric"])) == ("fake", "cosine")
    known = photo(ALICE)
    before = faceid("--json", "identify", known).object["faces"]
    shutil.move(db, tmp_path / "old.db")
    for leftover in tmp_path.glob("gallery.db-*"):
        leftover.unlink()
    ran = faceid("--json", "import", archive)
    assert (ran.code, ran.object["templates"], ran.object["skipped"]) == (0, 3, 0)
    assert faceid("--json", "identify", known).object["faces"] == before
    again = faceid("--json", "import", archive).object
    assert (again["templates"], again["skipped"]) == (0, 3)


def write(path: Path, **arrays: object) -> Path:
    rng = np.random.default_rng(1)
    contents: dict[str, object] = {
        "embeddings": rng.normal(size=(2, 64)).astype(np.float32),
        "names": np.array(["dan", "eve"]),
        "model": "fake",
        "metric": "cosine",
    }
    contents.update(arrays)
    np.savez(path, **{name: value for name, value in contents.items() if value is not None})
    return path


def test_archives_are_read_and_written_by_parts(
    faceid: Faceid, db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faceid.gallery.archive.ROWS", 7)
    rng = np.random.default_rng(5)
    people = np.array([f"person {number % 40}" for number in range(100)])
    # Three templates of each person, in different parts, that agree with each other.
    own = rng.normal(size=(40, 64))[np.arange(100) % 40] + 0.1 * rng.normal(size=(100, 64))
    archive = write(tmp_path / "in.npz", embeddings=own.astype(np.float32), names=people)
    ran = faceid("--json", "import", archive)
    assert (ran.object["templates"], ran.object["identities"]) == (100, 40)
    assert faceid("--json", "export", tmp_path / "out.npz").object["templates"] == 103
    with np.load(tmp_path / "out.npz", allow_pickle=False) as arrays:
        assert arrays["names"].tolist()[3:] == people.tolist()
        assert arrays["embeddings"].shape == (103, 64)
        np.testing.assert_allclose(np.linalg.norm(arrays["embeddings"], axis=1), 1, atol=1e-6)
    # The last template is bad: those before it must not stay.
    embeddings = rng.normal(size=(100, 64)).astype(np.float32)
    embeddings[-1] = np.nan
    assert faceid("import", write(tmp_path / "bad.npz", embeddings=embeddings, names=people)).code == 3
    assert faceid("--json", "export", tmp_path / "out.npz").object["templates"] == 103


def test_an_archive_that_was_cut_leaves_nothing(faceid: Faceid, tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.npz").read_bytes()
    cut = tmp_path / "cut.npz"
    for length in range(0, len(whole), 97):
        cut.write_bytes(whole[:length])
        ran = faceid("--json", "import", cut)
        assert (ran.code, ran.object["error"]["code"]) == (3, "bad_archive"), length
    assert len(faceid("--json", "list").objects) == 2


def test_import_brings_vectors_to_unit_length(faceid: Faceid, tmp_path: Path) -> None:
    assert faceid("import", write(tmp_path / "x.npz")).code == 0
    assert len(faceid("--json", "list").objects) == 4


@pytest.mark.parametrize(
    ("arrays", "exit_code", "code"),
    [
        ({"model": "dlib-resnet"}, 4, "model_mismatch"),
        ({"metric": "euclidean"}, 4, "model_mismatch"),
        ({"embeddings": np.ones((2, 63), np.float32)}, 4, "model_mismatch"),
        ({"embeddings": np.full((2, 64), np.nan, np.float32)}, 3, "bad_archive"),
        ({"embeddings": np.zeros((2, 64), np.float32)}, 3, "bad_archive"),
        ({"embeddings": np.ones((2, 64), np.int32)}, 3, "bad_archive"),
        ({"names": np.array(["dan"])}, 3, "bad_archive"),
        ({"names": None}, 3, "bad_archive"),
        ({"names": np.array(["dan", None], dtype=object)}, 3, "bad_archive"),
        ({"names": np.array(["dan", "a\nb"])}, 2, "bad_name"),
    ],
)
def test_imports_that_are_refused_leave_nothing_behind(
    faceid: Faceid, tmp_path: Path, arrays: dict[str, object], exit_code: int, code: str
) -> None:
    ran = faceid("--json", "import", write(tmp_path / "bad.npz", **arrays))
    assert (ran.code, ran.object["error"]["code"]) == (exit_code, code)
    assert len(ran.err.splitlines()) == 1
    assert len(faceid("--json", "list").objects) == 2


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 broken", b"\x93NUMPY"])
def test_import_of_what_is_no_archive(faceid: Faceid, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.npz"
    if content is not None:
        path.write_bytes(content)
    assert faceid("--json", "import", path).code == 3


def test_export_to_nowhere(faceid: Faceid, tmp_path: Path) -> None:
    ran = faceid("--json", "export", tmp_path / "no" / "x.npz")
    assert (ran.code, ran.object["error"]["code"]) == (4, "cannot_write")


def test_a_gallery_that_is_no_database(faceid: Faceid, photo: Photo, db: Path) -> None:
    db.write_bytes(b"this is not a database, but long enough to look at" * 40)
    for leftover in db.parent.glob("gallery.db-*"):
        leftover.unlink()
    for command in (["list"], ["identify", photo(CAROL)], ["enroll", "--name", "x", photo(CAROL)]):
        ran = faceid("--json", *command)
        assert ran.code == 4
        assert len(ran.err.splitlines()) == 1


def test_what_found_a_face_is_exported_and_imported(faceid: Faceid, tmp_path: Path) -> None:
    whole = tmp_path / "whole.npz"
    assert faceid("export", whole).code == 0
    with np.load(whole, allow_pickle=False) as arrays:
        taken = {name: arrays[name] for name in arrays.files}
    assert taken["detectors"].tolist() == ["fake"] * 3

    def imported(detectors: list[str] | None) -> list[str | None]:
        db = tmp_path / f"{detectors}.db"
        if detectors is None:
            del taken["detectors"]
        else:
            taken["detectors"] = np.array(detectors)
        assert faceid("--db", db, "import", write(tmp_path / "again.npz", **taken)).code == 0
        shown = [template for name in ("bob", "alice") for template in people(db, name)]
        return [template["detector"] for template in shown]

    def people(db: Path, name: str) -> list[dict[str, Any]]:
        return faceid("--db", db, "--json", "show", name).objects

    assert imported(["mtcnn", "", "yunet-n"]) == ["mtcnn", None, "yunet-n"]
    assert imported(None) == [None] * 3


@pytest.mark.parametrize(
    "detectors", [["mtcnn"], ["mtcnn", "a" * 201, ""], ["mtcnn", "\x1b[31m", ""], [1, 2, 3]]
)
def test_what_no_detector_is_called_is_not_imported(
    faceid: Faceid, tmp_path: Path, detectors: list[object]
) -> None:
    whole = tmp_path / "whole.npz"
    faceid("export", whole)
    with np.load(whole, allow_pickle=False) as arrays:
        taken = {name: arrays[name] for name in arrays.files}
    taken["detectors"] = np.array(detectors)
    db = tmp_path / "other.db"
    ran = faceid("--db", db, "--json", "import", write(tmp_path / "other.npz", **taken))
    assert ran.code in (3, 4)
    assert ran.object["error"]["code"] in ("bad_archive", "bad_template")
    assert faceid("--db", db, "--json", "list").objects == []


def test_import_names_what_the_guards_refuse_and_stores_the_rest(faceid: Faceid, tmp_path: Path) -> None:
    whole = tmp_path / "whole.npz"
    faceid("export", whole)
    with np.load(whole, allow_pickle=False) as arrays:
        taken = {name: arrays[name] for name in arrays.files}
    rows = np.random.default_rng(3).normal(size=(1, 64)).astype(np.float32)
    taken["embeddings"] = np.concatenate([taken["embeddings"][-1:], rows])
    for name, values in (("names", ["eve", "dan"]), ("sources", ["bob.jpg", ""])):
        taken[name] = np.array(values)
    taken["photo_sha256"] = np.array(["0" * 64, "1" * 64])
    taken["detectors"] = taken["detectors"][-2:]
    archive = write(tmp_path / "other.npz", **taken)
    ran = faceid("--json", "import", archive)
    assert (ran.code, ran.object["templates"], ran.object["unconfirmed"]) == (3, 1, 0)
    (refused,) = ran.object["refused"]
    assert (refused["name"], refused["source"]) == ("eve", "bob.jpg")
    assert refused["problem"]["code"] == "identity_conflict"
    assert "a template of eve (bob.jpg) refused: the face matches alice" in faceid("import", archive).err
    ran = faceid("--json", "import", archive, "--on-conflict", "accept")
    assert (ran.code, ran.object["templates"], ran.object["refused"]) == (0, 1, [])
    assert faceid("import", archive, "--on-conflict", "perhaps").code == 2
