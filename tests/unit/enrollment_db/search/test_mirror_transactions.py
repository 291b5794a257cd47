"""An index follows what is committed, also for a thread that searches inside a transaction of its own."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
import pytest

from enrollment_db.records import ModelKey, NewTemplate
from enrollment_db.registry import open_sqlite
from enrollment_db.search.index import open_index
from enrollment_db.search.mirror import Mirror

DIM = 16
MODEL = ModelKey("net", "a" * 64, "five-points", DIM, "cosine")


def photo(seed: int) -> NewTemplate:
    vector = np.random.default_rng(seed).standard_normal(DIM)
    vector = (vector / np.linalg.norm(vector)).astype(np.float32)
    return NewTemplate(vector, hashlib.sha256(str(seed).encode()).hexdigest())


def nearest(mirror: Mirror, seed: int) -> float:
    cosines, _ = mirror.search(photo(seed).vector[None], 1)
    return float(cosines[0, 0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "gallery.db"
    with open_sqlite(path) as store:
        for number in range(20):
            store.templates.add(f"person {number}", [photo(number)], MODEL)
        assert Mirror(store.changes, open_index(DIM)).snapshot() is not None
    return path


def test_a_removal_that_is_undone_erases_from_no_index(path: Path) -> None:
    with open_sqlite(path) as store, open_sqlite(path) as other:
        elsewhere = Mirror(other.changes, open_index(DIM))
        assert nearest(elsewhere, 3) == pytest.approx(1.0, abs=1e-5)
        here = Mirror(store.changes, open_index(DIM))
        with pytest.raises(RuntimeError), store.templates.transaction():  # noqa: PT012
            store.templates.remove("person 3")
            here.sync()
            raise RuntimeError
        # It shares the pages of the snapshot.
        assert nearest(elsewhere, 3) == pytest.approx(1.0, abs=1e-5)
        assert nearest(here, 3) == pytest.approx(1.0, abs=1e-5)
        store.templates.remove("person 3")
        assert nearest(elsewhere, 3) < 0.99


def test_an_addition_that_is_undone_is_never_in_the_index(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_sqlite(path) as store, caplog.at_level(logging.WARNING):
        mirror = Mirror(store.changes, open_index(DIM))
        mirror.sync()
        with pytest.raises(RuntimeError), store.templates.transaction():  # noqa: PT012
            store.templates.add("person 90", [photo(90)], MODEL)
            assert len(mirror) == 20
            assert mirror.sync() == 0
            raise RuntimeError
        store.templates.add("person 91", [photo(91)], MODEL)
        assert nearest(mirror, 90) < 0.99
        assert nearest(mirror, 91) == pytest.approx(1.0, abs=1e-5)
    # And nothing looked as if a backup had been restored.
    assert caplog.records == []
