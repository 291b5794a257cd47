"""Metrics against their definitions, spelled as slow loops."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from faceid.evaluation.statistics import metrics
from faceid.evaluation.statistics.curves import det
from faceid.evaluation.statistics.intervals import clopper_pearson, wilson

distances = arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 2, width=32))
tied = arrays(np.float64, st.integers(1, 25), elements=st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.7, 1.0]))


@given(non_mated=distances, rate=st.floats(0, 1))
def test_the_threshold_at_a_rate_holds_it_and_is_the_largest_that_does(
    non_mated: np.ndarray, rate: float
) -> None:
    threshold = metrics.threshold_at_fmr(non_mated, rate)
    assert metrics.fmr(non_mated, threshold) <= rate + 1e-9
    farther = non_mated[non_mated > threshold]
    if farther.size:
        assert metrics.fmr(non_mated, float(farther.min())) > rate


@given(mated=distances, non_mated=distances)
def test_best_threshold_beats_every_other(mated: np.ndarray, non_mated: np.ndarray) -> None:
    best = metrics.accuracy(mated, non_mated, metrics.best_threshold(mated, non_mated))
    for threshold in (*mated, *non_mated):
        assert metrics.accuracy(mated, non_mated, threshold) <= best + 1e-12


@given(mated=distances, non_mated=distances)
def test_eer_is_between_the_rates_at_the_crossing(mated: np.ndarray, non_mated: np.ndarray) -> None:
    rates = [
        (metrics.fnmr(mated, threshold), metrics.fmr(non_mated, threshold))
        for threshold in (*mated, *non_mated)
    ]
    nearest = min(abs(misses - alarms) for misses, alarms in rates)
    crossings = [(misses + alarms) / 2 for misses, alarms in rates if abs(misses - alarms) <= nearest + 1e-9]
    assert any(abs(metrics.eer(mated, non_mated) - crossing) < 1e-9 for crossing in crossings)


@given(mated=tied, non_mated=tied)
def test_auc_is_the_share_of_ordered_pairs(mated: np.ndarray, non_mated: np.ndarray) -> None:
    wins = sum((a < b) + (a == b) / 2 for a in mated for b in non_mated)
    assert abs(metrics.auc(mated, non_mated) - wins / (mated.size * non_mated.size)) < 1e-12


@given(mated=tied, non_mated=tied)
def test_every_point_of_the_curve_is_a_count(mated: np.ndarray, non_mated: np.ndarray) -> None:
    curve = det(mated, non_mated)
    assert curve.thresholds.tolist() == [-np.inf, *sorted({*mated.tolist(), *non_mated.tolist()})]
    for threshold, matches, misses in zip(
        curve.thresholds, curve.false_matches, curve.false_non_matches, strict=True
    ):
        assert matches == sum(distance <= threshold for distance in non_mated)
        assert misses == sum(distance > threshold for distance in mated)


@given(mated=tied, non_mated=tied, points=st.integers(4, 20))
def test_thinning_is_bounded_and_keeps_the_ends(
    mated: np.ndarray, non_mated: np.ndarray, points: int
) -> None:
    curve = det(mated, non_mated)
    thin = curve.thinned(points)
    assert thin.thresholds.size <= max(points, 1)
    assert {curve.thresholds[0], curve.thresholds[-1]} <= set(thin.thresholds.tolist())
    assert set(thin.thresholds.tolist()) <= set(curve.thresholds.tolist())


@given(count=st.integers(0, 1000), extra=st.integers(1, 1000))
def test_wilson_holds_the_share(count: int, extra: int) -> None:
    interval = wilson(count, count + extra)
    assert 0.0 <= interval.low <= interval.rate <= interval.high <= 1.0


@given(count=st.integers(0, 200), extra=st.integers(1, 200))
def test_clopper_pearson_leaves_a_fortieth_on_either_side(count: int, extra: int) -> None:
    total = count + extra
    interval = clopper_pearson(count, total)
    assert 0.0 <= interval.low <= interval.rate <= interval.high <= 1.0

    def at_most(k: int, rate: float) -> float:
        return sum(math.comb(total, i) * rate**i * (1 - rate) ** (total - i) for i in range(k + 1))

    assert abs(at_most(count, interval.high) - 0.025) < 1e-6
    if count:
        assert abs(1 - at_most(count - 1, interval.low) - 0.025) < 1e-6
