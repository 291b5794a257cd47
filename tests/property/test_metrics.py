"""Metrics against their definitions, spelled as slow loops."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from faceid.calibrate import metrics

distances = arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 2, width=32))


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


@given(count=st.integers(0, 1000), extra=st.integers(1, 1000))
def test_wilson_holds_the_share(count: int, extra: int) -> None:
    interval = metrics.wilson(count, count + extra)
    assert 0.0 <= interval.low <= interval.rate <= interval.high <= 1.0
