"""A small gallery, and its snapshot."""

from pathlib import Path

import pytest

from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.mirror import Mirror
from enrollment_db.sqlite.store import Store
from snapshots import COUNT, DIM, MODEL, photo


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
