"""`faceid index`: what is there, whether it is right, and making it anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli_runs import ALICE, BOB, Faceid, Photo
from enrollment_db.search import snapshot
from enrollment_db.search.index.kept import Kept
from enrollment_db.search.mirror import Mirror
from faceid.app.faceid import FaceID


@pytest.fixture
def enrolled(faceid: Faceid, photo: Photo) -> None:
    assert faceid("enroll", "--name", "alice", photo(ALICE), photo(ALICE)).code == 0
    assert faceid("enroll", "--name", "bob", photo(BOB)).code == 0


@pytest.fixture
def kept(enrolled: None, db: Path) -> Path:
    """A snapshot, which a gallery of this size does not get by itself."""
    with FaceID(db=db, model="fake", device="cpu") as system:
        gallery = system.services.gallery()
        assert gallery.model is not None
        mirror = gallery._search.mirror(gallery.model)
        path = mirror.snapshot()
    assert path is not None
    return path


def falsified(kept: Path, change) -> None:
    """The same snapshot with other content, checksums and all."""
    with kept.open("rb") as file:
        header = snapshot.read_header(file)
        found = snapshot.map_kept(file, header)
    ids, vectors = found.ids.copy(), found.by_row["vectors"][: found.count].copy()
    kept.unlink()
    with kept.open("xb") as file:
        ids, vectors = change(ids, vectors)
        snapshot.write(file, replace(header.stamp), Kept(len(ids), {"ids": ids, "vectors": vectors}, {}))


@pytest.mark.usefixtures("enrolled")
def test_status_of_a_small_gallery(faceid: Faceid) -> None:
    status = faceid("--json", "index", "status").object
    assert list(status) == ["kind", "index", "model", "templates", "changes", "snapshot"]
    assert (status["kind"], status["templates"], status["changes"], status["snapshot"]) == (
        "auto",
        3,
        3,
        None,
    )
    assert status["index"].startswith("exact on the CPU")
    assert "snapshot: none" in faceid("index", "status").out


def test_status_of_a_snapshot(faceid: Faceid, photo: Photo, kept: Path) -> None:
    faceid("enroll", "--name", "bob", photo(BOB))
    found = faceid("--json", "index", "status").object["snapshot"]
    assert list(found) == ["path", "index", "model", "rows", "bytes", "written_at", "behind"]
    assert (found["path"], found["rows"], found["behind"]) == (str(kept), 3, 1)
    assert "1 change behind" in faceid("index", "status").out


@pytest.mark.usefixtures("kept")
def test_an_index_that_is_right(faceid: Faceid) -> None:
    ran = faceid("--json", "index", "verify")
    assert (ran.code, ran.object) == (0, {"summary": {"status": "equal", "compared": 3, "differences": 0}})
    assert faceid("index", "verify").out == "3 templates, the same in the index and in the database\n"


@pytest.mark.parametrize(
    ("change", "difference", "template"),
    [
        (lambda ids, vectors: (ids[1:], vectors[1:]), "missing", 1),
        (lambda ids, vectors: (np.append(ids, 900), np.append(vectors, vectors[:1], axis=0)), "extra", 900),
        (
            lambda ids, vectors: (
                ids,
                np.roll(vectors, 1, axis=1) * [[1], [0], [0]] + vectors * [[0], [1], [1]],
            ),
            "different",
            1,
        ),
    ],
)
def test_an_index_that_is_wrong_is_told_and_made_anew(
    faceid: Faceid, kept: Path, monkeypatch: pytest.MonkeyPatch, change, difference: str, template: int
) -> None:
    def float32(ids, vectors):
        ids, vectors = change(ids, vectors)
        return ids, vectors.astype(np.float32)

    falsified(kept, float32)
    ran = faceid("--json", "index", "verify")
    assert ran.code == 4
    assert ran.objects[0] == {"template_id": template, "difference": difference}
    assert ran.objects[1]["summary"] == {
        "status": "differs",
        "compared": 3 - (difference == "missing"),
        "differences": 1,
    }
    assert f"template {template}: {difference}" in faceid("index", "verify").out

    assert faceid("--json", "index", "rebuild").object["status"] == "rebuilt"
    assert not kept.exists()
    assert faceid("index", "verify").code == 0


@pytest.mark.usefixtures("enrolled")
@pytest.mark.parametrize("work", ["rebuild", "compact"])
def test_work_on_the_index_leaves_a_snapshot_where_that_pays(
    faceid: Faceid, monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    small = faceid("--json", "index", work).object
    assert list(small) == ["status", "kind", "index", "templates", "snapshot", "seconds"]
    assert (small["templates"], small["snapshot"]) == (3, None)
    monkeypatch.setitem(Mirror.__init__.__kwdefaults__, "snapshot_from", 3)
    large = faceid("--json", "index", work).object
    assert Path(large["snapshot"]).exists()
    assert large["snapshot"] in faceid("index", work).out


@pytest.mark.parametrize("command", ["status", "verify", "rebuild", "compact"])
def test_galleries_with_nothing_in_them(faceid: Faceid, photo: Photo, command: str) -> None:
    missing = faceid("--json", "index", command)
    assert (missing.code, missing.object["error"]["code"]) == (4, "database_missing")
    faceid("enroll", "--name", "alice", photo(ALICE))
    faceid("remove", "--yes", "alice")
    assert faceid("--json", "index", command).code == 0


@pytest.mark.usefixtures("enrolled")
def test_the_kind_is_asked_for_by_the_environment(
    faceid: Faceid, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEID_INDEX", "faiss")
    assert faceid("--json", "index", "status").object["index"] == "faiss, as asked for"
    assert faceid("--json", "identify", photo(ALICE)).object["faces"][0]["name"] == "alice"
    monkeypatch.setenv("FACEID_INDEX", "best")
    ran = faceid("--json", "index", "status")
    assert (ran.code, "choose auto, numpy" in ran.err) == (2, True)
    monkeypatch.setenv("FACEID_INDEX", "gpu")
    ran = faceid("--json", "identify", photo(ALICE))
    assert (ran.code, ran.object["error"]["message"]) == (5, "the index gpu needs a GPU")
