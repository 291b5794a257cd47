"""Rates among people who are alike: against slow counting, and who is alike."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from faceid.evaluation.statistics.alike import HELD, measure_alike, nearest_half, of_one_kind
from faceid.evaluation.statistics.bootstrap import resample
from faceid.evaluation.statistics.scores import compare_all
from faceid.networks.calibration import AlikeCurve

PEOPLE, PHOTOS, GROUPS = 60, 4, 3


def crowd(seed: int = 3) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """People of three groups, each about a direction of its own: nearer to each other than to the rest."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(GROUPS, 24))
    kinds = [f"group {number % GROUPS}" for number in range(PEOPLE)]
    people = np.array([centres[number % GROUPS] + rng.normal(size=24) for number in range(PEOPLE)])
    identity = np.repeat(np.arange(PEOPLE), PHOTOS)
    vectors = people[identity] + 0.5 * rng.normal(size=(PEOPLE * PHOTOS, 24))
    return (
        (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32),
        identity,
        kinds,
    )


def measured(alike: np.ndarray, chosen_by="attributes") -> AlikeCurve:
    vectors, identity, _ = crowd()
    return measure_alike(
        vectors,
        identity,
        "cosine",
        alike,
        resample(PEOPLE, np.random.default_rng(1), 200),
        data="a crowd",
        population="people of one group",
        chosen_by=chosen_by,
    )


def counted(alike: np.ndarray, threshold: float) -> tuple[float, float]:
    """False matches and comparisons, one by one."""
    vectors, identity, _ = crowd()
    errors = total = 0.0
    for one, other in combinations(range(len(vectors)), 2):
        a, b = identity[one], identity[other]
        weight = (float(alike[a, b]) + float(alike[b, a])) / 2
        total += weight
        errors += weight * (
            1.0 - float(vectors[one].astype(float) @ vectors[other].astype(float)) <= threshold
        )
    return errors, total


@pytest.mark.parametrize("chosen_by", ["attributes", "nearest half"])
def test_each_point_counts_the_comparisons_of_alike_people_only(chosen_by: str) -> None:
    vectors, identity, kinds = crowd()
    alike = of_one_kind(kinds) if chosen_by == "attributes" else nearest_half(vectors, identity)
    curve = measured(alike, chosen_by)
    _, total = counted(alike, 0.0)
    assert (curve.non_mated, curve.people, curve.chosen_by) == (int(total), PEOPLE, chosen_by)
    for point in curve.points[:: len(curve.points) // 4]:
        errors, _ = counted(alike, point.distance)
        assert abs(point.count - errors) <= 0.5
        assert errors / total <= point.fmr * (1 + 1e-9)
        assert errors / total > 0.8 * point.fmr - 1 / total
        assert point.low <= point.fmr <= point.high


def test_people_of_one_group_are_confused_more_often_than_all() -> None:
    vectors, identity, kinds = crowd()
    by_group = measured(of_one_kind(kinds))
    by_half = measured(nearest_half(vectors, identity), "nearest half")
    for curve, least in ((by_group, 1.5), (by_half, 1.5)):
        point = next(point for point in curve.points if point.fmr == 0.02)
        among_all = compare_all(vectors, identity, "cosine", thresholds=(point.distance,))
        assert point.fmr > least * among_all.false_matches[0] / among_all.non_mated


def test_intervals_are_over_people_and_hold_more_than_binomial_ones() -> None:
    from faceid.evaluation.statistics.intervals import wilson

    _, _, kinds = crowd()
    curve = measured(of_one_kind(kinds))
    point = next(point for point in curve.points if point.fmr == 0.05)
    plain = wilson(point.count, curve.non_mated)
    assert point.high - point.low > 1.2 * (plain.high - plain.low)


def test_the_nearest_half_is_counted_for_each_person() -> None:
    vectors, identity, _ = crowd()
    alike = nearest_half(vectors, identity)
    assert (alike.sum(axis=1) == PEOPLE // 2).all()
    assert not alike.diagonal().any()
    means = np.array([vectors[identity == person].mean(axis=0) for person in range(PEOPLE)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    for person in (0, 7):
        near = [float(means[person] @ means[other]) for other in np.flatnonzero(alike[person])]
        far = [
            float(means[person] @ means[other]) for other in np.flatnonzero(~alike[person]) if other != person
        ]
        assert min(near) >= max(far)


def test_unknown_kinds_are_alike_to_no_other() -> None:
    alike = of_one_kind([("female", "a"), None, ("female", "a"), None, ("male", "a")])
    assert np.argwhere(alike).tolist() == [[0, 2], [2, 0]]


def test_beyond_the_comparisons_that_are_held_a_histogram_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, kinds = crowd()
    alike = of_one_kind(kinds)
    exact = {point.fmr: point for point in measured(alike).points}
    assert exact[1.0].count < HELD
    monkeypatch.setattr("faceid.evaluation.statistics.alike.HELD", 500)
    for point in measured(alike).points:
        errors, total = counted(alike, point.distance)
        assert errors / total <= point.fmr * (1 + 1e-9)
        assert point.distance == pytest.approx(exact[point.fmr].distance, abs=2 / 4096)


def test_what_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="no two people are alike"):
        measured(np.zeros((PEOPLE, PEOPLE), dtype=bool))
    alike = np.zeros((PEOPLE, PEOPLE), dtype=bool)
    alike[0, 1] = alike[1, 0] = True
    assert measured(alike).points[0].fmr >= 3 / 16
