from __future__ import annotations

import numpy as np
import pytest

from faceid.evaluation.statistics import metrics
from faceid.evaluation.statistics.curves import det


def test_rates_by_hand() -> None:
    mated, non_mated = np.array([0.1, 0.2, 0.6, 0.9]), np.array([0.3, 0.7, 0.8, 1.0])
    assert metrics.fmr(non_mated, 0.3) == 0.25
    assert metrics.fnmr(mated, 0.6) == 0.25
    assert metrics.accuracy(mated, non_mated, 0.65) == 0.75
    assert metrics.eer(mated, non_mated) == 0.25
    assert metrics.tmr_at_fmr(mated, non_mated, 0.0) == 0.5
    assert metrics.tmr_at_fmr(mated, non_mated, 0.25) == 0.75


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


def test_failures_to_find_a_face_are_errors_of_the_system() -> None:
    mated, non_mated = np.array([0.1, 0.2, 0.6, 0.9]), np.array([0.3, 0.7, 0.8, 1.0])
    assert metrics.frr(mated, 0.6, lost=0) == metrics.fnmr(mated, 0.6)
    assert metrics.frr(mated, 0.6, lost=4) == 5 / 8
    assert metrics.far(non_mated, 0.3, lost=6) == 1 / 10
    with pytest.raises(ValueError):
        metrics.frr(mated, 0.6, lost=-1)


def test_system_rates_by_the_formula_of_the_standard() -> None:
    # ISO/IEC 19795-1: FAR = FMR (1 - FTA), FRR = FTA + FNMR (1 - FTA); with enrolment, GFRR = FTE + (1 - FTE) FRR.
    rates = metrics.system_rates(fmr=0.01, fnmr=0.05, fta=0.02)
    assert rates.far == pytest.approx(0.01 * 0.98)
    assert rates.frr == pytest.approx(0.02 + 0.05 * 0.98)
    both = metrics.system_rates(fmr=0.01, fnmr=0.05, fta=0.02, fte=0.1)
    assert both.far == pytest.approx(0.01 * 0.98 * 0.9)
    assert both.frr == pytest.approx(0.1 + 0.9 * rates.frr)
    with pytest.raises(ValueError):
        metrics.system_rates(fmr=0.01, fnmr=0.05, fta=1.2)


def test_d_prime_of_two_known_samples() -> None:
    # Means 1 and 4, sample variances 1 and 4.
    assert metrics.d_prime(np.array([0.0, 1.0, 2.0]), np.array([2.0, 4.0, 6.0])) == pytest.approx(
        3 / np.sqrt(2.5)
    )
    assert metrics.d_prime(np.array([5.0, 6.0]), np.array([1.0, 2.0])) < 0
    with pytest.raises(ValueError):
        metrics.d_prime(np.array([1.0, 1.0]), np.array([2.0, 2.0]))
    with pytest.raises(ValueError):
        metrics.d_prime(np.array([1.0]), np.array([2.0, 3.0]))


def test_auc_counts_ties_half() -> None:
    assert metrics.auc(np.array([0.1, 0.5]), np.array([0.5, 0.9])) == 3.5 / 4
    assert metrics.auc(np.array([0.3]), np.array([0.3])) == 0.5


def test_swapped_labels_are_told() -> None:
    rng = np.random.default_rng(0)
    mated, non_mated = rng.normal(0.4, 0.1, 200), rng.normal(0.6, 0.1, 2000)
    assert metrics.looks_swapped(non_mated, mated)
    assert not metrics.looks_swapped(mated, non_mated)
    # Chance alone is no swap.
    assert not metrics.looks_swapped(non_mated[:200], non_mated[200:])


def test_rates_and_curve_against_scikit_learn() -> None:
    sklearn_metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the dev extra")
    rng = np.random.default_rng(1)
    # Rounded, so that there are ties within and between the kinds.
    mated, non_mated = rng.normal(0.4, 0.1, 500).round(2), rng.normal(0.6, 0.1, 5000).round(2)
    labels, scores = np.repeat([1, 0], [500, 5000]), -np.concatenate([mated, non_mated])
    assert metrics.auc(mated, non_mated) == pytest.approx(sklearn_metrics.roc_auc_score(labels, scores))
    curve = det(mated, non_mated)
    fpr, tpr, thresholds = sklearn_metrics.roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.fmr, fpr)
    np.testing.assert_allclose(curve.tmr, tpr)
    np.testing.assert_array_equal(curve.thresholds[1:], -thresholds[1:])


def test_a_thinned_curve_keeps_the_ends_and_moves_no_point() -> None:
    rng = np.random.default_rng(2)
    curve = det(rng.normal(0.4, 0.1, 3000), rng.normal(0.6, 0.1, 20_000))
    thin = curve.thinned(100)
    assert 20 < thin.thresholds.size <= 100
    index = np.searchsorted(curve.thresholds, thin.thresholds)
    np.testing.assert_array_equal(curve.thresholds[index], thin.thresholds)
    np.testing.assert_array_equal(curve.false_matches[index], thin.false_matches)
    np.testing.assert_array_equal(curve.false_non_matches[index], thin.false_non_matches)
    assert (thin.false_matches[0], thin.false_non_matches[0]) == (0, 3000)
    assert (thin.false_matches[-1], thin.false_non_matches[-1]) == (20_000, 0)
    # Along the curve no gap is wider than a stretch and the one jump that the data themselves make.
    along = np.log(np.maximum(thin.false_matches, 0.5)) - np.log(np.maximum(thin.false_non_matches, 0.5))
    jump = np.diff(
        np.log(np.maximum(curve.false_matches, 0.5)) - np.log(np.maximum(curve.false_non_matches, 0.5))
    ).max()
    assert np.diff(along).max() <= max((along[-1] - along[0]) / 50, jump) + 1e-9
    assert curve.thinned(10**6) is curve
    with pytest.raises(ValueError):
        curve.thinned(3)
