"""Which photos are confirmed, on people who are directions and photos at chosen distances from them."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid.decision.scores import similarity_from_distance
from faceid.decision.thresholds import threshold_at_fmr
from faceid.enrolment.checks.confirmation import (
    ConfirmationBounds,
    confirmation_distance,
    confirmed,
    confirmed_later,
    confirmed_of_enrolled,
    confirmed_of_new,
)
from faceid.networks import registry

CARD = registry.card("dlib-resnet")
CALIBRATION = CARD.calibration
assert CALIBRATION is not None
BOUNDS = ConfirmationBounds.of(CALIBRATION, CARD.metric)
VERIFY = threshold_at_fmr(CALIBRATION, 1e-4)
SURE = confirmation_distance(CALIBRATION)
AXES = np.eye(32)
ALICE = AXES[0]

Array = NDArray[np.float32]


def at(distance: float, axis: int, centre: NDArray[np.float64] = ALICE) -> Array:
    """A template at a cosine distance from `centre`, in a direction of its own."""
    cosine = 1.0 - distance
    return (cosine * centre + np.sqrt(1.0 - cosine**2) * AXES[axis]).astype(np.float32)


def stack(*vectors: NDArray[np.floating]) -> Array:
    return np.array(vectors, np.float32).reshape(-1, 32)


NONE = stack()


def decided(
    photos: Array, templates: Array = NONE, waiting: Array = NONE, doubtful: list[bool] | None = None
) -> tuple[list[bool], list[bool]]:
    doubts = np.array(doubtful or [False] * len(photos), dtype=bool)
    taken, later = confirmed(photos, [0.5] * len(photos), doubts, templates, waiting, BOUNDS)
    return taken.tolist(), later.tolist()


def test_the_bound_of_an_enrolled_person_is_stricter_than_every_measured_threshold() -> None:
    assert SURE < CALIBRATION.points[0].distance < VERIFY
    assert BOUNDS.enrolled == pytest.approx(similarity_from_distance(SURE, "cosine"))
    assert BOUNDS.verify == pytest.approx(similarity_from_distance(VERIFY, "cosine"))


def test_a_stricter_policy_of_the_gallery_holds_and_a_laxer_one_does_not() -> None:
    strict = ConfirmationBounds.of(CALIBRATION, "cosine", 0.01)
    assert strict.enrolled == strict.verify == pytest.approx(0.99)
    assert ConfirmationBounds.of(CALIBRATION, "cosine", 0.3) == BOUNDS


@pytest.mark.parametrize("distance", [SURE * 1.05, VERIFY * 0.95, VERIFY * 1.05, 0.08])
def test_a_look_alike_is_never_confirmed(distance: float) -> None:
    look_alike = stack(at(distance, 1))
    assert decided(look_alike, stack(ALICE)) == ([False], [])


def test_a_photo_that_is_surely_the_persons_is_confirmed() -> None:
    assert decided(stack(at(SURE * 0.9, 1)), stack(ALICE)) == ([True], [])


def test_photos_that_agree_with_each_other_do_not_confirm_each_other() -> None:
    first = at(0.08, 1)
    second = at(0.001, 2, first.astype(np.float64))
    assert float(first @ second) > BOUNDS.enrolled
    # Together, or one after the other.
    assert decided(stack(first, second), stack(ALICE)) == ([False, False], [])
    assert decided(stack(second), stack(ALICE), stack(first)) == ([False], [False])


def test_the_persons_own_photo_does_not_confirm_a_look_alike_near_to_it() -> None:
    own = at(SURE * 0.9, 1)
    look_alike = at(VERIFY * 0.9, 2, own.astype(np.float64))
    taken, later = decided(stack(own), stack(ALICE), stack(look_alike))
    assert taken == [True]
    assert float(look_alike @ own) > BOUNDS.verify
    assert later == [False]


def test_a_later_photo_between_the_two_sides_confirms_the_persons_own_photo() -> None:
    waiting = at(SURE * 1.3, 1)
    between = (ALICE + waiting).astype(np.float64)
    between /= np.linalg.norm(between)
    assert decided(stack(waiting), stack(ALICE)) == ([False], [])
    assert decided(stack(between), stack(ALICE), stack(waiting)) == ([True], [True])


def test_an_unconfirmed_photo_needs_a_later_one() -> None:
    waiting = stack(at(SURE * 0.5, 1))
    nothing = confirmed_later(waiting, stack(ALICE), NONE, BOUNDS)
    assert nothing.tolist() == [False]


def test_a_doubtful_photo_confirms_nothing_and_is_not_confirmed() -> None:
    same = stack(ALICE, at(0.001, 1))
    assert decided(same, doubtful=[True, True]) == ([False, False], [])
    assert decided(same, doubtful=[True, False]) == ([False, True], [])
    assert decided(stack(ALICE), waiting=stack(ALICE), doubtful=[True]) == ([False], [False])


def test_the_photos_of_a_new_person_that_verify_each_other_are_confirmed() -> None:
    core = [at(VERIFY * 0.4, axis) for axis in (1, 2, 3)]
    other = at(0.08, 4)
    assert decided(stack(*core, other)) == ([True, True, True, False], [])


def test_one_photo_of_a_new_person_is_confirmed() -> None:
    assert decided(stack(ALICE)) == ([True], [])
    assert confirmed_of_new(NONE, [], BOUNDS).tolist() == []


def test_where_no_two_photos_verify_the_best_one_is_confirmed() -> None:
    photos = stack(ALICE, at(0.08, 1))
    assert confirmed_of_new(photos, [0.5, 0.9], BOUNDS).tolist() == [False, True]
    assert confirmed_of_new(photos, [0.9, 0.5], BOUNDS).tolist() == [True, False]
    copy = at(1e-6, 2)
    assert confirmed_of_new(stack(*photos, copy), [0.9, 0.5, 0.8], BOUNDS).tolist() == [True, False, True]


def test_photos_that_disagree_wait_until_one_is_verified() -> None:
    own, other = ALICE, AXES[9]
    waiting = stack(own, other)
    assert decided(stack(at(0.03, 1)), waiting=waiting) == ([True], [True, False])
    assert decided(stack(AXES[5]), waiting=waiting) == ([False], [False, False])


def test_the_order_of_the_photos_makes_no_difference() -> None:
    photos = [at(SURE * 0.9, 1), at(SURE * 1.1, 2), at(0.08, 3), at(0.001, 4)]
    expected = dict(zip(map(bytes, photos), decided(stack(*photos), stack(ALICE))[0], strict=True))
    new = dict(zip(map(bytes, photos), confirmed_of_new(stack(*photos), [0.5] * 4, BOUNDS), strict=True))
    assert set(expected.values()) == set(new.values()) == {True, False}
    for order in permutations(photos):
        taken, _ = decided(stack(*order), stack(ALICE))
        assert taken == [expected[bytes(photo)] for photo in order]
        again = confirmed_of_new(stack(*order), [0.5] * 4, BOUNDS)
        assert again.tolist() == [new[bytes(photo)] for photo in order]


def test_confirmed_photos_of_a_group_count_as_templates() -> None:
    first = at(SURE * 0.9, 1)
    between = (ALICE + first) / np.linalg.norm(ALICE + first)
    second = at(0.027, 2, between)
    alone = confirmed_of_enrolled(stack(second), stack(ALICE), BOUNDS)
    both = confirmed_of_enrolled(stack(first, second), stack(ALICE), BOUNDS)
    assert (alone.tolist(), both.tolist()) == ([False], [True, True])
