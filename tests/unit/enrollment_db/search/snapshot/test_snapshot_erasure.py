"""Snapshots of the index hold nobody who was removed."""

import errno
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enrollment_db.errors import UnknownIdentity
from enrollment_db.registry import open_sqlite
from enrollment_db.search import snapshot
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.index.kept import blanked, find
from enrollment_db.search.mirror import Mirror
from enrollment_db.search.snapshot_directory import SnapshotDirectory
from enrollment_db.sqlite.database import SqliteDatabase
from snapshots import (
    COUNT,
    DIM,
    KINDS,
    MODEL,
    assert_refused,
    content,
    files,
    finish,
    opened,
    photo,
    places,
)


def assert_erased(path: Path, *ids: int) -> None:
    kept = content(path)
    assert blanked(kept).tolist() == list(ids)
    assert find(kept, np.array(ids)).traces == []


@pytest.mark.parametrize("kind", ["numpy", "pq4", "rabitq", "ivf"])
def test_who_is_removed_is_gone_from_the_disk(store, monkeypatch, kind):
    reader = Mirror(store.changes, KINDS[kind]())
    good = reader.snapshot()
    mapped, _ = opened(store, monkeypatch, KINDS[kind]())
    before = content(good)
    vector = before.by_row["vectors" if kind == "numpy" else "codes"][7].tobytes()
    assert good.read_bytes().count(vector) == 1
    half_written = good.parent / f"{COUNT:020d}.{'0' * 32}.tmp"
    half_written.write_bytes(vector)
    store.templates.remove("person 7")
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
    good = Mirror(store.changes, KINDS[kind]()).snapshot()
    with monkeypatch.context() as patch:
        patch.setattr(SnapshotDirectory, "erase", lambda *_, **__: None)
        store.templates.remove("person 7")
        store.templates.remove_template(20)
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
from enrollment_db.search import snapshot
from enrollment_db.registry import open_sqlite
from enrollment_db.sqlite.database import SqliteDatabase

crc_of, seen = snapshot._crc_of, {}

def dying(content, chunk):
    crc = crc_of(content, chunk)
    if seen.setdefault((len(content), chunk), crc) != crc:
        os.kill(os.getpid(), 9)
    return crc

if sys.argv[2] == "dies":
    snapshot._crc_of = dying
with open_sqlite(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.read()
    for name in sys.argv[3:]:
        store.templates.remove(name)
"""


def eraser(store: SqliteDatabase, *names: str, dies: bool = False) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", ERASER, store.location, "dies" if dies else "lives", *names],
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
    store.templates.remove("person 8")
    assert files(store) == []


def test_processes_that_erase_at_once(store, good, caplog, monkeypatch):
    gone = [[f"person {number}" for number in range(first, 30, 3)] for first in range(3)]
    mapped = Mirror(store.changes, FlatIndex(DIM))
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
    store.templates.remove("person 7")
    assert files(store) == []


def test_a_removal_that_is_undone_erases_nothing(store, good, monkeypatch):
    before = good.read_bytes()
    (good.parent / f"{COUNT:020d}.{'0' * 32}.tmp").write_bytes(b"")

    def remove_both() -> None:
        with store.templates.transaction():
            store.templates.remove("person 7")
            store.templates.remove("nobody")

    with pytest.raises(UnknownIdentity):
        remove_both()
    store.templates.add("Ann", [photo(100)], MODEL)
    assert good.read_bytes() == before
    assert len(files(store)) == 2
    assert not opened(store, monkeypatch)[1]


def test_removals_of_one_transaction_are_erased_together(store, good, monkeypatch):
    with store.templates.transaction():
        store.templates.remove("person 7")
        store.templates.add("Ann", [photo(100)], MODEL)
        store.templates.remove_template(21)
        store.templates.remove("Ann")
        assert blanked(content(good)).tolist() == []
    assert_erased(good, 8, 21)
    assert not opened(store, monkeypatch)[1]


def test_so_many_removed_that_the_file_goes(store, good, monkeypatch):
    monkeypatch.setattr("enrollment_db.search.index.kept._MOST_ERASED", 3)
    with store.templates.transaction():
        for number in range(3):
            store.templates.remove(f"person {number}")
    assert files(store) == [good.name]
    with store.templates.transaction():
        for number in range(3, 7):
            store.templates.remove(f"person {number}")
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
        store.templates.remove("person 7")
    assert files(store) == []


def test_where_nothing_may_be_changed_the_next_who_may_erases(store, good, caplog, monkeypatch):
    with not_permitted(monkeypatch, "open", "unlink"):
        store.templates.remove("person 7")
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
    with open_sqlite(tmp_path / "backup.db") as backup:
        store._connections._writer.backup(backup._connections._writer)
        store.templates.remove("person 7")
        backup._connections._writer.backup(store._connections._writer)
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
        "enrollment_db.search.snapshot_directory.write", lambda file, *rest: real(Erasing(file), *rest)
    )
    newer = mirror.snapshot()
    assert newer is not None
    # Whoever removed it erases it here, too.
    assert content(newer).by_row["vectors"][7].tobytes() == photo(7).vector.tobytes()
    assert not mirror._index.vectors(np.array([8])).any()


def test_a_snapshot_whose_newest_template_was_removed_stays(store, good, caplog, monkeypatch):
    store.templates.remove_template(COUNT)
    assert photo(COUNT).vector.tobytes() not in good.read_bytes()
    assert not opened(store, monkeypatch)[1]
    assert caplog.records == []
    assert files(store) == [good.name]


def test_a_removal_takes_the_snapshot_from_whoever_is_writing_it(store, monkeypatch):
    mirror = Mirror(store.changes, FlatIndex(DIM))
    write = snapshot.write

    def interrupted(*arguments) -> None:
        write(*arguments)
        store.templates.remove("person 1")

    monkeypatch.setattr("enrollment_db.search.snapshot_directory.write", interrupted)
    assert mirror.snapshot() is None
    assert files(store) == []
    assert len(mirror) == COUNT - 1
