"""A stored vector is checked when it is read: what is damaged in the file is an error, and never a score."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from databases import MODEL, photo, vector
from enrollment_db.errors import Corrupt, GalleryError
from enrollment_db.registry import open_sqlite
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.mirror import Mirror
from enrollment_db.sqlite.database import SqliteDatabase

DAMAGED = 2

DAMAGES = {
    "not a number": (np.array([np.nan, *vector(2)[1:]], "<f4").tobytes(), "has values that are not finite"),
    "infinite": (np.array([np.inf, *vector(2)[1:]], "<f4").tobytes(), "has values that are not finite"),
    "too large": (np.array([1e30, *vector(2)[1:]], "<f4").tobytes(), "has length 1e+30, not 1"),
    "too long": ((1.3 * vector(2)).astype("<f4").tobytes(), "has length 1.3, not 1"),
    "zero": (bytes(32), "has length 0, not 1"),
    "too few numbers": (vector(2).astype("<f4").tobytes()[:-4], "is a vector of the wrong length"),
}

READS: dict[str, Callable[[SqliteDatabase], object]] = {
    "load_all": lambda store: list(store.changes.load_all()),
    "since": lambda store: list(store.changes.since(0)),
    "owners_of": lambda store: store.templates.owners_of([[1, DAMAGED, 3]], MODEL, 5),
    "vectors_of": lambda store: store.templates.vectors_of([1, 2]),
    "enrolled": lambda store: store.templates.enrolled([1, 2], MODEL),
    "list_all": lambda store: list(store.templates.list_all()),
    "an index": lambda store: Mirror(store.changes, FlatIndex(MODEL.dim)).sync(),
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with closing(open_sqlite(tmp_path / "gallery.db")) as opened:
        opened.templates.add("Ann", [photo(1), photo(2)], MODEL)
        opened.templates.add("Bob", [photo(3)], MODEL)
        yield opened


def damage(store: SqliteDatabase, blob: bytes) -> None:
    with closing(sqlite3.connect(store.location)) as connection:
        connection.execute("UPDATE templates SET vector = ? WHERE id = ?", (blob, DAMAGED))
        connection.commit()


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("read", READS)
def test_every_read_names_the_damaged_template(store: SqliteDatabase, read: str, kind: str) -> None:
    blob, complaint = DAMAGES[kind]
    READS[read](store)
    damage(store, blob)
    with pytest.raises(Corrupt) as caught:
        READS[read](store)
    assert isinstance(caught.value, GalleryError)
    assert str(caught.value) == f"template {DAMAGED} of the gallery {store.location} {complaint}"
    assert (caught.value.code, caught.value.path) == ("database_corrupt", store.location)
    assert (caught.value.remedy, caught.value.facts) == ("damaged_template", {"template_id": DAMAGED})


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_check_reports_it_and_a_removal_ends_it(store: SqliteDatabase, kind: str) -> None:
    assert store.check() == []
    damage(store, DAMAGES[kind][0])
    (problem,) = store.check()
    assert problem.startswith(f"template {DAMAGED} has ")
    assert store.templates.remove_template(DAMAGED) == "Ann"
    assert store.check() == []
    for read in READS.values():
        read(store)


def test_what_is_written_at_the_edge_of_the_tolerance_can_be_read(store: SqliteDatabase) -> None:
    edges = [photo(4), photo(5)]
    for one, length in zip(edges, (1 - 0.000999, 1 + 0.000999), strict=True):
        one.vector[:] *= length
    store.templates.add("Cid", edges, MODEL)
    for read in READS.values():
        read(store)
    assert store.check() == []
