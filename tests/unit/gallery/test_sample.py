"""The sample of people is complete in a small gallery, and bounded and stable in a large one."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from crowds import DIM, again, crowd
from enrollment_db.memory import MemoryDatabase
from enrollment_db.records import Part
from faceid.decision.scores import identity_similarity
from faceid.gallery.gallery import Gallery
from faceid.gallery.opening import gallery_of, open_gallery
from faceid.types import ModelKey

MODEL = ModelKey("net", "a" * 64, "five-points", DIM, "cosine")


@pytest.fixture(params=["sqlite", "memory"])
def gallery(request: pytest.FixtureRequest, tmp_path: Path):
    opened = (
        open_gallery(tmp_path / "gallery.db", create=True)
        if request.param == "sqlite"
        else gallery_of(MemoryDatabase())
    )
    yield opened
    opened.close()


def enrol(gallery: Gallery, names: list[str], vectors: np.ndarray) -> None:
    digests = [hashlib.sha256(vector.tobytes()).hexdigest() for vector in vectors]
    gallery.add_many([Part(names, vectors, digests, [None] * len(names))], MODEL)


def test_an_empty_gallery_has_no_people(gallery: Gallery) -> None:
    assert gallery.sample_of_people(MODEL, 10).shape == (0, DIM)


def test_all_people_of_a_small_gallery_with_the_score_of_an_identity(gallery: Gallery) -> None:
    vectors = crowd(1, 5)
    names = [f"p{number}" for number in range(5)]
    other = again(1, vectors[:2], noise=0.8)
    enrol(gallery, names, vectors)
    enrol(gallery, names[:2], other)
    rows = gallery.sample_of_people(MODEL, 10)
    assert rows.shape == (5, DIM)
    assert rows[2:] == pytest.approx(vectors[2:])
    own = np.stack([vectors[0], other[0]])
    assert rows[0] @ rows[3] == pytest.approx(identity_similarity(vectors[3], own), abs=1e-6)


def test_the_sample_of_a_large_gallery_is_bounded_and_mostly_stays(gallery: Gallery) -> None:
    vectors = crowd(1, 600)
    enrol(gallery, [f"p{number}" for number in range(500)], vectors[:500])
    before = gallery.sample_of_people(MODEL, 100)
    assert len(before) == 100
    assert np.array_equal(before, gallery.sample_of_people(MODEL, 100))
    enrol(gallery, [f"p{number}" for number in range(500, 600)], vectors[500:])
    after = gallery.sample_of_people(MODEL, 100)
    kept = {row.tobytes() for row in before} & {row.tobytes() for row in after}
    assert len(kept) >= 70


def test_a_gallery_from_which_most_were_removed_is_still_sampled(gallery: Gallery) -> None:
    enrol(gallery, [f"p{number}" for number in range(400)], crowd(1, 400))
    for number in range(370):
        gallery.remove(f"p{number}")
    assert 10 <= len(gallery.sample_of_people(MODEL, 20)) <= 20


def test_people_with_a_damaged_template_are_left_out(tmp_path: Path) -> None:
    vectors = crowd(1, 9)
    with closing(open_gallery(tmp_path / "gallery.db", create=True)) as gallery:
        enrol(gallery, [f"p{number}" for number in range(9)], vectors)
        with closing(sqlite3.connect(tmp_path / "gallery.db")) as connection:
            connection.execute("UPDATE templates SET vector = zeroblob(length(vector)) WHERE id IN (1, 6)")
            connection.commit()
        rows = gallery.sample_of_people(MODEL, 20)
    assert rows == pytest.approx(np.delete(vectors, (0, 5), axis=0))
