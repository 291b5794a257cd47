"""Templates that are not confirmed, in a gallery file: what its triggers, its crash and its other readers show."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from enrollment_db.records import FaceCrop, ModelKey, NewTemplate
from enrollment_db.registry import open_sqlite
from enrollment_db.search.index import open_index
from enrollment_db.search.mirror import Mirror
from enrollment_db.sqlite.database import SqliteDatabase

DIM = 16
MODEL = ModelKey("net", "a" * 64, "five-points", DIM, "cosine")


def vector(number: int) -> np.ndarray:
    values = np.random.default_rng(number).standard_normal(DIM)
    return (values / np.linalg.norm(values)).astype(np.float32)


def photo(number: int, crop: FaceCrop | None = None) -> NewTemplate:
    return NewTemplate(vector(number), f"{number:064x}", f"{number}.jpg", crop=crop)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with open_sqlite(tmp_path / "gallery.db") as opened:
        opened.templates.add("Ann", [photo(1)], MODEL)
        opened.templates.add("Ann", [photo(2)], MODEL, state="unconfirmed")
        yield opened
        assert opened.check() == []


def test_another_open_gallery_finds_a_confirmed_template_at_its_next_search(store, tmp_path):
    with open_sqlite(tmp_path / "gallery.db", read_only=True) as other:
        mirror = Mirror(other.changes, open_index(DIM))
        assert mirror.search(vector(2)[None], 2)[1].tolist() == [[1, -1]]
        store.templates.confirm([2])
        assert mirror.search(vector(2)[None], 2)[1].tolist() == [[2, 1]]
        assert other.templates.gallery_size().identities == 1


def test_a_write_behind_the_back_of_the_store_is_logged_too(store):
    connection = store._connections._writer
    with store.templates.transaction():
        connection.execute("UPDATE templates SET confirmed = 1")
    (changes,) = store.changes.since(1)
    assert changes.added.template_ids.tolist() == [2]
    # The log adds an id once, so a template cannot go back.
    with pytest.raises(sqlite3.IntegrityError, match="stays confirmed"):
        connection.execute("UPDATE templates SET confirmed = 0 WHERE id = 1")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE templates SET confirmed = 2 WHERE id = 1")


KILLED = """
import os, signal, sys
from enrollment_db.registry import open_sqlite
store = open_sqlite(sys.argv[1])
with store.templates.transaction():
    assert store.templates.confirm([2]) == [2]
    if sys.argv[2] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("when", "found"), [("before", [[1, -1]]), ("after", [[2, 1]])])
def test_a_kill_before_the_commit_confirms_nothing_and_one_after_it_all(tmp_path, when, found):
    path = tmp_path / "gallery.db"
    with open_sqlite(path) as store:
        store.templates.add("Ann", [photo(1)], MODEL)
        store.templates.add("Ann", [photo(2)], MODEL, state="unconfirmed")
        mirror = Mirror(store.changes, open_index(DIM))
        mirror.sync()
        done = subprocess.run([sys.executable, "-c", KILLED, str(path), when], check=False)
        assert done.returncode == -signal.SIGKILL
        assert mirror.search(vector(2)[None], 2)[1].tolist() == found
        assert mirror.compare().equal
        assert store.check() == []


def test_a_snapshot_holds_no_unconfirmed_template_and_a_removal_leaves_no_trace(tmp_path):
    path = tmp_path / "gallery.db"
    crop = FaceCrop(b"the picture of a person", (0, 0, 9, 9), np.zeros((5, 2), np.float32))
    with open_sqlite(path) as store:
        store.templates.add("Ann", [photo(1)], MODEL)
        store.templates.add("Ann", [photo(2, crop)], MODEL, state="unconfirmed")
        snapshot = Mirror(store.changes, open_index(DIM)).snapshot()
        assert snapshot is not None
        assert vector(1).tobytes() in snapshot.read_bytes()
        assert vector(2).tobytes() not in snapshot.read_bytes()
        store.templates.remove_template(2)
        # The removal of an unconfirmed template does not cost the snapshot.
        assert snapshot.exists()
    left = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert any(vector(1).tobytes() in content for content in left)
    for trace in (vector(2).tobytes(), crop.picture):
        assert not any(trace in content for content in left)


def test_a_snapshot_from_before_a_confirmation_is_brought_up_to_date(store, tmp_path):
    assert Mirror(store.changes, open_index(DIM)).snapshot() is not None
    store.templates.add("Bob", [photo(3)], MODEL)
    store.templates.confirm([2])
    mirror = Mirror(store.changes, open_index(DIM))
    assert mirror.search(vector(2)[None], 1)[1].tolist() == [[2]]
    assert len(mirror) == 3
    assert mirror.compare().equal


def test_a_gallery_of_unconfirmed_templates_alone(tmp_path):
    with open_sqlite(tmp_path / "gallery.db") as store:
        store.templates.add("Ann", [photo(1)], MODEL, state="unconfirmed")
        mirror = Mirror(store.changes, open_index(DIM))
        assert mirror.search(vector(1)[None], 1)[1].tolist() == [[-1]]
        assert (mirror.snapshot(), store.templates.model(), store.templates.counts()) == (None, MODEL, (0, 0))
        assert list(store.templates.list_all()) == []
        store.templates.confirm([1])
        assert mirror.search(vector(1)[None], 1)[1].tolist() == [[1]]
