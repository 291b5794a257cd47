from __future__ import annotations

import json
import math

import numpy as np
import pytest

from faceid.evaluation.statistics.evidence import MAX_KNOTS, Evidence, cllr, fit_evidence, in_words, min_cllr


def gaussians(count: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Equal variances: the true log-likelihood ratio is the line 50 - 100 d."""
    rng = np.random.default_rng(seed)
    return rng.normal(0.4, 0.1, count) * 0.5 + 0.25, rng.normal(0.6, 0.1, 10 * count) * 0.5 + 0.25


def true_ratio(distances: np.ndarray) -> np.ndarray:
    # Means 0.45 and 0.55, standard deviation 0.05.
    return ((distances - 0.55) ** 2 - (distances - 0.45) ** 2) / (2 * 0.05**2)


def test_cllr_by_its_definition() -> None:
    assert cllr(np.zeros(3), np.zeros(5)) == pytest.approx(1.0)
    mated, non_mated = np.array([math.log(3.0), 0.0]), np.array([-math.log(7.0)])
    expected = (math.log2(1 + 1 / 3) + 1.0) / 4 + math.log2(1 + 1 / 7) / 2
    assert cllr(mated, non_mated) == pytest.approx(expected)
    assert cllr(np.array([np.inf]), np.array([-np.inf])) == 0.0
    assert cllr(np.array([-np.inf]), np.array([0.0])) == np.inf
    with pytest.raises(ValueError):
        cllr(np.array([np.nan]), np.array([0.0]))


def test_min_cllr_of_separated_and_useless_distances() -> None:
    assert min_cllr(np.array([0.1, 0.2]), np.array([0.3])) == 0.0
    assert min_cllr(np.full(3, 0.5), np.full(4, 0.5)) == pytest.approx(1.0)
    assert min_cllr(np.array([0.9]), np.array([0.1])) == pytest.approx(1.0)


def test_min_cllr_against_isotonic_regression_of_scikit_learn() -> None:
    isotonic = pytest.importorskip("sklearn.isotonic", reason="scikit-learn comes with the dev extra")
    rng = np.random.default_rng(3)
    mated, non_mated = rng.normal(0.4, 0.1, 300).round(2), rng.normal(0.5, 0.1, 900).round(2)
    distances, label = np.concatenate([mated, non_mated]), np.repeat([1.0, 0.0], [300, 900])
    share = isotonic.IsotonicRegression(increasing=False).fit_transform(distances, label)
    with np.errstate(divide="ignore"):
        ratios = np.log(share / (1 - share)) - math.log(300 / 900)
    assert min_cllr(mated, non_mated) == pytest.approx(cllr(ratios[:300], ratios[300:]))


@pytest.mark.parametrize(("method", "within"), [("logistic", 0.15), ("isotonic", 0.6)])
def test_a_known_ratio_is_found_again(method: str, within: float) -> None:
    mated, non_mated = gaussians()
    evidence = fit_evidence(mated, non_mated, method)
    distances = np.linspace(0.42, 0.58, 30)
    assert np.abs(evidence.log_ratio(distances) - true_ratio(distances)).max() < within
    # New comparisons, not those it was fitted on.
    fresh = gaussians(seed=1)
    cost = cllr(evidence.log_ratio(fresh[0]), evidence.log_ratio(fresh[1]))
    best = cllr(true_ratio(fresh[0]), true_ratio(fresh[1]))
    assert cost == pytest.approx(best, rel=0.02)
    assert evidence.min_cllr <= evidence.cllr_after < evidence.cllr_before
    assert evidence.cllr_before == pytest.approx(cllr(-mated, -non_mated))


@pytest.mark.parametrize("method", ["logistic", "isotonic"])
def test_evidence_is_monotone_and_never_more_than_the_data_carry(method: str) -> None:
    mated, non_mated = gaussians(200)
    evidence = fit_evidence(mated, non_mated, method)
    ratios = evidence.log_ratio(np.linspace(-5, 5, 4001))
    assert (np.diff(ratios) <= 1e-12).all()
    assert ratios.max() <= math.log(2001) + 1e-9
    assert ratios.min() >= -math.log(201) - 1e-9
    assert ratios.max() > 3
    assert ratios.min() < -3


@pytest.mark.parametrize("method", ["logistic", "isotonic"])
def test_kinds_that_do_not_overlap_stay_finite(method: str) -> None:
    evidence = fit_evidence(np.array([0.1, 0.2]), np.array([0.8, 0.9, 0.95]), method)
    assert evidence.log_ratio(0.1) == pytest.approx(math.log(4), abs=0.7)
    assert evidence.log_ratio(0.95) == pytest.approx(-math.log(3), abs=0.7)


def test_json_is_small_and_reads_back() -> None:
    mated, non_mated = gaussians(20_000)
    evidence = fit_evidence(mated, non_mated)
    assert 10 < len(evidence.distances) <= MAX_KNOTS
    text = evidence.to_json()
    assert len(text) < 20_000
    assert Evidence.from_json(text) == evidence


@pytest.mark.parametrize(
    "change",
    [
        {"method": "folklore"},
        {"ratios": [1.0]},
        {"ratios": [0.0, 1.0]},
        {"distances": [0.5, 0.5]},
        {"distances": [], "ratios": []},
        {"ratios": [float("nan"), 0.0]},
        {"mated": None},
    ],
)
def test_json_that_is_no_evidence(change: dict[str, object]) -> None:
    good = {
        "method": "logistic", "distances": [0.1, 0.5], "ratios": [2.0, -2.0], "mated": 3, "non_mated": 4,
        "cllr_before": 1.0, "cllr_after": 0.5, "min_cllr": 0.4,
    }  # fmt: skip
    Evidence.from_json(json.dumps(good))
    with pytest.raises(ValueError, match="no calibration of evidence"):
        Evidence.from_json(json.dumps(good | change))
    with pytest.raises(ValueError, match="no calibration of evidence"):
        Evidence.from_json("[]")


def test_swapped_labels_are_refused() -> None:
    mated, non_mated = gaussians(100)
    with pytest.raises(ValueError, match="swapped"):
        fit_evidence(non_mated, mated)


def test_words_of_the_scale() -> None:
    assert in_words(0.1) == "no support for either"
    assert in_words(math.log(5)) == "weak support for the same person"
    assert in_words(-math.log(50)) == "moderate support for different people"
    assert in_words(math.log(500)) == "moderately strong support for the same person"
    assert in_words(math.log(5000)) == "strong support for the same person"
    assert in_words(math.log(5e5)) == "very strong support for the same person"
    assert in_words(-math.log(5e6)) == "extremely strong support for different people"
