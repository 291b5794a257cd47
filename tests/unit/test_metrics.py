from __future__ import annotations

import numpy as np
import pytest

from faceid.calibrate import metrics


def test_rates_by_hand() -> None:
    mated, non_mated = np.array([0.1, 0.2, 0.6, 0.9]), np.array([0.3, 0.7, 0.8, 1.0])
    assert metrics.fmr(non_mated, 0.3) == 0.25
    assert metrics.fnmr(mated, 0.6) == 0.25
    assert metrics.accuracy(mated, non_mated, 0.65) == 0.75
    assert metrics.eer(mated, non_mated) == 0.25
    assert metrics.tmr_at_fmr(mated, non_mated, 0.0) == 0.5
    assert metrics.tmr_at_fmr(mated, non_mated, 0.25) == 0.75


def test_wilson_against_published_values() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I: 81/263, 15/148, 0/20, 1/29.
    for count, total, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        interval = metrics.wilson(count, total)
        assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)
    assert metrics.wilson(5, 5).high == 1.0


def test_tied_distances_never_let_too_many_match() -> None:
    non_mated = np.array([0.1, 0.2, 0.2, 0.2, 0.5])
    threshold = metrics.threshold_at_count(non_mated, 2)
    assert np.count_nonzero(non_mated <= threshold) == 1


def test_best_threshold_lies_in_the_gap() -> None:
    threshold = metrics.best_threshold(np.array([0.1, 0.2]), np.array([0.4, 0.5]))
    assert threshold == pytest.approx(0.3)


@pytest.mark.parametrize("bad", [np.array([]), np.zeros((2, 2)), np.array([0.1, np.nan])])
def test_arrays_that_are_no_distances(bad: np.ndarray) -> None:
    with pytest.raises(ValueError):
        metrics.fmr(bad, 0.5)


@pytest.mark.parametrize(("count", "total"), [(-1, 5), (6, 5), (0, 0)])
def test_shares_that_are_none(count: int, total: int) -> None:
    with pytest.raises(ValueError):
        metrics.wilson(count, total)
