"""Work that adds many templates leaves the index on the disk: the next process reads only what came later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crowds import unit
from enrollment_db.search.mirror import SNAPSHOT_FROM
from enrollment_db.sqlite.changes import ChangeLog
from faceid import FaceID
from faceid.gallery.maintenance import MirrorMaintenance
from faceid.imaging import from_array
from faceid.networks.fake_card import DIM
from faceid.recognition.detect.fake import draw_face
from faceid.sources import Photo


def archive(path: Path, first: int, count: int) -> tuple[Path, NDArray[np.float32]]:
    vectors = unit(np.random.default_rng(first).standard_normal((count, DIM)))
    names = [f"person {first + number}" for number in range(count)]
    np.savez(path, embeddings=vectors, names=np.array(names), model="fake", metric="cosine")
    return path, vectors


def opened(db: Path) -> FaceID:
    return FaceID(db=db, model="fake", device="cpu")


def snapshots(db: Path) -> list[str]:
    directory = db.with_name(f"{db.name}-index")
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def test_an_import_leaves_the_index_and_a_small_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = tmp_path / "gallery.db"
    few, _ = archive(tmp_path / "few.npz", 0, 50)
    many, vectors = archive(tmp_path / "many.npz", 1_000, SNAPSHOT_FROM)
    later, last = archive(tmp_path / "later.npz", 90_000, 3)
    with opened(db) as system:
        system.transfer.import_templates(few)
        assert snapshots(db) == []
        system.transfer.import_templates(many, on_conflict="accept")
        (left,) = snapshots(db)
        system.people.remove("person 1007")
        system.transfer.import_templates(later)
    assert snapshots(db) == [left]
    assert vectors[7].tobytes() not in (tmp_path / "gallery.db-index" / left).read_bytes()

    read: list[int] = []
    since: Callable[..., object] = ChangeLog.since

    def counted(self: ChangeLog, after_seq: int, *arguments: object) -> object:
        read.append(self.place()[0].seq - after_seq)
        return since(self, after_seq, *arguments)

    monkeypatch.setattr(ChangeLog, "since", counted)
    monkeypatch.setattr(ChangeLog, "load_all", lambda self: pytest.fail("read the whole database"))
    with opened(db) as system:
        gallery = system.services.gallery()
        cosines, _ = gallery.neighbours(np.stack([vectors[7], vectors[8], last[2]]), 1)
    assert read == [4]
    np.testing.assert_array_equal(cosines[:, 0] > 0.999, [False, True, True])


def test_an_enrolment_leaves_it_after_every_so_many_templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def photo(person: int, number: int) -> Photo:
        canvas = np.zeros((200, 200, 3), np.uint8)
        draw_face(canvas, (80 + 32 * person, 80, 240 - 32 * person), 20 + number, 20, 120)
        source = f"{person}/{number}"
        return Photo(source, f"person {person}", lambda: from_array(canvas, source))

    asked: list[int] = []

    def leave(self: MirrorMaintenance, added: int) -> bool:
        asked.append(added)
        return added >= 4

    monkeypatch.setattr(MirrorMaintenance, "leave", leave)
    with opened(tmp_path / "gallery.db") as system:
        photos = [photo(person, number) for person in range(4) for number in range(3)]
        assert {one.status for one in system.enroll_each(photos)} == {"enrolled"}
    assert asked == [3, 6, 3, 6]
