"""Snapshots of the index: used where they are good, and written whole or not at all."""

import signal
import stat
import subprocess
import sys

import numpy as np
import pytest

from enrollment_db.errors import DatabaseError
from enrollment_db.registry import open_sqlite
from enrollment_db.search.index.faiss import FaissFlatIndex
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.mirror import Mirror
from enrollment_db.search.snapshot_directory import SnapshotDirectory
from enrollment_db.sqlite.database import SqliteDatabase
from snapshots import COUNT, DIM, KINDS, MODEL, files, finish, opened, photo


@pytest.mark.parametrize("index_type", [FlatIndex, FaissFlatIndex])
def test_opening_maps_the_snapshot_and_replays_the_rest(store, good, monkeypatch, index_type):
    store.templates.add("Ann", [photo(100), photo(101)], MODEL)
    mirror, loaded = opened(store, monkeypatch, index_type(DIM))
    assert not loaded
    assert (mirror.seq, mirror.model) == (COUNT + 2, MODEL)
    assert Mirror(store.changes, FlatIndex(DIM)).sync() == COUNT + 2


def test_a_snapshot_is_for_its_owners_eyes_only(store, good):
    assert stat.S_IMODE(good.stat().st_mode) == 0o600
    assert stat.S_IMODE(good.parent.stat().st_mode) == 0o700


def test_more_can_be_added_and_removed_than_there_is_room_for(store, good, monkeypatch):
    store.templates.add("many", [photo(1000 + number) for number in range(1500)], MODEL)
    mirror, loaded = opened(store, monkeypatch)
    assert not loaded
    with store.templates.transaction():
        for number in range(0, COUNT, 3):
            store.templates.remove(f"person {number}")
        store.templates.remove("many")
    mirror.sync()
    assert len(mirror) == store.templates.counts()[1]
    again = mirror.snapshot()
    assert again is not None
    assert not opened(store, monkeypatch)[1]


EXACT = ("numpy", "faiss")


@pytest.mark.parametrize("reading", KINDS)
@pytest.mark.parametrize("writing", KINDS)
def test_every_index_goes_on_where_another_stopped(store, monkeypatch, writing, reading):
    mirror = Mirror(store.changes, KINDS[writing]())
    mirror.sync()
    store.templates.remove("person 3")
    assert mirror.snapshot() is not None
    store.templates.remove("person 5")
    store.templates.add("Ann", [photo(100), photo(101)], MODEL)
    again, loaded = opened(store, monkeypatch, KINDS[reading]())
    compressed = writing in ("pq4", "rabitq", "ivf", "hnsw")
    # The graph cannot be erased from, and was removed. An exact index does not take what was rounded.
    assert loaded == (writing == "hnsw" or (compressed and reading in EXACT))
    assert again.compare().equal
    np.testing.assert_array_equal(again.search(photo(7).vector[None], 1)[1], [[8]])
    if reading == writing:
        assert again.snapshot() is not None
        assert not opened(store, monkeypatch, KINDS[reading]())[1]


def test_a_file_in_place_of_the_directory(store):
    SnapshotDirectory(store.location).path.write_bytes(b"")
    with pytest.raises(DatabaseError, match="no snapshot could be written"):
        Mirror(store.changes, FlatIndex(DIM)).snapshot()


def test_opening_leaves_a_snapshot_where_it_had_to_read_much(store):
    Mirror(store.changes, FlatIndex(DIM), snapshot_from=COUNT + 1).sync()
    assert files(store) == []
    Mirror(store.changes, FlatIndex(DIM), snapshot_from=COUNT).sync()
    assert files(store) == [f"{COUNT:020d}.snapshot"]
    store.templates.add("Ann", [photo(500 + number) for number in range(COUNT)], MODEL)
    Mirror(store.changes, FlatIndex(DIM), snapshot_from=COUNT).sync()
    assert files(store) == [f"{2 * COUNT:020d}.snapshot"]


def test_a_snapshot_is_left_after_many_changes_and_not_after_few(store):
    mirror = Mirror(store.changes, FlatIndex(DIM), snapshot_from=COUNT + 5, leave_snapshots=False)
    mirror.leave_snapshot()
    assert files(store) == []
    store.templates.add("Ann", [photo(500 + number) for number in range(5)], MODEL)
    mirror.leave_snapshot()
    assert files(store) == [f"{COUNT + 5:020d}.snapshot"]
    store.templates.add("Bob", [photo(600 + number) for number in range(COUNT + 4)], MODEL)
    mirror.leave_snapshot()
    assert files(store) == [f"{COUNT + 5:020d}.snapshot"]
    store.templates.remove("person 7")
    mirror.leave_snapshot()
    (left,) = files(store)
    assert left == f"{2 * COUNT + 10:020d}.snapshot"
    assert photo(7).vector.tobytes() not in (SnapshotDirectory(store.location).path / left).read_bytes()


def test_no_snapshot_can_be_left(store):
    SnapshotDirectory(store.location).path.write_bytes(b"")
    mirror = Mirror(store.changes, FlatIndex(DIM), snapshot_from=1)
    mirror.leave_snapshot()
    assert len(mirror) == COUNT


def test_an_empty_gallery_has_none(path):
    with open_sqlite(path) as store:
        assert Mirror(store.changes, FlatIndex(DIM), snapshot_from=0).snapshot() is None
        assert files(store) == []


SNAPSHOTTER = """
import os, sys
import enrollment_db.search.snapshot_directory as directory
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.mirror import Mirror
from enrollment_db.registry import open_sqlite
from enrollment_db.sqlite.database import SqliteDatabase

class Dying:
    def __init__(self, file, left):
        self.file, self.left = file, left
    def __getattr__(self, name):
        if name in ("write", "truncate", "seek", "flush"):
            self.left -= 1
            if self.left < 0:
                self.file.flush()
                os.kill(os.getpid(), 9)
        return getattr(self.file, name)

write, left = directory.write, int(sys.argv[2])
if left >= 0:
    directory.write = lambda file, *rest: write(Dying(file, left), *rest)
with open_sqlite(sys.argv[1]) as store:
    mirror = Mirror(store.changes, FlatIndex(8))
    mirror.sync()
    print("ready", flush=True)
    sys.stdin.read()
    for _ in range(20):
        mirror.snapshot()
"""


def snapshotter(store: SqliteDatabase, calls_until_death: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", SNAPSHOTTER, store.location, str(calls_until_death)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_killed_while_writing(store, good, caplog, monkeypatch):
    store.templates.add("Ann", [photo(100)], MODEL)
    assert finish([snapshotter(store, calls) for calls in (0, 1, 3, 5, 8)]) == [-signal.SIGKILL] * 5
    assert len(files(store)) == 6
    mirror, loaded = opened(store, monkeypatch)
    assert not loaded
    assert caplog.records == []
    newer = mirror.snapshot()
    assert newer is not None
    assert files(store) == [newer.name]


def test_processes_that_write_at_once(store, caplog, monkeypatch):
    assert finish([snapshotter(store, -1) for _ in range(2)]) == [0, 0]
    assert files(store) == [f"{COUNT:020d}.snapshot"]
    assert not opened(store, monkeypatch)[1]
    assert caplog.records == []
