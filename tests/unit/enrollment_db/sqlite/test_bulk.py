from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from enrollment_db.errors import BadName, BadTemplate, OtherModel
from enrollment_db.records import ModelKey, NewTemplate, Part
from enrollment_db.registry import open_sqlite

MODEL = ModelKey("net", "a" * 64, "dlib-150-v1", 4, "cosine")


@pytest.fixture
def store(tmp_path):
    with open_sqlite(tmp_path / "gallery.db") as opened:
        yield opened


def batch(count: int, first: int = 0) -> Part:
    rng = np.random.default_rng(first)
    vectors = rng.normal(size=(count, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    numbers = range(first, first + count)
    return Part(
        [f"person {number // 3}" for number in numbers],
        vectors,
        [f"{number:064x}" for number in numbers],
        [f"{number}.jpg" if number % 2 else None for number in numbers],
    )


def test_many_are_stored_as_one_by_one(store, tmp_path):
    part = batch(1000)
    assert store.templates.add_many([part], MODEL) == 1000
    with open_sqlite(tmp_path / "other.db") as other:
        for name, vector, digest, source in zip(
            part.names, part.vectors, part.digests, part.sources, strict=True
        ):
            other.templates.add(name, [NewTemplate(vector, digest, source)], MODEL)
        assert [(i.name, i.templates) for i in store.templates.identities()] == [
            (i.name, i.templates) for i in other.templates.identities()
        ]
        for name in ("person 0", "person 333"):
            mine, theirs = store.templates.of(name), other.templates.of(name)
            assert [(t.id, t.sha256, t.source, t.model) for t in mine] == [
                (t.id, t.sha256, t.source, t.model) for t in theirs
            ]
        (mine,), (theirs,) = store.changes.load_all(), other.changes.load_all()
        np.testing.assert_array_equal(mine.batch.vectors, theirs.batch.vectors)
        assert mine.place.seq == theirs.place.seq == 1000
    assert store.check() == []


def test_what_is_there_already_is_not_counted(store):
    store.templates.add_many([batch(10)], MODEL)
    assert store.templates.add_many([batch(15)], MODEL) == 5
    assert store.templates.counts() == (5, 15)
    assert store.changes.place()[0].seq == 15


def test_names_are_cleaned_and_one_person_stays_one(store):
    part = replace(batch(3), names=["Rene\u0301", "Ren\u00e9 ", "Ren\u00e9"])
    store.templates.add_many([part], MODEL)
    assert [(who.name, who.templates) for who in store.templates.identities()] == [("Ren\u00e9", 3)]


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda part: part.names.__setitem__(7, "\0"), BadName),
        (lambda part: part.vectors.__setitem__((7, 0), np.nan), BadTemplate),
        (lambda part: part.vectors.__setitem__((7, 0), np.inf), BadTemplate),
        (lambda part: part.vectors.__setitem__(7, 0.0), BadTemplate),
        (lambda part: part.digests.__setitem__(7, "xyz"), BadTemplate),
        (lambda part: part.sources.pop(), BadTemplate),
    ],
    ids=["name", "nan", "infinite", "zero", "hash", "count"],
)
def test_one_bad_template_and_none_is_stored(store, spoil, error):
    store.templates.add_many([batch(5)], MODEL)
    bad = batch(20, first=100)
    spoil(bad)
    with pytest.raises(error):
        store.templates.add_many([batch(30, first=50), bad], MODEL)
    assert store.templates.counts() == (2, 5)
    assert store.changes.place()[0].seq == 5


def test_parts_that_cannot_be_made_undo_those_before(store):
    def parts():
        yield batch(5)
        raise RuntimeError("the file ends here")

    with pytest.raises(RuntimeError):
        store.templates.add_many(parts(), MODEL)
    assert store.templates.counts() == (0, 0)
    assert store.templates.model() is None


def test_another_model_or_length_is_refused(store):
    store.templates.add_many([batch(5)], MODEL)
    other = ModelKey("other", "b" * 64, "dlib-150-v1", 4, "cosine")
    with pytest.raises(OtherModel):
        store.templates.add_many([batch(5, first=10)], other)
    part = batch(5, first=20)
    for wrong in (part.vectors[:, :3], part.vectors[0]):
        with pytest.raises(BadTemplate):
            store.templates.add_many([replace(part, vectors=wrong)], MODEL)
    assert store.templates.counts() == (2, 5)


def test_the_cache_is_given_back(store):
    def pages() -> int:
        return store._connections._writer.execute("PRAGMA cache_size").fetchone()[0]

    before = pages()
    with store.templates.transaction():
        store.templates.add_many([batch(5)], MODEL)
        assert pages() != before
        store.templates.add_many([batch(5, first=10)], MODEL)
    assert pages() == before
