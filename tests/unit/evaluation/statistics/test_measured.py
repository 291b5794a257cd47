"""Distances -> calibration: against slow counting, and what cannot be measured."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceid.decision.decide import Target, policy_for
from faceid.decision.thresholds import fmr_at_distance, fnmr_at_distance, log10_lr_at_distance
from faceid.evaluation.statistics.evidence import Evidence, fit_evidence
from faceid.evaluation.statistics.measured import RATES, measure, thinned
from faceid.networks.calibration import from_json, to_json


def distances(seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.abs(rng.normal(0.4, 0.1, 700)), np.abs(rng.normal(1.0, 0.15, 20_000))


def measured(seed: int = 5):
    return measure(*distances(seed), data="two normals", ambiguity_margin=0.05)


def test_each_point_counts_what_lies_beyond_it() -> None:
    mated, non_mated = distances()
    for point in measured().points:
        assert point.count == sum(distance <= point.distance for distance in non_mated.tolist())
        assert point.fnmr == pytest.approx(
            sum(distance > point.distance for distance in mated.tolist()) / 700, rel=1e-3
        )
        assert point.count / 20_000 <= point.fmr
        assert point.low <= point.fmr <= point.high


def test_a_policy_s_rates_are_those_of_the_data_behind_it() -> None:
    mated, non_mated = distances()
    for fpir, identities in ((0.01, 1), (0.01, 7), (0.05, 40)):
        policy = policy_for(Target(fpir=fpir), measured(), identities=identities)
        missed = float(np.mean(mated > policy.threshold))
        false_matches = float(np.mean(non_mated <= policy.threshold))
        assert policy.miss_rate == pytest.approx(missed, abs=0.01)
        assert policy.fpir == pytest.approx(1 - (1 - false_matches) ** identities, rel=0.15)


def test_no_rate_below_the_rule_of_3_is_claimed() -> None:
    assert measured().points[0].fmr == min(rate for rate in RATES if rate >= 3 / 20_000)
    with pytest.raises(ValueError, match="too few"):
        measure(np.array([0.1, 0.2]), np.array([0.9, 1.0]), data="x", ambiguity_margin=0.0, rates=(1e-3,))


def test_equal_distances_match_together() -> None:
    calibration = measure(
        np.array([0.1, 0.2]), np.repeat([0.5, 0.9], [5_000, 5_000]), data="ties", ambiguity_margin=0.0
    )
    found = [(point.distance, point.count) for point in calibration.points]
    assert found == [(0.499999, 0), (0.899999, 5_000), (0.9, 10_000)]


def test_swapped_labels_are_no_calibration() -> None:
    mated, non_mated = distances()
    with pytest.raises(ValueError, match="swapped"):
        measure(non_mated, mated, data="x", ambiguity_margin=0.0)


def test_it_survives_json() -> None:
    assert from_json(to_json(measured()), "x") == measured()


def test_thinning_keeps_the_shape_of_the_curve() -> None:
    evidence = fit_evidence(*distances())
    curve = thinned(evidence)
    assert len(curve) <= 20
    for distance in np.linspace(0.0, 2.0, 201):
        exact = float(evidence.log_ratio(float(distance))) / np.log(10)
        assert log10_lr_at_distance(measured(), float(distance)) == pytest.approx(exact, abs=0.25)


@given(st.lists(st.floats(0.0, 2.0), min_size=2, max_size=60, unique=True), st.integers(2, 30))
def test_a_thinned_curve_never_rises(knots: list[float], points: int) -> None:
    rng = np.random.default_rng(len(knots))
    ratios = np.sort(rng.normal(0, 5, len(knots)))[::-1]
    curve = thinned(Evidence("isotonic", tuple(sorted(knots)), tuple(ratios), 9, 9, 1.0, 1.0, 1.0), points)
    assert len(curve) <= points
    assert all(a.distance < b.distance and a.log10_lr >= b.log10_lr for a, b in pairwise(curve))


@given(st.lists(st.floats(0.0, 2.0), min_size=2, max_size=20))
def test_rates_and_evidence_are_monotone(probes: list[float]) -> None:
    calibration = measured()
    ordered = sorted(probes)
    fmr = [fmr_at_distance(calibration, distance) for distance in ordered]
    llr = [log10_lr_at_distance(calibration, distance) for distance in ordered]
    fnmr = [rate for distance in ordered if (rate := fnmr_at_distance(calibration, distance)) is not None]
    assert fmr == sorted(fmr)
    assert llr == sorted(llr, reverse=True)
    assert fnmr == sorted(fnmr, reverse=True)
