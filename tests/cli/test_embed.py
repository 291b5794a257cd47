"""`faceid embed`: every face a row, what cannot be used reported, and an archive that `import` takes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from archive_files import as_zip
from cli_runs import ALICE, BOB, CAROL, Faceid, Photo


@pytest.fixture
def people(photo: Photo, tmp_path: Path) -> Path:
    for number in range(2):
        photo(ALICE, name=f"people/alice/{number}.png")
        photo(BOB, name=f"people/bob/deeper/{number}.png")
    photo(ALICE, BOB, name="people/alice/both.png")
    photo(CAROL, name="people/loose.png")
    return tmp_path / "people"


def test_every_face_is_a_row_and_folders_give_names(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.npz"
    ran = faceid("--json", "embed", people, "--output", file)
    assert ran.code == 0
    *photos, last = ran.objects
    assert {Path(each["path"]).name: (each["name"], len(each["faces"])) for each in photos[:3]} == {
        "0.png": ("alice", 1),
        "1.png": ("alice", 1),
        "both.png": (None, 2),
    }
    summary = last["summary"]
    assert {name: summary[name] for name in ("path", "photos", "faces", "named", "lost", "model")} == {
        "path": str(file),
        "photos": 6,
        "faces": 7,
        "named": 4,
        "lost": {},
        "model": "fake",
    }
    with np.load(file) as archive:
        assert archive["names"].tolist() == ["alice", "alice", "", "", "bob", "bob", ""]
        assert archive["embeddings"].dtype == np.float32
        assert archive["embeddings"].shape == (7, summary["dim"])
        np.testing.assert_allclose(np.linalg.norm(archive["embeddings"], axis=1), 1.0, rtol=1e-5)
        assert archive["sources"][2] == archive["sources"][3] == str(people / "alice" / "both.png")
        assert archive["photo_sha256"][2] == archive["photo_sha256"][3] != archive["photo_sha256"][0]
        for row, face in enumerate(face for each in photos for face in each["faces"]):
            assert face["row"] == row
            np.testing.assert_allclose(archive["boxes"][row], face["box"], atol=0.01)
            assert archive["quality"][row] == pytest.approx(face["quality"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_import_takes_those_that_have_a_name(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.npz"
    assert faceid("embed", people, "--output", file).code == 0
    imported = faceid("--json", "import", file).object
    assert (imported["templates"], imported["identities"], imported["nameless"]) == (4, 2, 3)
    told = faceid("import", file)
    assert "(4 stored already)" in told.out
    assert "3 rows without a name left out" in told.err
    assert (
        faceid("--json", "identify", people / "bob" / "deeper" / "0.png").object["faces"][0]["name"] == "bob"
    )


def test_nothing_is_lost_for_what_cannot_be_used(faceid: Faceid, photo: Photo, tmp_path: Path) -> None:
    good, empty = photo(ALICE), photo(name="nobody.png")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    file = tmp_path / "out.npz"
    ran = faceid("--json", "embed", broken, good, empty, tmp_path / "absent.png", "-o", file)
    assert ran.code == 3
    *photos, last = ran.objects
    assert [each["status"] for each in photos] == ["unreadable", "ok", "no_face", "unreadable"]
    assert last["summary"]["lost"] == {"unreadable": 2, "no_face": 1}
    assert "broken.jpg" in ran.err
    assert "absent.png" in ran.err
    with np.load(file) as archive:
        assert archive["sources"].tolist() == [good]
        assert "names" not in archive


def test_without_a_single_face_the_file_that_was_there_stays(
    faceid: Faceid, photo: Photo, tmp_path: Path
) -> None:
    file = tmp_path / "out.npz"
    file.write_bytes(b"before")
    ran = faceid("embed", photo(), "--output", file)
    assert ran.code == 3
    assert "no photo shows a face: 1 no_face" in ran.err
    assert file.read_bytes() == b"before"
    assert list(tmp_path.glob(".*.tmp")) == []


def test_a_place_that_cannot_be_written_is_told_before_the_work(
    faceid: Faceid, photo: Photo, tmp_path: Path
) -> None:
    ran = faceid("embed", photo(ALICE), "--output", tmp_path / "absent" / "out.npz")
    assert ran.code == 2
    assert "cannot write" in ran.err


@pytest.mark.parametrize("place", [".", "/", "pipe", "folder"])
def test_what_is_no_file_is_left_as_it_is(
    faceid: Faceid, photo: Photo, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    ran = faceid("embed", photo(ALICE), "--output", place)
    assert (ran.code, "cannot write" in ran.err) == (2, True), ran.err
    assert (tmp_path / "pipe").is_fifo()


def test_archives_are_read_as_folders_are(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    files = {
        f"{who}/{number}.png": path.read_bytes()
        for who in ("alice", "bob")
        for number, path in enumerate(sorted((people / who).rglob("[01].png")))
    }
    packed = as_zip(tmp_path / "people.zip", files)
    assert faceid("embed", packed, "--output", tmp_path / "out.npz").code == 0
    with np.load(tmp_path / "out.npz") as archive:
        assert archive["names"].tolist() == ["alice", "alice", "bob", "bob"]


def test_an_archive_without_folders_names_nobody(faceid: Faceid, people: Path, tmp_path: Path) -> None:
    flat = as_zip(tmp_path / "flat.zip", {"1.png": (people / "loose.png").read_bytes()})
    assert faceid("embed", flat, "--output", tmp_path / "out.npz").code == 0
    with np.load(tmp_path / "out.npz") as archive:
        assert archive["sources"].tolist() == [f"{flat}/1.png"]
        assert "names" not in archive
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK no archive")
    assert faceid("embed", broken, "--output", tmp_path / "none.npz").code == 3
