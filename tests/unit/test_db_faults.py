"""A gallery when the machine fails it: killed at the wrong moment, no room, no permission, damage, a wrong clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import enrollment_db.bulk
import enrollment_db.session
import enrollment_db.store
from enrollment_db.bulk import Part
from enrollment_db.index.flat import FlatIndex
from enrollment_db.mirror import Mirror
from enrollment_db.records import Model
from enrollment_db.snapshot_directory import SnapshotDirectory
from enrollment_db.store import Store

DIM = 128
MODEL = Model("net", "a" * 64, "five-points", DIM, "cosine")
COUNT = 60
VECTORS = np.random.default_rng(0).standard_normal((4000, DIM)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


def part(photos: range) -> Part:
    names, hashes = [f"person {number}" for number in photos], [f"{number:064x}" for number in photos]
    return Part(names, VECTORS[photos.start : photos.stop], hashes, [None] * len(photos))


def files(path: Path) -> list[Path]:
    return sorted(SnapshotDirectory(str(path)).path.glob("*"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "gallery.db"
    with Store.open(path) as store:
        store.add_many([part(range(COUNT))], MODEL)
    return path


class Killed(BaseException):
    pass


@pytest.mark.parametrize("left", ["snapshot", "unfinished"])
@pytest.mark.parametrize("remaining", [0, 1])
def test_who_was_removed_just_before_a_crash_is_gone_from_the_disk(path, monkeypatch, left, remaining):
    with Store.open(path) as store:
        snapshot = Mirror(store, FlatIndex(DIM)).snapshot()
        assert snapshot is not None
        if left == "unfinished":
            snapshot.rename(snapshot.with_name(f"{snapshot.stem}.{'0' * 32}.tmp"))
        with monkeypatch.context() as patch, pytest.raises(Killed):
            # The removal is committed; what follows it never happens.
            patch.setattr(
                enrollment_db.session.Session, "_empty_log", lambda _: (_ for _ in ()).throw(Killed)
            )
            with store.transaction():
                for number in range(remaining, COUNT):
                    store.remove(f"person {number}")
    assert len(files(path)) == 1
    with Store.open(path) as store:
        mirror = Mirror(store, FlatIndex(DIM))
        mirror.sync()
        assert len(mirror) == remaining
    assert files(path) == []
