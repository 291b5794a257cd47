"""Snapshots of the index that are damaged, foreign or outdated: told from the good ones."""

import errno
import json
import os
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from enrollment_db.errors import DiskFull, ReadOnly
from enrollment_db.records import Place
from enrollment_db.registry import open_sqlite
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.mirror import Mirror
from snapshots import (
    COUNT,
    DIM,
    MODEL,
    OTHER,
    assert_refused,
    files,
    opened,
    photo,
    places,
    rewritten,
)


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
        Mirror(store.changes, FlatIndex(DIM)).snapshot()


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
    assert_refused(store, caplog, monkeypatch, "its format is 4", kept=True)


def test_an_older_format_goes_quietly(store, good, caplog, monkeypatch):
    text = json.dumps({"stamp": {}, "count": COUNT, "ids_at": 4096}).encode()
    crc = zlib.crc32(text, zlib.crc32(struct.pack("<II", 1, len(text))))
    good.write_bytes(struct.pack("<8sIII", b"FaIdSnap", 1, len(text), crc) + text + bytes(8192))
    assert opened(store, monkeypatch)[1]
    assert caplog.records == []
    assert files(store) == []


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
    long_lived = Mirror(store.changes, FlatIndex(DIM))
    with open_sqlite(tmp_path / "backup.db") as backup:
        store._connections._writer.backup(backup._connections._writer)
        store.templates.add("lost", [photo(200 + number) for number in range(5)], MODEL)
        assert long_lived.snapshot() is not None
        backup._connections._writer.backup(store._connections._writer)
    assert long_lived.sync() == COUNT
    assert "restored from a backup" in caplog.text
    assert files(store) == []
    np.testing.assert_array_equal(long_lived.search(photo(3).vector[None], 1)[1], [[4]])

    # The log overtakes the snapshot, under the same numbers.
    with open_sqlite(tmp_path / "backup.db") as backup:
        store.templates.add("lost", [photo(200 + number) for number in range(5)], MODEL)
        assert long_lived.snapshot() is not None
        backup._connections._writer.backup(store._connections._writer)
    store.templates.add("kept", [photo(300 + number) for number in range(9)], MODEL)
    caplog.clear()
    assert_refused(store, caplog, monkeypatch, "history")


def test_where_nothing_may_be_written_opening_is_silent(store, monkeypatch, caplog):
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "no")))
    mirror = Mirror(store.changes, FlatIndex(DIM), snapshot_from=1)
    assert mirror.sync() == COUNT
    assert caplog.records == []
    with pytest.raises(ReadOnly, match="no snapshot could be written"):
        mirror.snapshot()


def test_a_full_disk_leaves_the_old_one(store, good, monkeypatch):
    store.templates.add("Ann", [photo(100)], MODEL)
    mirror = Mirror(store.changes, FlatIndex(DIM), snapshot_from=1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        with pytest.raises(DiskFull, match="no snapshot could be written"):
            mirror.snapshot()
    assert files(store) == [good.name]
    assert not opened(store, monkeypatch)[1]


def test_ids_that_no_index_has(store, good, caplog, monkeypatch):
    rewritten(good, {"ids": np.full(COUNT, 3)})
    assert_refused(store, caplog, monkeypatch, "none is held twice", kept=True)
