"""The guards search only as far as a decision needs, and decide as after a full search."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crowds import DIM, again, card, unit
from enrollment_db.memory.database import MemoryDatabase
from enrollment_db.records import NewTemplate
from faceid.enrolment.checks import rival_identities
from faceid.enrolment.checks.rival_identities import RivalIdentities
from faceid.gallery.exact_search import ExactSearch
from faceid.gallery.gallery import Gallery
from faceid.gallery.opening import gallery_of
from faceid.types import Embedding, ModelKey

MODEL = ModelKey("crowd", "0" * 64, "none", DIM, "cosine")


@contextmanager
def gallery_with(people: dict[str, np.ndarray], exact: bool) -> Iterator[tuple[Gallery, list[float]]]:
    """A gallery of these people, and the `within` of every search in it."""
    database = MemoryDatabase()
    for name, vectors in people.items():
        new = [
            NewTemplate(vector, hashlib.sha256(name.encode() + vector.tobytes()).hexdigest())
            for vector in vectors
        ]
        database.templates.add(name, new, MODEL)
    gallery = (
        Gallery(database, ExactSearch(database.templates, database.changes))
        if exact
        else gallery_of(database)
    )
    asked: list[float] = []
    search = gallery.search

    def watched(probes, top, *, within=-1.0):  # type: ignore[no-untyped-def]
        asked.append(within)
        return search(probes, top, within=within)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "search", watched)
        yield gallery, asked
    gallery.close()


def of_full_search(gallery: Gallery, name: str, faces: list[Embedding]) -> RivalIdentities:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rival_identities, "_least_that_matters", lambda *_: -1.0)
        return RivalIdentities.of(gallery, name, card(), MODEL, faces, faces)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), mix=st.floats(0.0, 1.0), exact=st.booleans(), data=st.data())
def test_the_decisions_are_those_of_a_full_search(
    seed: int, mix: float, exact: bool, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    people = unit(rng.standard_normal((12, DIM)))
    gallery_people = {
        f"person {i}": again(seed % 1000 + i, np.repeat(own[None], 1 + i % 3, axis=0), 0.5)
        for i, own in enumerate(people)
    }
    name = data.draw(st.sampled_from(["person 0", "newcomer"]))
    # From a stranger, over look-alikes and morphs of two enrolled people, to a person who is enrolled.
    subject = mix * people[1] + (1.0 - mix) * data.draw(
        st.sampled_from([people[2], people[0], unit(rng.standard_normal((1, DIM)))[0]])
    )
    photos = again(seed % 977, np.repeat(unit(subject[None]), 3, axis=0), data.draw(st.floats(0.1, 1.5)))
    faces = [Embedding(photo, MODEL) for photo in photos]
    with gallery_with(gallery_people, exact) as (gallery, _):
        short = RivalIdentities.of(gallery, name, card(), MODEL, faces, faces)
        full = of_full_search(gallery, name, faces)
    assert short.duplicate(faces) == full.duplicate(faces)
    for face in faces:
        assert short.between.get(id(face), ()) == full.between.get(id(face), ())
        for others in ([], faces):
            assert short.rival(face, others) == full.rival(face, others)


@pytest.mark.parametrize(("subject", "searches"), [("stranger", 1), ("own", 1), ("look-alike", 2)], ids=str)
def test_a_second_search_only_where_another_person_is_near(subject: str, searches: int) -> None:
    people = unit(np.random.default_rng(5).standard_normal((4, DIM)))
    shown = {"own": people[0], "stranger": people[3], "look-alike": people[1]}[subject]
    faces = [Embedding(photo, MODEL) for photo in again(1, shown[None])]
    with gallery_with({"Ann": people[:1], "Bob": people[1:2]}, exact=False) as (gallery, asked):
        found = RivalIdentities.of(gallery, "Ann", card(), MODEL, faces, faces)
        assert len(asked) == searches
        assert asked[0] > 0.0
        assert (found.duplicate(faces) is not None) == (subject == "look-alike")
