"""Snapshots of the index: used where they are good, told from all that are not, gone when somebody is removed."""

import errno
import logging
import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from enrollment_db import snapshot
from enrollment_db.errors import DatabaseError, DiskFull, ReadOnly
from enrollment_db.index import VectorIndex
from enrollment_db.index.faiss import FaissFlatIndex
from enrollment_db.index.flat import FlatIndex
from enrollment_db.mirror import Mirror
from enrollment_db.records import Model, NewTemplate
from enrollment_db.snapshot_directory import SnapshotDirectory
from enrollment_db.store import Store

DIM = 8
COUNT = 40
MODEL = Model("net", "a" * 64, "five-points", DIM, "cosine")
OTHER = Model("net", "c" * 64, "five-points", DIM, "cosine")


def photo(number: int) -> NewTemplate:
    vector = np.random.default_rng(number).standard_normal(DIM)
    return NewTemplate((vector / np.linalg.norm(vector)).astype(np.float32), f"{number:064x}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gallery.db"


@pytest.fixture
def store(path: Path):
    with Store.open(path) as store:
        with store.transaction():
            for number in range(COUNT):
                store.add(f"person {number}", [photo(number)], MODEL)
        yield store


@pytest.fixture
def good(store: Store) -> Path:
    path = Mirror(store, FlatIndex(DIM)).snapshot()
    assert path is not None
    return path


def files(store: Store) -> list[str]:
    directory = SnapshotDirectory(store.path).path
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def opened(
    store: Store, monkeypatch: pytest.MonkeyPatch, index: VectorIndex | None = None
) -> tuple[Mirror, bool]:
    """A mirror that has found everybody, and whether it read the whole store for it."""
    loads = []
    load_all = Store.load_all
    with monkeypatch.context() as patch:
        patch.setattr(Store, "load_all", lambda self: loads.append(1) or load_all(self))
        mirror = Mirror(store, FlatIndex(DIM) if index is None else index)
        mirror.sync()
    held = np.concatenate([part.batch.template_ids for part in store.load_all()])
    vectors = np.concatenate([part.batch.vectors for part in store.load_all()])
    _, ids = mirror.search(vectors, 1)
    np.testing.assert_array_equal(ids[:, 0], held)
    assert len(mirror) == len(held)
    return mirror, bool(loads)


@pytest.mark.parametrize("index_type", [FlatIndex, FaissFlatIndex])
def test_opening_maps_the_snapshot_and_replays_the_rest(store, good, monkeypatch, index_type):
    store.add("Ann", [photo(100), photo(101)], MODEL)
    mirror, loaded = opened(store, monkeypatch, index_type(DIM))
    assert not loaded
    assert (mirror.seq, mirror.model) == (COUNT + 2, MODEL)
    assert Mirror(store, FlatIndex(DIM)).sync() == COUNT + 2


def test_a_snapshot_is_for_its_owners_eyes_only(store, good):
    assert stat.S_IMODE(good.stat().st_mode) == 0o600
    assert stat.S_IMODE(good.parent.stat().st_mode) == 0o700


def test_more_can_be_added_and_removed_than_there_is_room_for(store, good, monkeypatch):
    store.add("many", [photo(1000 + number) for number in range(1500)], MODEL)
    mirror, loaded = opened(store, monkeypatch)
    assert not loaded
    with store.transaction():
        for number in range(0, COUNT, 3):
            store.remove(f"person {number}")
        store.remove("many")
    mirror.sync()
    assert len(mirror) == store.counts()[1]
    again = mirror.snapshot()
    assert again is not None
    assert not opened(store, monkeypatch)[1]


def assert_refused(store, caplog, monkeypatch, why: str, *, kept: bool = False) -> None:
    with caplog.at_level(logging.DEBUG, "enrollment_db"):
        _, loaded = opened(store, monkeypatch)
    assert loaded
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert why in caplog.text
    caplog.clear()
    assert bool(files(store)) == kept


def places(good: Path) -> dict[str, int]:
    with good.open("rb") as file:
        header = snapshot.read_header(file)
        end_of_header = file.tell()
    last_id = header.ids_at + 8 * header.count - 1
    last_value = header.vectors_at + 4 * DIM * header.count - 1
    return {
        "magic": 0,
        "length": 12,
        "checksum": 16,
        "json": 20,
        "json's end": end_of_header - 1,
        "first id": header.ids_at,
        "last id": last_id,
        "first value": header.vectors_at,
        "last value": last_value,
    }


@pytest.mark.parametrize(
    "length",
    [
        "empty",
        *(
            f"{where} {end}"
            for where in (
                "magic",
                "length",
                "json",
                "json's end",
                "first id",
                "last id",
                "first value",
                "last value",
            )
            for end in ("before", "after")
        ),
    ],
)
def test_truncated(store, good, caplog, monkeypatch, length):
    where, _, end = length.rpartition(" ")
    os.truncate(good, places(good)[where] + (end == "after") if where else 0)
    assert_refused(store, caplog, monkeypatch, "")


def test_one_byte_short_or_long(store, good, caplog, monkeypatch):
    for change in (-1, 1):
        size = good.stat().st_size
        os.truncate(good, size + change)
        assert_refused(store, caplog, monkeypatch, f"it has {size + change} bytes, not {size}")
        Mirror(store, FlatIndex(DIM)).snapshot()


@pytest.mark.parametrize(
    "where",
    ["magic", "length", "checksum", "json", "json's end", "first id", "last id", "first value", "last value"],
)
@pytest.mark.parametrize("bit", [0, 7])
def test_flipped_bits(store, good, caplog, monkeypatch, where, bit):
    content = bytearray(good.read_bytes())
    content[places(good)[where]] ^= 1 << bit
    good.write_bytes(content)
    assert_refused(store, caplog, monkeypatch, "")


def test_a_newer_format_is_left_for_the_newer_version(store, good, caplog, monkeypatch):
    content = bytearray(good.read_bytes())
    content[8] += 1
    good.write_bytes(content)
    assert_refused(store, caplog, monkeypatch, "its format is 2", kept=True)


def rewritten(good: Path, **changes) -> None:
    """The same snapshot with another stamp."""
    with good.open("rb") as file:
        header = snapshot.read_header(file)
        rows = snapshot.map_rows(file, header)
    good.unlink()
    with good.open("xb") as file:
        stamp = replace(header.stamp, **changes)
        snapshot.write(file, stamp, rows.known, rows.vectors[: header.count])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"database_id": "0" * 32}, "of another gallery"),
        ({"model": OTHER}, "it is of net (cccccccc, five-points)"),
        ({"model": replace(MODEL, aligner="eyes")}, "it is of net (aaaaaaaa, eyes)"),
        ({"model": replace(MODEL, metric="euclidean")}, "it is of net"),
        ({"seq": COUNT + 1}, f"of change {COUNT + 1}, the gallery has come to {COUNT}"),
        ({"seq": COUNT - 1}, "history"),
        ({"lineage": "0" * 64}, "history"),
        ({"newest_id": 3}, "history"),
    ],
)
def test_foreign_and_future(store, good, caplog, monkeypatch, changes, why):
    rewritten(good, **changes)
    assert_refused(store, caplog, monkeypatch, why)


def test_a_directory_in_its_place(store, good, caplog, monkeypatch):
    good.unlink()
    good.mkdir()
    assert_refused(store, caplog, monkeypatch, "it is no file", kept=True)


def test_where_the_newest_is_bad_the_one_before_it_serves(store, good, caplog, monkeypatch):
    bad = good.with_name(f"{COUNT + 1:020d}.snapshot")
    bad.write_bytes(b"")
    assert not opened(store, monkeypatch)[1]
    assert str(bad) in caplog.text
    assert files(store) == [good.name]


def test_a_backup_that_was_restored_and_went_on(store, path, tmp_path, caplog, monkeypatch):
    long_lived = Mirror(store, FlatIndex(DIM))
    with Store.open(tmp_path / "backup.db") as backup:
        store._session._connection.backup(backup._session._connection)
        store.add("lost", [photo(200 + number) for number in range(5)], MODEL)
        assert long_lived.snapshot() is not None
        backup._session._connection.backup(store._session._connection)
    assert long_lived.sync() == COUNT
    assert "restored from a backup" in caplog.text
    assert files(store) == []
    np.testing.assert_array_equal(long_lived.search(photo(3).vector[None], 1)[1], [[4]])

    # The log overtakes the snapshot, under the same numbers.
    with Store.open(tmp_path / "backup.db") as backup:
        store.add("lost", [photo(200 + number) for number in range(5)], MODEL)
        assert long_lived.snapshot() is not None
        backup._session._connection.backup(store._session._connection)
    store.add("kept", [photo(300 + number) for number in range(9)], MODEL)
    caplog.clear()
    assert_refused(store, caplog, monkeypatch, "history")


def test_where_nothing_may_be_written_opening_is_silent(store, monkeypatch, caplog):
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "no")))
    mirror = Mirror(store, FlatIndex(DIM), snapshot_from=1)
    assert mirror.sync() == COUNT
    assert caplog.records == []
    with pytest.raises(ReadOnly, match="no snapshot could be written"):
        mirror.snapshot()


def test_a_full_disk_leaves_the_old_one(store, good, monkeypatch):
    store.add("Ann", [photo(100)], MODEL)
    mirror = Mirror(store, FlatIndex(DIM), snapshot_from=1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        with pytest.raises(DiskFull, match="no snapshot could be written"):
            mirror.snapshot()
    assert files(store) == [good.name]
    assert not opened(store, monkeypatch)[1]


class Foreign:
    """An index that keeps its vectors in a way of its own."""

    def __init__(self) -> None:
        self.inner = FlatIndex(DIM)
        self.dim, self.add, self.remove, self.search = (
            DIM,
            self.inner.add,
            self.inner.remove,
            self.inner.search,
        )

    def __len__(self) -> int:
        return len(self.inner)


def test_other_indexes_are_filled_from_snapshots_but_leave_none(store, good, monkeypatch):
    mirror, loaded = opened(store, monkeypatch, Foreign())
    assert not loaded
    good.unlink()
    assert mirror.snapshot() is None
    assert files(store) == []


def test_a_file_in_place_of_the_directory(store):
    SnapshotDirectory(store.path).path.write_bytes(b"")
    with pytest.raises(DatabaseError, match="no snapshot could be written"):
        Mirror(store, FlatIndex(DIM)).snapshot()


def test_opening_leaves_a_snapshot_where_it_had_to_read_much(store):
    Mirror(store, FlatIndex(DIM), snapshot_from=COUNT + 1).sync()
    assert files(store) == []
    Mirror(store, FlatIndex(DIM), snapshot_from=COUNT).sync()
    assert files(store) == [f"{COUNT:020d}.snapshot"]
    store.add("Ann", [photo(500 + number) for number in range(COUNT)], MODEL)
    Mirror(store, FlatIndex(DIM), snapshot_from=COUNT).sync()
    assert files(store) == [f"{2 * COUNT:020d}.snapshot"]


def test_an_empty_gallery_has_none(path):
    with Store.open(path) as store:
        assert Mirror(store, FlatIndex(DIM), snapshot_from=0).snapshot() is None
        assert files(store) == []


def test_who_is_removed_is_gone_from_the_disk(store, good):
    reader = Mirror(store, FlatIndex(DIM))
    reader.sync()
    vector = photo(7).vector.tobytes()
    assert vector in good.read_bytes()
    (good.parent / f"{COUNT:020d}.{'0' * 32}.tmp").write_bytes(vector)
    store.remove("person 7")
    assert files(store) == []
    # What was mapped stays usable.
    assert len(reader.search(photo(8).vector[None], COUNT)[1][0]) == COUNT
    again = reader.snapshot()
    assert again is not None
    assert vector not in again.read_bytes()


def test_a_mirror_that_passes_a_removal_removes_what_still_holds_it(store, good):
    mirror = Mirror(store, FlatIndex(DIM))
    mirror.sync()
    content = good.read_bytes()
    store.remove_template(2)
    good.write_bytes(content)
    mirror.sync()
    assert files(store) == []


def test_a_snapshot_whose_newest_template_was_removed_goes_quietly(store, good, caplog, monkeypatch):
    content = good.read_bytes()
    store.remove_template(COUNT)
    good.write_bytes(content)
    assert opened(store, monkeypatch)[1]
    assert caplog.records == []
    assert files(store) == []


def test_a_removal_takes_the_snapshot_from_whoever_is_writing_it(store, monkeypatch):
    mirror = Mirror(store, FlatIndex(DIM))
    write = snapshot.write

    def interrupted(*arguments) -> None:
        write(*arguments)
        store.remove("person 1")

    monkeypatch.setattr("enrollment_db.snapshot_directory.write", interrupted)
    assert mirror.snapshot() is None
    assert files(store) == []
    assert len(mirror) == COUNT - 1


SNAPSHOTTER = """
import os, sys
import enrollment_db.snapshot_directory as directory
from enrollment_db.index.flat import FlatIndex
from enrollment_db.mirror import Mirror
from enrollment_db.store import Store

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
with Store.open(sys.argv[1]) as store:
    mirror = Mirror(store, FlatIndex(8))
    mirror.sync()
    print("ready", flush=True)
    sys.stdin.read()
    for _ in range(20):
        mirror.snapshot()
"""


def snapshotter(store: Store, calls_until_death: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", SNAPSHOTTER, store.path, str(calls_until_death)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(processes: list[subprocess.Popen]) -> list[int]:
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.close()
    codes = [process.wait(60) for process in processes]
    for process in processes:
        process.stdout.close()
    return codes


def test_killed_while_writing(store, good, caplog, monkeypatch):
    store.add("Ann", [photo(100)], MODEL)
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


@pytest.mark.parametrize(
    ("known", "ids", "vectors"),
    [
        ([2, 1], [2, 1], np.zeros((2, DIM))),
        ([1, 1], [1, 1], np.zeros((2, DIM))),
        ([-1], [-1], np.zeros((1, DIM))),
        ([1], [1], np.zeros((1, DIM + 1))),
        ([1, 2], [1], np.zeros((1, DIM))),
        ([1], [1], np.zeros((2, DIM))),
    ],
)
def test_rows_that_no_index_adopts(known, ids, vectors):
    index = FlatIndex(DIM)
    with pytest.raises(ValueError):
        index.adopt(np.array(known), np.array(ids), vectors.astype(np.float32))
    index.add(np.array([5]), photo(1).vector[None])
    with pytest.raises(ValueError, match="has been used"):
        index.adopt(np.array([1]), np.array([1]), photo(1).vector[None])
