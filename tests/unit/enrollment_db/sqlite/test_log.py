"""The change log and the consistent load: what an index lives on."""

import hashlib
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from enrollment_db.errors import Corrupt
from enrollment_db.records import ModelKey, NewTemplate
from enrollment_db.registry import open_sqlite

MODEL = ModelKey("net", "a" * 64, "five-points", 4, "cosine")


def photos(*numbers: int) -> list[NewTemplate]:
    vectors = np.eye(4, dtype=np.float32)
    return [NewTemplate(vectors[n % 4], hashlib.sha256(bytes([n])).hexdigest()) for n in numbers]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gallery.db"


@pytest.fixture
def store(path: Path):
    with open_sqlite(path) as store:
        yield store


def test_every_insert_and_delete_is_logged_cascades_too(store):
    assert store.changes.place()[0].seq == 0
    store.templates.add("Ann", photos(0, 1), MODEL)
    store.templates.remove_template(1)
    store.templates.add("Bob", photos(2, 3), MODEL)
    store.templates.remove("Bob")
    assert store.changes.place()[0].seq == 7
    (changes,) = store.changes.since(0)
    assert changes.place.seq == 7
    assert changes.added.model == MODEL
    assert changes.added.template_ids.tolist() == [2]
    assert changes.added.identity_ids.tolist() == [1]
    np.testing.assert_array_equal(changes.added.vectors, photos(1)[0].vector[None])
    assert changes.removed.tolist() == [1, 3, 4]


def test_nothing_new_is_nothing(store):
    assert list(store.changes.since(0)) == []
    store.templates.add("Ann", photos(0), MODEL)
    assert list(store.changes.since(store.changes.place()[0].seq)) == []


def test_neither_duplicates_nor_renames_nor_failures_are_changes(store):
    store.templates.add("Ann", photos(0), MODEL)
    store.templates.add("Ann", photos(0), MODEL)
    store.templates.rename("Ann", "Anna")

    def fail() -> None:
        with store.templates.transaction():
            store.templates.add("Bob", photos(1), MODEL)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.changes.place()[0].seq == 1


def test_the_log_comes_in_stretches(store):
    store.templates.add("Ann", photos(0, 1, 2, 3, 4), MODEL)
    stretches = list(store.changes.since(1, batch_size=2))
    assert [(changes.place.seq, changes.added.template_ids.tolist()) for changes in stretches] == [
        (3, [2, 3]),
        (5, [4, 5]),
    ]


def test_a_replaced_row_is_logged_as_removed_and_added(store, path):
    store.templates.add("Ann", photos(0), MODEL)
    with store.templates.transaction():
        # Behind the store's back, as a person with the sqlite3 shell would.
        store._connections._writer.execute(
            "REPLACE INTO templates SELECT 5, identity_id, model_id, vector, source, sha256, box, landmarks,"
            " quality, created_at, confirmed, detector FROM templates WHERE id = 1"
        )
    (changes,) = store.changes.since(1)
    assert changes.removed.tolist() == [1]
    assert changes.added.template_ids.tolist() == [5]


def test_load_all_is_of_one_moment(store):
    store.templates.add("Ann", photos(0, 1, 2), MODEL)
    parts = store.changes.load_all(batch_size=2)
    first = next(parts)
    store.templates.remove_template(3)
    store.templates.add("Bob", photos(3), MODEL)
    second, *rest = parts
    assert (first.place.seq, second.place.seq, rest) == (3, 3, [])
    assert first.batch.template_ids.tolist() == [1, 2]
    assert second.batch.template_ids.tolist() == [3]
    assert second.batch.vectors.dtype == np.float32
    assert second.batch.vectors.flags.c_contiguous


def test_load_all_of_nothing_has_a_place_in_the_log(store):
    store.templates.add("Ann", photos(0), MODEL)
    store.templates.remove("Ann")
    (part,) = store.changes.load_all()
    assert (part.place.seq, len(part.batch), part.batch.model) == (2, 0, None)


def test_a_vector_of_another_length_is_corruption_not_nonsense(store, path):
    store.templates.add("Ann", photos(0), MODEL)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE templates SET vector = zeroblob(12)")
    connection.commit()
    connection.close()
    for read in (
        lambda: list(store.changes.load_all()),
        lambda: list(store.changes.since(0)),
        lambda: store.templates.vectors_of([1]),
        lambda: store.templates.enrolled([1], MODEL),
    ):
        with pytest.raises(Corrupt, match="wrong length"):
            read()
