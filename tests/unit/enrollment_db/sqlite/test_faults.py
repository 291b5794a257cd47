"""A gallery when the machine fails it: killed at the wrong moment, no room, no permission, damage, a wrong clock."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import enrollment_db.sqlite.bulk
import enrollment_db.sqlite.templates
from enrollment_db.errors import DiskFull, ReadOnly
from enrollment_db.records import ModelKey, NewTemplate, Part
from enrollment_db.registry import open_sqlite
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.mirror import Mirror
from enrollment_db.search.snapshot_directory import SnapshotDirectory
from enrollment_db.sqlite.connections import Connections
from enrollment_db.sqlite.database import SqliteDatabase
from faceid import cli

DIM = 128
MODEL = ModelKey("net", "a" * 64, "five-points", DIM, "cosine")
COUNT = 60
VECTORS = np.random.default_rng(0).standard_normal((4000, DIM)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


def photo(number: int) -> NewTemplate:
    return NewTemplate(VECTORS[number], f"{number:064x}")


def part(photos: range) -> Part:
    names, hashes = [f"person {number}" for number in photos], [f"{number:064x}" for number in photos]
    return Part(names, VECTORS[photos.start : photos.stop], hashes, [None] * len(photos))


def files(path: Path) -> list[Path]:
    return sorted(SnapshotDirectory(str(path)).path.glob("*"))


def assert_holds(path: Path, photos: range, *, read_only: bool = False) -> None:
    """The database holds exactly these photos, and a mirror that may use snapshots finds exactly these."""
    with open_sqlite(path, create=False, read_only=read_only) as store:
        assert store.check() == []
        assert {one.name for one in store.templates.identities()} == {f"person {number}" for number in photos}
        mirror = Mirror(store.changes, FlatIndex(DIM))
        cosines, ids = mirror.search(VECTORS[list(photos)], 2)
        assert len(mirror) == len(photos)
        assert len(set(ids[:, 0])) == len(photos)
        assert (cosines[:, 0] > 0.9999).all()
        assert (cosines[:, 1] < 0.9).all()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "gallery.db"
    with open_sqlite(path) as store:
        store.templates.add_many([part(range(COUNT))], MODEL)
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", directory], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def fill(directory: Path, *, leave: int = 0) -> Path:
    """Take all room but `leave` bytes with another file."""
    ballast = directory / "ballast"
    with ballast.open("wb") as file:
        status = os.statvfs(directory)
        os.posix_fallocate(file.fileno(), 0, status.f_bavail * status.f_frsize - leave)
    return ballast


class Killed(BaseException):
    pass


def killed(_: Connections) -> None:
    raise Killed


def remove(store: SqliteDatabase, photos: range) -> None:
    with store.templates.transaction():
        for number in photos:
            store.templates.remove(f"person {number}")


@pytest.mark.parametrize("left", ["snapshot", "unfinished"])
@pytest.mark.parametrize("remaining", [0, 1])
def test_who_was_removed_just_before_a_crash_is_gone_from_the_disk(path, monkeypatch, left, remaining):
    with open_sqlite(path) as store:
        snapshot = Mirror(store.changes, FlatIndex(DIM)).snapshot()
        assert snapshot is not None
        if left == "unfinished":
            snapshot.rename(snapshot.with_name(f"{snapshot.stem}.{'0' * 32}.tmp"))
        with monkeypatch.context() as patch:
            # The removal is committed; what follows it never happens.
            patch.setattr(Connections, "_empty_log", killed)
            with pytest.raises(Killed):
                remove(store, range(remaining, COUNT))
    assert len(files(path)) == 1
    with open_sqlite(path) as store:
        mirror = Mirror(store.changes, FlatIndex(DIM))
        mirror.sync()
        assert len(mirror) == remaining
    left_over = b"".join(file.read_bytes() for file in files(path))
    assert all(photo(number).vector.tobytes() not in left_over for number in range(remaining, COUNT))
    # Where somebody is left, so is the snapshot, with holes.
    assert bool(files(path)) == (left == "snapshot" and remaining == 1)


def test_enrolling_until_the_disk_is_full(small_disk):
    path = small_disk / "gallery.db"
    enrolled = 0
    with open_sqlite(path) as store, pytest.raises(DiskFull):  # noqa: PT012
        while True:
            store.templates.add(f"person {enrolled}", [photo(enrolled)], MODEL)
            enrolled += 1
    assert enrolled > 10
    assert_holds(path, range(enrolled))


@pytest.mark.parametrize("parts", [1, 40])
def test_an_import_that_does_not_fit_changes_nothing(small_disk, parts):
    path = small_disk / "gallery.db"
    with open_sqlite(path) as store:
        store.templates.add_many([part(range(COUNT))], MODEL)
        each = 4000 // parts
        with pytest.raises(DiskFull):
            store.templates.add_many((part(range(n, n + each)) for n in range(0, 4000, each)), MODEL)
    assert_holds(path, range(COUNT))
    with open_sqlite(path) as store:
        store.templates.add_many([part(range(COUNT, COUNT + 100))], MODEL)
    assert_holds(path, range(COUNT + 100))


def test_a_removal_needs_room_too(small_disk):
    path = small_disk / "gallery.db"
    with open_sqlite(path) as store:
        store.templates.add_many([part(range(COUNT))], MODEL)
        store.templates.remove(f"person {COUNT - 1}")
        # A removal is written to the log first, which is empty after the one before.
        ballast = fill(small_disk)
        with pytest.raises(DiskFull):
            store.templates.remove(f"person {COUNT - 2}")
    assert_holds(path, range(COUNT - 1))
    ballast.unlink()
    fill(small_disk, leave=256 * 1024)
    with open_sqlite(path) as store:
        store.templates.remove(f"person {COUNT - 2}")
    assert_holds(path, range(COUNT - 2))


def test_a_full_disk_leaves_no_half_snapshot(small_disk):
    path = small_disk / "gallery.db"
    with open_sqlite(path) as store:
        store.templates.add_many([part(range(COUNT))], MODEL)
        mirror = Mirror(store.changes, FlatIndex(DIM))
        good = mirror.snapshot()
        store.templates.add_many([part(range(COUNT, 2 * COUNT))], MODEL)
        for room in (0, 4096, 40_000):
            ballast = fill(small_disk, leave=room)
            with pytest.raises(DiskFull, match="no snapshot could be written"):
                mirror.snapshot()
            assert files(path) == [good]
            # On opening it is not even an error; what is added to the mapped snapshot takes no room on the disk.
            assert Mirror(store.changes, FlatIndex(DIM), snapshot_from=COUNT).sync() == 2 * COUNT
            assert files(path) == [good]
            ballast.unlink()
        assert mirror.snapshot() is not None
    assert_holds(path, range(2 * COUNT))


def test_the_command_line_says_in_one_line_that_the_disk_is_full(small_disk, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("FACEID_HOME", str(tmp_path / "home"))
    archive = tmp_path / "people.npz"
    vectors = np.random.default_rng(0).standard_normal((5000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = np.array([f"person {number}" for number in range(len(vectors))])
    np.savez(archive, embeddings=vectors, names=names, model="fake", metric="cosine")
    path = small_disk / "gallery.db"
    assert cli.run(["--db", str(path), "--model", "fake", "--device", "cpu", "import", str(archive)]) == 4
    captured = capfd.readouterr()
    assert captured.out == ""
    assert [line for line in captured.err.splitlines() if "no room" in line] == captured.err.splitlines()


def test_a_read_only_file_system(small_disk, caplog):
    path = small_disk / "gallery.db"
    with open_sqlite(path) as store:
        store.templates.add_many([part(range(COUNT))], MODEL)
        good = Mirror(store.changes, FlatIndex(DIM)).snapshot()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert_holds(path, range(COUNT), read_only=True)
    with open_sqlite(path, read_only=True) as store:
        mirror = Mirror(store.changes, FlatIndex(DIM), snapshot_from=1)
        assert mirror.sync() == COUNT
        with pytest.raises(ReadOnly, match="no snapshot could be written"):
            mirror.snapshot()
    with pytest.raises(ReadOnly):
        open_sqlite(path)
    assert files(path) == [good]
    assert caplog.records == []


@pytest.fixture(scope="module")
def snapshotted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of which the newest 10 templates are not in the snapshot."""
    path = tmp_path_factory.mktemp("snapshotted") / "gallery.db"
    with open_sqlite(path) as store:
        store.templates.add_many([part(range(COUNT - 10))], MODEL)
        assert Mirror(store.changes, FlatIndex(DIM)).snapshot() is not None
        store.templates.add_many([part(range(COUNT - 10, COUNT))], MODEL)
    return path


def damaged(snapshotted: Path, directory: Path, content: bytes) -> None:
    """Whatever the snapshot has become, a copy of the gallery answers as if there were none."""
    path = directory / "gallery.db"
    shutil.copy(snapshotted, path)
    before = path.read_bytes()
    snapshots = SnapshotDirectory(str(path)).path
    shutil.rmtree(snapshots, ignore_errors=True)
    snapshots.mkdir()
    (snapshots / files(snapshotted)[0].name).write_bytes(content)
    assert_holds(path, range(COUNT))
    assert path.read_bytes() == before


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=40)
def test_a_snapshot_cut_anywhere(snapshotted, tmp_path_factory, share):
    content = files(snapshotted)[0].read_bytes()
    damaged(snapshotted, tmp_path_factory.mktemp("cut"), content[: int(share * len(content))])


@given(places=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4), bit=st.integers(0, 7))
@settings(max_examples=60)
def test_a_snapshot_with_flipped_bits(snapshotted, tmp_path_factory, places, bit):
    content = bytearray(files(snapshotted)[0].read_bytes())
    for place in places:
        content[int(place * len(content))] ^= 1 << bit
    damaged(snapshotted, tmp_path_factory.mktemp("flipped"), bytes(content))


@given(header=st.binary(max_size=64), at=st.integers(0, 400))
@settings(max_examples=60)
def test_a_snapshot_with_another_header(snapshotted, tmp_path_factory, header, at):
    content = bytearray(files(snapshotted)[0].read_bytes())
    content[at : at + len(header)] = header
    damaged(snapshotted, tmp_path_factory.mktemp("header"), bytes(content))


def test_a_clock_that_jumps_back(path, monkeypatch):
    for module in (enrollment_db.sqlite.templates, enrollment_db.sqlite.bulk):
        clock = cycle(["2030-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z"])
        monkeypatch.setattr(module, "now", lambda clock=clock: next(clock))
    with open_sqlite(path) as store:
        long_lived = Mirror(store.changes, FlatIndex(DIM))
        for number in range(COUNT, COUNT + 8):
            store.templates.add(f"person {number}", [photo(number)], MODEL)
            snapshot = long_lived.snapshot()
            assert files(path) == [snapshot]
            os.utime(snapshot, (0, 0) if number % 2 else (2**31, 2**31))
            assert_holds(path, range(number + 1))
            assert len(long_lived) == number + 1
        assert [template.id for template in store.templates.of(f"person {COUNT}")] == [COUNT + 1]
        store.templates.remove(f"person {COUNT + 7}")
        assert photo(COUNT + 7).vector.tobytes() not in snapshot.read_bytes()
    assert_holds(path, range(COUNT + 7))


def test_a_clock_that_stands_while_a_backup_is_restored(path, tmp_path, monkeypatch):
    monkeypatch.setattr(enrollment_db.sqlite.templates, "now", lambda: "1970-01-01T00:00:00.000Z")
    with open_sqlite(path) as store, open_sqlite(tmp_path / "backup.db") as backup:
        store._connections._writer.backup(backup._connections._writer)
        store.templates.add("lost", [photo(COUNT + 1)], MODEL)
        store.templates.add("newest", [photo(COUNT + 2)], MODEL)
        assert Mirror(store.changes, FlatIndex(DIM)).snapshot() is not None
        backup._connections._writer.backup(store._connections._writer)
        store.templates.add(f"person {COUNT}", [photo(COUNT)], MODEL)
        store.templates.add("newest", [photo(COUNT + 2)], MODEL)
        cosines, _ = Mirror(store.changes, FlatIndex(DIM)).search(VECTORS[[COUNT, COUNT + 1]], 1)
        assert cosines[0, 0] > 0.9999
        assert cosines[1, 0] < 0.9
    assert files(path) == []


@pytest.mark.parametrize("more", [0, 1])
def test_a_log_that_overtakes_a_mirror_that_lives_on(path, tmp_path, more):
    with open_sqlite(path) as store, open_sqlite(tmp_path / "backup.db") as backup:
        store._connections._writer.backup(backup._connections._writer)
        store.templates.add("lost", [photo(COUNT + 1)], MODEL)
        mirror = Mirror(store.changes, FlatIndex(DIM))
        mirror.sync()
        backup._connections._writer.backup(store._connections._writer)
        for number in (COUNT, COUNT + 2)[: 1 + more]:
            store.templates.add(f"person {number}", [photo(number)], MODEL)
        cosines, _ = mirror.search(VECTORS[[COUNT, COUNT + 1]], 1)
        assert cosines[0, 0] > 0.9999
        assert cosines[1, 0] < 0.9
