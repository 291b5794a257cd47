"""Snapshots of the index: used where they are good, told from all that are not, without who was removed."""

import errno
import json
import logging
import os
import signal
import stat
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enrollment_db import snapshot
from enrollment_db.errors import DatabaseError, DiskFull, ReadOnly, UnknownIdentity
from enrollment_db.index import VectorIndex
from enrollment_db.index.choice import hnsw, ivf, rabitq
from enrollment_db.index.faiss import FaissFlatIndex
from enrollment_db.index.flat import FlatIndex
from enrollment_db.index.growing import GrowingIndex
from enrollment_db.index.kept import Kept, blanked, find
from enrollment_db.mirror import Mirror
from enrollment_db.records import Model, NewTemplate, Place
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
    at = {part.name: part.at for part in header.parts}
    return {
        "magic": 0,
        "length": 12,
        "checksum": 16,
        "json": 20,
        "json's end": end_of_header - 1,
        "first id": at["ids"],
        "last id": at["ids"] + 8 * header.count - 1,
        "first value": at["vectors"],
        "last value": at["vectors"] + 4 * DIM * header.count - 1,
        "first sum": header.crcs_at,
        "last sum": header.size - 1,
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
                "first sum",
                "last sum",
            )
            for end in ("before", "after")
            if (where, end) != ("last sum", "after")
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
    [
        "magic",
        "length",
        "checksum",
        "json",
        "json's end",
        "first id",
        "last id",
        "first value",
        "last value",
        "first sum",
        "last sum",
    ],
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
    assert_refused(store, caplog, monkeypatch, "its format is 3", kept=True)


def test_an_older_format_goes_quietly(store, good, caplog, monkeypatch):
    text = json.dumps({"stamp": {}, "count": COUNT, "ids_at": 4096}).encode()
    crc = zlib.crc32(text, zlib.crc32(struct.pack("<II", 1, len(text))))
    good.write_bytes(struct.pack("<8sIII", b"FaIdSnap", 1, len(text), crc) + text + bytes(8192))
    assert opened(store, monkeypatch)[1]
    assert caplog.records == []
    assert files(store) == []


def content(path: Path) -> Kept:
    """What is in a snapshot. Raises BadSnapshot."""
    with path.open("rb") as file:
        header = snapshot.read_header(file)
        kept = snapshot.map_kept(file, header)
    return Kept(kept.count, {name: array[: kept.count] for name, array in kept.by_row.items()}, kept.whole)


def rewritten(good: Path, by_row: dict[str, Any] | None = None, **changes: Any) -> None:
    """The same snapshot with another stamp, or other content."""
    kept = content(good)
    with good.open("rb") as file:
        stamp = replace(snapshot.read_header(file).stamp, **changes)
    good.unlink()
    with good.open("xb") as file:
        snapshot.write(file, stamp, Kept(kept.count, {**kept.by_row, **(by_row or {})}, kept.whole))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"database_id": "0" * 32}, "of another gallery"),
        ({"place": Place(COUNT + 1, 7)}, "history"),
        ({"place": Place(COUNT, 7)}, "history"),
    ],
)
def test_foreign_and_future(store, good, caplog, monkeypatch, changes, why):
    rewritten(good, **changes)
    assert_refused(store, caplog, monkeypatch, why)


@pytest.mark.parametrize("model", [OTHER, replace(MODEL, aligner="eyes"), replace(MODEL, metric="euclidean")])
def test_one_of_another_model_goes_quietly(store, good, caplog, monkeypatch, model):
    rewritten(good, model=model)
    assert opened(store, monkeypatch)[1]
    assert caplog.records == []
    assert files(store) == []


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


def test_ids_that_no_index_has(store, good, caplog, monkeypatch):
    rewritten(good, {"ids": np.full(COUNT, 3)})
    assert_refused(store, caplog, monkeypatch, "none is held twice", kept=True)


def growing(make: Callable[..., Any], switch_at: int = 16) -> VectorIndex:
    return GrowingIndex(DIM, partial(make, DIM), switch_at=switch_at)


KINDS: dict[str, Callable[[], VectorIndex]] = {
    "numpy": partial(FlatIndex, DIM),
    "faiss": partial(FaissFlatIndex, DIM),
    "small": partial(growing, rabitq, 1000),
    "rabitq": partial(growing, rabitq),
    "ivf": partial(growing, ivf),
    "hnsw": partial(growing, hnsw),
}
EXACT = ("numpy", "faiss")


@pytest.mark.parametrize("reading", KINDS)
@pytest.mark.parametrize("writing", KINDS)
def test_every_index_goes_on_where_another_stopped(store, monkeypatch, writing, reading):
    mirror = Mirror(store, KINDS[writing]())
    mirror.sync()
    store.remove("person 3")
    assert mirror.snapshot() is not None
    store.remove("person 5")
    store.add("Ann", [photo(100), photo(101)], MODEL)
    again, loaded = opened(store, monkeypatch, KINDS[reading]())
    compressed = writing in ("rabitq", "ivf", "hnsw")
    # The graph cannot be erased from, and was removed. An exact index does not take what was rounded.
    assert loaded == (writing == "hnsw" or (compressed and reading in EXACT))
    assert again.compare().equal
    np.testing.assert_array_equal(again.search(photo(7).vector[None], 1)[1], [[8]])
    if reading == writing:
        assert again.snapshot() is not None
        assert not opened(store, monkeypatch, KINDS[reading]())[1]


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


def assert_erased(path: Path, *ids: int) -> None:
    kept = content(path)
    assert blanked(kept).tolist() == list(ids)
    assert find(kept, np.array(ids)).traces == []


@pytest.mark.parametrize("kind", ["numpy", "rabitq", "ivf"])
def test_who_is_removed_is_gone_from_the_disk(store, monkeypatch, kind):
    reader = Mirror(store, KINDS[kind]())
    good = reader.snapshot()
    mapped, _ = opened(store, monkeypatch, KINDS[kind]())
    before = content(good)
    vector = before.by_row["vectors" if kind == "numpy" else "codes"][7].tobytes()
    assert good.read_bytes().count(vector) == 1
    half_written = good.parent / f"{COUNT:020d}.{'0' * 32}.tmp"
    half_written.write_bytes(vector)
    store.remove("person 7")
    assert files(store) == [good.name]
    assert vector not in good.read_bytes()
    assert_erased(good, 8)
    # All others are as they were.
    for name, array in content(good).by_row.items():
        np.testing.assert_array_equal(np.delete(array, 7, axis=0), np.delete(before.by_row[name], 7, axis=0))
    # Who had it mapped sees the zeros, and then the removal.
    assert not mapped._index.vectors(np.array([8])).any()
    for mirror in (mapped, reader, opened(store, monkeypatch, KINDS[kind]())[0]):
        _, ids = mirror.search(photo(7).vector[None], COUNT)
        assert sorted(ids[0].tolist()) == [-1, *(id_ for id_ in range(1, COUNT + 1) if id_ != 8)]
        assert mirror.compare().equal
    again = reader.snapshot()
    assert again is not None
    assert vector not in again.read_bytes()
    assert blanked(content(again)).tolist() == []


@pytest.mark.parametrize("kind", ["numpy", "rabitq"])
def test_killed_between_the_commit_and_the_erasure(store, monkeypatch, kind):
    """Whoever opens the gallery next finds the removal in the log, and erases what still lies there."""
    good = Mirror(store, KINDS[kind]()).snapshot()
    with monkeypatch.context() as patch:
        patch.setattr(SnapshotDirectory, "erase", lambda *_, **__: None)
        store.remove("person 7")
        store.remove_template(20)
    assert blanked(content(good)).tolist() == []
    with monkeypatch.context() as patch:
        patch.setattr(SnapshotDirectory, "erase", lambda *_, **__: None)
        early, loaded = opened(store, monkeypatch, KINDS[kind]())
        assert not loaded
    late, loaded = opened(store, monkeypatch, KINDS[kind]())
    assert not loaded
    assert_erased(good, 8, 20)
    for mirror in (early, late, opened(store, monkeypatch, KINDS[kind]())[0]):
        assert not np.isin(mirror.search(photo(7).vector[None], COUNT)[1], [8, 20]).any()
        assert mirror.compare().equal


ERASER = """
import os, sys
from enrollment_db import snapshot
from enrollment_db.store import Store

crc_of, seen = snapshot._crc_of, {}

def dying(content, chunk):
    crc = crc_of(content, chunk)
    if seen.setdefault((len(content), chunk), crc) != crc:
        os.kill(os.getpid(), 9)
    return crc

if sys.argv[2] == "dies":
    snapshot._crc_of = dying
with Store.open(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.read()
    for name in sys.argv[3:]:
        store.remove(name)
"""


def eraser(store: Store, *names: str, dies: bool = False) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", ERASER, store.path, "dies" if dies else "lives", *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_killed_while_erasing(store, good, caplog, monkeypatch):
    assert finish([eraser(store, "person 7", dies=True)]) == [-signal.SIGKILL]
    assert photo(7).vector.tobytes() not in good.read_bytes()
    assert_refused(store, caplog, monkeypatch, "its content is damaged")


def test_what_somebody_was_killed_at_gets_no_right_checksum_from_another(store, good):
    assert finish([eraser(store, "person 7", dies=True)]) == [-signal.SIGKILL]
    store.remove("person 8")
    assert files(store) == []


def test_processes_that_erase_at_once(store, good, caplog, monkeypatch):
    gone = [[f"person {number}" for number in range(first, 30, 3)] for first in range(3)]
    mapped = Mirror(store, FlatIndex(DIM))
    mapped.sync()
    assert finish([eraser(store, *names) for names in gone]) == [0, 0, 0]
    assert_erased(good, *range(1, 31))
    _, loaded = opened(store, monkeypatch)
    assert not loaded
    assert caplog.records == []
    assert mapped.compare().compared == 10


def test_damaged_ids_are_not_searched_for_whom_to_erase(store, good):
    damaged = bytearray(good.read_bytes())
    damaged[places(good)["first id"] + 8 * 7] = 0
    good.write_bytes(damaged)
    store.remove("person 7")
    assert files(store) == []


def test_a_removal_that_is_undone_erases_nothing(store, good, monkeypatch):
    before = good.read_bytes()
    (good.parent / f"{COUNT:020d}.{'0' * 32}.tmp").write_bytes(b"")

    def remove_both() -> None:
        with store.transaction():
            store.remove("person 7")
            store.remove("nobody")

    with pytest.raises(UnknownIdentity):
        remove_both()
    store.add("Ann", [photo(100)], MODEL)
    assert good.read_bytes() == before
    assert len(files(store)) == 2
    assert not opened(store, monkeypatch)[1]


def test_removals_of_one_transaction_are_erased_together(store, good, monkeypatch):
    with store.transaction():
        store.remove("person 7")
        store.add("Ann", [photo(100)], MODEL)
        store.remove_template(21)
        store.remove("Ann")
        assert blanked(content(good)).tolist() == []
    assert_erased(good, 8, 21)
    assert not opened(store, monkeypatch)[1]


def test_so_many_removed_that_the_file_goes(store, good, monkeypatch):
    monkeypatch.setattr("enrollment_db.index.kept._MOST_ERASED", 3)
    with store.transaction():
        for number in range(3):
            store.remove(f"person {number}")
    assert files(store) == [good.name]
    with store.transaction():
        for number in range(3, 7):
            store.remove(f"person {number}")
    assert files(store) == []


@contextmanager
def not_permitted(monkeypatch: pytest.MonkeyPatch, *methods: str) -> Iterator[None]:
    """What is refused where files belong to somebody else: root, as whom tests may run, is refused nothing."""
    with monkeypatch.context() as patch:
        for method in methods:
            real = getattr(Path, method)

            def refused(path: Path, *arguments: Any, real: Any = real, **options: Any) -> Any:
                if path.suffix == ".snapshot" and arguments != ("rb",):
                    raise PermissionError(errno.EACCES, "no", str(path))
                return real(path, *arguments, **options)

            patch.setattr(Path, method, refused)
        yield


def test_a_file_that_may_not_be_written_is_removed(store, good, monkeypatch):
    with not_permitted(monkeypatch, "open"):
        store.remove("person 7")
    assert files(store) == []


def test_where_nothing_may_be_changed_the_next_who_may_erases(store, good, caplog, monkeypatch):
    with not_permitted(monkeypatch, "open", "unlink"):
        store.remove("person 7")
        mirror, loaded = opened(store, monkeypatch)
        assert not loaded
        assert 8 not in mirror.search(photo(7).vector[None], COUNT)[1]
    assert files(store) == [good.name]
    assert photo(7).vector.tobytes() in good.read_bytes()
    assert caplog.records == []
    opened(store, monkeypatch)
    assert_erased(good, 8)


def test_a_backup_that_brings_back_who_was_erased(store, tmp_path, good, caplog, monkeypatch):
    """The snapshot is of that very history, and the log no longer says that anybody was removed."""
    with Store.open(tmp_path / "backup.db") as backup:
        store._session._connection.backup(backup._session._connection)
        store.remove("person 7")
        backup._session._connection.backup(store._session._connection)
    assert_refused(store, caplog, monkeypatch, "templates that the gallery holds were erased")


def test_erased_by_somebody_while_it_is_written_to_another_file(store, good, monkeypatch):
    mirror, _ = opened(store, monkeypatch)
    real = snapshot.write

    class Erasing:
        """As soon as the vector is written, it is erased from where it came from."""

        def __init__(self, file: Any) -> None:
            self.file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def write(self, content: bytes) -> int:
            written = self.file.write(content)
            if photo(7).vector.tobytes() in bytes(content):
                with good.open("r+b") as file:
                    snapshot.erase_from(file, snapshot.read_header(file), np.array([8]))
            return written

    monkeypatch.setattr(
        "enrollment_db.snapshot_directory.write", lambda file, *rest: real(Erasing(file), *rest)
    )
    newer = mirror.snapshot()
    assert newer is not None
    # Whoever removed it erases it here, too.
    assert content(newer).by_row["vectors"][7].tobytes() == photo(7).vector.tobytes()
    assert not mirror._index.vectors(np.array([8])).any()


def test_a_snapshot_whose_newest_template_was_removed_stays(store, good, caplog, monkeypatch):
    store.remove_template(COUNT)
    assert photo(COUNT).vector.tobytes() not in good.read_bytes()
    assert not opened(store, monkeypatch)[1]
    assert caplog.records == []
    assert files(store) == [good.name]


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
