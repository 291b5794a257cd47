"""What a group says of its photos, on people who are directions and photos that are those directions with noise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid.enrolment.checks.group import BOUNDS, Bounds, examine, scene_similarity
from faceid.networks import registry

DLIB = registry.card("dlib-resnet").calibration
assert DLIB is not None
DIM = 64
NOBODY = np.empty((0, DIM), dtype=np.float32)

Array = NDArray[np.float32]


def unit(vectors: NDArray[np.float64]) -> Array:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def crowd(count: int, seed: int = 0) -> NDArray[np.float64]:
    """Directions of people, at right angles to each other."""
    square = np.random.default_rng(seed).normal(size=(DIM, DIM))
    return np.linalg.qr(square)[0][:count]


def photos_of(person: NDArray[np.float64], count: int, seed: int, noise: float = 0.2) -> Array:
    """Photos whose distances to each other are about noise squared: 0.04, well within what is one person's."""
    rng = np.random.default_rng(seed)
    return unit(person + noise * unit(rng.normal(size=(count, DIM))).astype(np.float64))


def judged(photos: list[Array], enrolled: Array = NOBODY) -> list[int | str | None]:
    verdicts = examine(photos, enrolled, DLIB, "cosine")
    for verdict in verdicts:
        assert (verdict.face is None) != (verdict.refusal is None)
    return [verdict.face if verdict.refusal is None else verdict.refusal for verdict in verdicts]


def one_face_each(*groups: Array) -> list[Array]:
    return [face[None, :] for group in groups for face in group]


ALICE, BOB, CAROL, DAVE = crowd(4)


def test_one_photo_is_never_an_outlier() -> None:
    assert judged(one_face_each(photos_of(ALICE, 1, 1))) == [0]


def test_a_photo_without_a_face_says_nothing() -> None:
    assert judged([NOBODY, photos_of(ALICE, 1, 1)]) == ["no_face", 0]
    assert judged([NOBODY]) == ["no_face"]
    assert judged([]) == []


def test_somebody_elses_photo_among_three_is_refused() -> None:
    assert judged(one_face_each(photos_of(ALICE, 2, 1), photos_of(BOB, 1, 2))) == [0, 0, "outlier"]


def test_of_two_that_disagree_neither_can_be_blamed() -> None:
    assert judged(one_face_each(photos_of(ALICE, 1, 1), photos_of(BOB, 1, 2))) == ["undecided"] * 2


def test_halves_of_two_people_are_undecided() -> None:
    assert judged(one_face_each(photos_of(ALICE, 4, 1), photos_of(BOB, 4, 2))) == ["undecided"] * 8


def test_a_template_settles_who_it_is() -> None:
    photos = one_face_each(photos_of(ALICE, 1, 1), photos_of(BOB, 2, 2))
    assert judged(photos, photos_of(ALICE, 1, 3)) == [0, "outlier", "outlier"]


def test_many_photos_do_not_outvote_what_is_enrolled() -> None:
    photos = one_face_each(photos_of(BOB, 30, 2))
    assert judged(photos, photos_of(ALICE, 1, 3)) == ["outlier"] * 30


def test_a_wrong_template_among_right_ones_lets_nobody_in() -> None:
    enrolled = np.concatenate([photos_of(ALICE, 2, 3), photos_of(BOB, 1, 4)])
    photos = one_face_each(photos_of(ALICE, 1, 1), photos_of(BOB, 4, 2))
    assert judged(photos, enrolled) == [0, "outlier", "outlier", "outlier", "outlier"]


def test_nearly_half_may_be_wrong_of_one_person_or_of_several() -> None:
    alice = photos_of(ALICE, 10, 1)
    assert judged(one_face_each(alice, photos_of(BOB, 9, 2))) == [0] * 10 + ["outlier"] * 9
    others = [photos_of(person, 3, 2) for person in (BOB, CAROL, DAVE)]
    assert judged(one_face_each(photos_of(ALICE, 4, 1), *others)) == [0] * 4 + ["outlier"] * 9


def test_a_burst_has_one_vote() -> None:
    burst = np.repeat(photos_of(BOB, 1, 2), 10, axis=0)
    assert judged(one_face_each(photos_of(ALICE, 3, 1), burst)) == [0] * 3 + ["outlier"] * 10


def test_a_burst_alone_is_one_photo() -> None:
    assert judged(one_face_each(np.repeat(photos_of(BOB, 1, 2), 5, axis=0))) == [0] * 5


def test_of_several_faces_the_one_in_the_other_photos_is_chosen() -> None:
    alice = photos_of(ALICE, 4, 1)
    bob, carol = photos_of(BOB, 2, 2), photos_of(CAROL, 1, 3)
    photos = [alice[:1], np.stack([bob[0], alice[1]]), np.stack([alice[2], bob[1], carol[0]]), alice[3:]]
    assert judged(photos) == [0, 1, 0, 0]


def test_several_faces_none_of_which_is_the_person() -> None:
    photos = [
        *one_face_each(photos_of(ALICE, 3, 1)),
        np.concatenate([photos_of(BOB, 1, 2), photos_of(CAROL, 1, 3)]),
    ]
    assert judged(photos) == [0, 0, 0, "no_face_agrees"]


def test_two_who_are_always_together_cannot_be_told_apart() -> None:
    pairs = [np.stack(pair) for pair in zip(photos_of(ALICE, 4, 1), photos_of(BOB, 4, 2), strict=True)]
    assert judged(pairs) == ["undecided"] * 4
    assert judged(pairs[:1]) == ["undecided"]


def test_a_photo_alone_says_which_of_two_is_meant() -> None:
    pairs = [np.stack(pair) for pair in zip(photos_of(BOB, 4, 2), photos_of(ALICE, 4, 1), strict=True)]
    assert judged([*pairs, photos_of(ALICE, 1, 5)]) == [1, 1, 1, 1, 0]


def test_a_template_says_which_of_two_is_meant() -> None:
    pair = np.concatenate([photos_of(BOB, 1, 2), photos_of(ALICE, 1, 1)])
    assert judged([pair], photos_of(ALICE, 1, 3)) == [1]


def test_two_faces_as_like_the_person_as_each_other_are_refused() -> None:
    alike = photos_of(ALICE, 5, 1)
    assert judged([*one_face_each(alike[:3]), alike[3:]]) == [0, 0, 0, "faces_too_alike"]


def test_faces_of_one_photo_do_not_vote_for_each_other() -> None:
    # A photo of a photo: two faces that agree, in a group with two photos of somebody else.
    twice = photos_of(BOB, 3, 2)
    assert judged([*one_face_each(photos_of(ALICE, 2, 1)), twice]) == [0, 0, "no_face_agrees"]


def test_verdicts_say_how_far_and_how_rare() -> None:
    near, far = (
        examine(one_face_each(photos_of(ALICE, 2, 1), other), NOBODY, DLIB, "cosine")[2]
        for other in (photos_of(ALICE, 1, 7), photos_of(BOB, 1, 7))
    )
    assert near.distance is not None
    assert near.fmr is not None
    assert near.fmr <= BOUNDS.near
    assert far.distance is not None
    assert far.fmr is not None
    assert far.fmr > BOUNDS.near
    assert near.distance < far.distance


def test_bounds_are_rates_of_the_calibration() -> None:
    photos = one_face_each(photos_of(ALICE, 3, 1), photos_of(ALICE, 1, 2, noise=0.35))
    assert [verdict.refusal for verdict in examine(photos, NOBODY, DLIB, "cosine")] == [None] * 4
    strict = examine(photos, NOBODY, DLIB, "cosine", Bounds(near=1e-6, stranger=1e-6))
    assert strict[3].refusal == "outlier"
    between = examine(photos, NOBODY, DLIB, "cosine", Bounds(near=1e-6, stranger=1e-3))
    assert (between[3].refusal, between[3].doubtful) == (None, True)
    assert not any(verdict.doubtful for verdict in between[:3])


def test_a_scene_is_nearer_than_a_person() -> None:
    strictest = 1.0 - DLIB.points[0].distance
    assert strictest < scene_similarity(DLIB, "cosine") < 1.0
    # The same distances, as lengths of the chord.
    assert scene_similarity(DLIB, "euclidean") == pytest.approx(
        1.0 - (1.0 - scene_similarity(DLIB, "cosine")) ** 2 / 2
    )


def test_the_most_crowded_photos_are_judged_by_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    alice = photos_of(ALICE, 5, 1)
    strangers = photos_of(BOB, 3, 2)
    crowds = [np.concatenate([strangers, alice[4:]]), strangers]
    photos = [crowds[0], *one_face_each(alice[:4]), crowds[1], NOBODY]
    expected = [3, 0, 0, 0, 0, "no_face_agrees", "no_face"]
    assert judged(photos) == expected
    monkeypatch.setattr("faceid.enrolment.checks.group.VOTING", 4)
    assert judged(photos) == expected
    # One photo is always looked at.
    monkeypatch.setattr("faceid.enrolment.checks.group.VOTING", 0)
    assert judged(photos) == expected


def test_a_copy_of_what_is_enrolled_is_the_person() -> None:
    enrolled = photos_of(ALICE, 1, seed=1)
    together = np.concatenate([photos_of(BOB, 1, seed=2), enrolled])
    assert judged([together], enrolled) == [1]
    assert judged([photos_of(BOB, 1, seed=2)], enrolled) == ["outlier"]
