"""What must hold of the guards whatever the group."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from faceid.decision.decide import Target, policy_for
from faceid.decision.scores import distance_from_similarity, identity_similarity
from faceid.enrolment.checks.conflict import enrolled_as
from faceid.enrolment.checks.group import Verdict, examine
from faceid.enrolment.checks.selection import select
from faceid.networks import registry
from faceid.types import Candidate

DLIB = registry.card("dlib-resnet").calibration
assert DLIB is not None
DIM = 16
NOBODY = np.empty((0, DIM), dtype=np.float32)
Array = NDArray[np.float32]


def unit(vectors: NDArray[np.float64]) -> Array:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@st.composite
def groups(draw: st.DrawFn, most: int = 4) -> list[Array]:
    """Photos of up to three people with up to `most` faces each, people more or less unlike."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    people = rng.normal(size=(3, DIM))
    noise = draw(st.sampled_from([0.5, 1.0, 1.6, 2.5]))
    faces = draw(st.lists(st.integers(0, most), min_size=1, max_size=10))
    return [
        unit(people[rng.integers(0, 3, count)] + noise * rng.normal(size=(count, DIM)) / 2)
        if count
        else NOBODY
        for count in faces
    ]


def judge(photos: list[Array], enrolled: Array = NOBODY) -> list[Verdict]:
    return examine(photos, enrolled, DLIB, "cosine")


def said(verdicts: list[Verdict]) -> list[tuple[int | None, str | None]]:
    return [(verdict.face, verdict.refusal) for verdict in verdicts]


@given(groups(), st.randoms(use_true_random=False))
def test_the_order_of_photos_does_not_matter(photos: list[Array], random: object) -> None:
    order = list(range(len(photos)))
    random.shuffle(order)  # type: ignore[attr-defined]
    straight, shuffled = judge(photos), judge([photos[place] for place in order])
    assert said([straight[place] for place in order]) == said(shuffled)


@given(groups(), st.data())
def test_the_order_of_faces_does_not_matter(photos: list[Array], data: st.DataObject) -> None:
    turned = [own[::-1] for own in photos]
    for own, there, back in zip(photos, judge(photos), judge(turned), strict=True):
        assert there.refusal == back.refusal
        if there.face is not None:
            assert back.face == len(own) - 1 - there.face


@given(groups(), st.data())
def test_a_photo_twice_says_no_more_than_once(photos: list[Array], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(photos) - 1))
    once, twice = judge(photos), judge([*photos, photos[place]])
    assert said(once) == said(twice[:-1])
    assert said(twice[-1:]) == said(once[place : place + 1])


@given(groups(most=1))
def test_exactly_one_of_face_and_refusal_is_set(photos: list[Array]) -> None:
    for own, verdict in zip(photos, judge(photos), strict=True):
        assert (verdict.face is None) != (verdict.refusal is None)
        assert (verdict.refusal == "no_face") == (len(own) == 0)


@given(groups(most=3), st.integers(0, 2**32 - 1))
def test_what_is_enrolled_is_never_undecided_among_single_faces(photos: list[Array], seed: int) -> None:
    enrolled = unit(np.random.default_rng(seed).normal(size=(1, DIM)))
    for own, verdict in zip(photos, judge(photos, enrolled), strict=True):
        if len(own) == 1:
            assert verdict.refusal in (None, "outlier")
        if verdict.face is not None:
            assert verdict.fmr is not None
            assert verdict.fmr <= 0.01 + 1e-9


@given(st.integers(0, 2**32 - 1))
def test_one_photo_of_one_face_is_never_refused(seed: int) -> None:
    assert said(judge([unit(np.random.default_rng(seed).normal(size=(1, DIM)))])) == [(0, None)]


@st.composite
def templates(draw: st.DrawFn) -> tuple[Array, NDArray[np.float64]]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = draw(st.integers(1, 20))
    return unit(rng.normal(size=DIM) + rng.normal(size=(count, DIM))), rng.uniform(size=count)


@given(templates(), st.integers(1, 25))
def test_so_many_are_kept_and_no_more(drawn: tuple[Array, NDArray[np.float64]], keep: int) -> None:
    vectors, qualities = drawn
    kept = select(vectors, list(qualities), keep)
    assert len(kept) == min(keep, len(vectors))
    assert kept == sorted(set(kept))


@given(templates(), st.integers(1, 10), st.randoms(use_true_random=False))
def test_the_same_are_kept_in_any_order(
    drawn: tuple[Array, NDArray[np.float64]], keep: int, random: object
) -> None:
    vectors, qualities = drawn
    order = list(range(len(vectors)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = select(vectors[order], list(qualities[order]), keep)
    assert sorted(order[place] for place in shuffled) == select(vectors, list(qualities), keep)


@given(templates(), st.integers(1, 10))
def test_fewer_are_kept_of_those_kept(drawn: tuple[Array, NDArray[np.float64]], keep: int) -> None:
    vectors, qualities = drawn
    assert set(select(vectors, list(qualities), keep)) <= set(select(vectors, list(qualities), keep + 1))


@given(templates(), templates())
def test_the_score_of_a_group_is_that_of_one_photo_where_it_has_one(
    drawn: tuple[Array, NDArray[np.float64]], other: tuple[Array, NDArray[np.float64]]
) -> None:
    probe, enrolled = drawn[0][:1], other[0]
    similarity = identity_similarity(probe[0], enrolled)
    distance = distance_from_similarity(similarity, "cosine")
    found = enrolled_as(
        "new",
        probe,
        [[Candidate("old", distance, similarity)]],
        policy_for(Target(threshold=2.0), DLIB, identities=1),
        "cosine",
    )
    assert found is not None
    assert found.distance == pytest.approx(distance, abs=1e-6)
