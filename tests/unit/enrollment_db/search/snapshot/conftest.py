"""A small gallery, and its snapshot."""

from pathlib import Path

import pytest

from enrollment_db.registry import open_sqlite
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.mirror import Mirror
from enrollment_db.sqlite.database import SqliteDatabase
from snapshots import COUNT, DIM, MODEL, photo


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gallery.db"


@pytest.fixture
def store(path: Path):
    with open_sqlite(path) as store:
        with store.templates.transaction():
            for number in range(COUNT):
                store.templates.add(f"person {number}", [photo(number)], MODEL)
        yield store


@pytest.fixture
def good(store: SqliteDatabase) -> Path:
    path = Mirror(store.changes, FlatIndex(DIM)).snapshot()
    assert path is not None
    return path
