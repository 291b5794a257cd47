"""Comparing the index with the store: every kind of difference is planted and found, and nothing else is."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from enrollment_db.errors import Locked
from enrollment_db.records import ModelKey, NewTemplate
from enrollment_db.registry import open_sqlite
from enrollment_db.search.comparison import Comparison, compare
from enrollment_db.search.index import VectorIndex
from enrollment_db.search.index.choice import hnsw, rabitq
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.index.growing import GrowingIndex
from enrollment_db.search.mirror import Mirror
from enrollment_db.search.snapshot_directory import SnapshotDirectory
from enrollment_db.sqlite.changes import ChangeLog
from enrollment_db.sqlite.database import SqliteDatabase

DIM = 8
COUNT = 40
MODEL = ModelKey("net", "a" * 64, "five-points", DIM, "cosine")


def photo(number: int) -> NewTemplate:
    vector = np.random.default_rng(number).standard_normal(DIM)
    return NewTemplate((vector / np.linalg.norm(vector)).astype(np.float32), f"{number:064x}")


def flat() -> VectorIndex:
    return FlatIndex(DIM)


def lists() -> VectorIndex:
    return GrowingIndex(DIM, partial(rabitq, DIM), switch_at=16)


def graph() -> VectorIndex:
    return GrowingIndex(DIM, partial(hnsw, DIM), switch_at=16)


@pytest.fixture
def store(tmp_path: Path):
    with open_sqlite(tmp_path / "gallery.db") as store:
        with store.templates.transaction():
            for number in range(COUNT):
                store.templates.add(f"person {number}", [photo(number)], MODEL)
        yield store


@pytest.fixture(params=[flat, lists, graph])
def mirror(store: SqliteDatabase, request: pytest.FixtureRequest) -> Mirror:
    mirror = Mirror(store.changes, request.param())
    mirror.sync()
    return mirror


def differences(found: Comparison) -> dict[str, list[int]]:
    names = ("missing", "extra", "different", "unreachable")
    return {name: ids for name in names if (ids := getattr(found, name).tolist())}


def test_an_index_that_holds_what_the_store_holds(store, mirror):
    store.templates.remove("person 3")
    store.templates.add("Ann", [photo(100), photo(101)], MODEL)
    found = mirror.compare()
    assert (found.equal, found.compared, differences(found)) == (True, COUNT + 1, {})


def test_an_empty_gallery(tmp_path):
    with open_sqlite(tmp_path / "empty.db") as store:
        found = Mirror(store.changes, flat()).compare()
        assert (found.equal, found.compared) == (True, 0)


def test_missing_and_extra(mirror):
    mirror._index.remove(np.array([30, 2, 7]))
    mirror._index.add(np.array([999, 500]), np.stack([photo(1).vector, photo(2).vector]))
    found = mirror.compare()
    assert not found.equal
    assert differences(found) == {"missing": [2, 7, 30], "extra": [500, 999]}
    assert found.compared == COUNT - 3


def test_different(mirror):
    vectors = np.stack([photo(number).vector for number in (16, 4)])
    # By how much the index rounds, nothing is said; by twice as much, it is another vector.
    vectors[0, 0] += max(2 * mirror._index.precision, 1e-6)
    vectors[1] *= -1
    mirror._index.add(np.array([17, 5]), vectors)
    assert differences(mirror.compare()) == {"different": [5, 17]}


def test_unreachable(store):
    mirror = Mirror(store.changes, lists())
    mirror.sync()
    selector = mirror._index._index._selector
    selector.remove(mirror._index._index._rows.rows_of(np.array([40, 9])))
    mirror._index._index._rows.append(np.array([999]), photo(1).vector[None])
    assert differences(mirror.compare()) == {"extra": [999], "unreachable": [9, 40]}
    store.templates.remove("person 8")
    assert differences(mirror.compare()) == {"extra": [999], "unreachable": [40]}


def test_several_parts_at_once(store, mirror, monkeypatch):
    load_all = ChangeLog.load_all
    monkeypatch.setattr(ChangeLog, "load_all", lambda self: load_all(self, batch_size=7))
    mirror._index.remove(np.array([1, 39]))
    mirror._index.add(np.array([2, 40]), np.stack([photo(3).vector, photo(4).vector]))
    found = mirror.compare()
    assert differences(found) == {"missing": [1, 39], "different": [2, 40]}
    assert found.compared == COUNT - 2


def test_others_write_now_and_then(store, mirror):
    written = iter(range(100, 103))

    def sync() -> int:
        for number in written:
            store.templates.add("Ann", [photo(number)], MODEL)
            break
        return mirror.sync()

    found = compare(store.changes, mirror._index, sync)
    assert (found.equal, found.compared) == (True, COUNT + 3)


def test_others_write_all_the_time(store, mirror):
    numbers = iter(range(100, 1000))

    def sync() -> int:
        store.templates.add("Ann", [photo(next(numbers))], MODEL)
        return mirror.sync()

    with pytest.raises(Locked, match="changes too often"):
        compare(store.changes, mirror._index, sync)


@pytest.mark.parametrize("make", [flat, lists])
def test_who_is_removed_meanwhile_is_no_difference(store, monkeypatch, make):
    """The index has a snapshot mapped, in which whoever removes somebody writes zeros at once."""
    assert Mirror(store.changes, make()).snapshot() is not None
    mirror = Mirror(store.changes, make())
    mirror.sync()
    load_all = ChangeLog.load_all

    def busy(self: SqliteDatabase):
        parts = load_all(self, batch_size=10)
        yield next(parts)
        store.templates.remove("person 20")
        yield from parts

    with monkeypatch.context() as patch:
        patch.setattr(ChangeLog, "load_all", busy)
        assert mirror.compare().equal
    assert SnapshotDirectory(store.location).header() is not None
    assert len(mirror) == store.templates.counts()[1]
