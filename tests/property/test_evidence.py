"""Pooling adjacent violators against the definition: no other monotone calibration costs less."""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from faceid.evaluation.statistics.evidence import cllr, fit_evidence, min_cllr

distances = arrays(np.float64, st.integers(1, 20), elements=st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.6, 0.9]))


def slow_ratios(mated: np.ndarray, non_mated: np.ndarray) -> dict[float, float]:
    """Pool neighbours, one pair at a time, until the shares fall."""
    blocks = [
        [[value], int((mated == value).sum()), int((non_mated == value).sum())]
        for value in sorted({*mated.tolist(), *non_mated.tolist()})
    ]
    pooled = True
    while pooled:
        pooled = False
        for left, right in itertools.pairwise(blocks):
            if left[1] * (right[1] + right[2]) <= right[1] * (left[1] + left[2]):
                left[0] += right[0]
                left[1] += right[1]
                left[2] += right[2]
                blocks.remove(right)
                pooled = True
                break
    ratios = {}
    for values, same, other in blocks:
        ratio = math.inf if other == 0 else -math.inf if same == 0 else math.log(same / other)
        ratios |= {value: ratio - math.log(mated.size / non_mated.size) for value in values}
    return ratios


@given(mated=distances, non_mated=distances)
def test_min_cllr_is_that_of_pooled_violators(mated: np.ndarray, non_mated: np.ndarray) -> None:
    ratios = slow_ratios(mated, non_mated)
    expected = cllr(np.array([ratios[d] for d in mated]), np.array([ratios[d] for d in non_mated]))
    assert abs(min_cllr(mated, non_mated) - expected) < 1e-9


@given(
    mated=distances,
    non_mated=distances,
    offset=st.floats(-5, 5),
    slope=st.floats(0, 30),
    power=st.floats(0.2, 4),
)
def test_no_monotone_calibration_costs_less(
    mated: np.ndarray, non_mated: np.ndarray, offset: float, slope: float, power: float
) -> None:
    cost = cllr(offset - slope * mated**power, offset - slope * non_mated**power)
    assert min_cllr(mated, non_mated) <= cost + 1e-9


@given(mated=distances, non_mated=distances, method=st.sampled_from(["logistic", "isotonic"]))
def test_fitted_evidence_is_monotone_bounded_and_finite(
    mated: np.ndarray, non_mated: np.ndarray, method: str
) -> None:
    if mated.mean() > non_mated.mean() - 1e-6:
        return
    evidence = fit_evidence(mated, non_mated, method)
    ratios = evidence.log_ratio(np.linspace(-1, 2, 200))
    assert (np.diff(ratios) <= 1e-9).all()
    assert ratios.max() <= math.log(non_mated.size + 1) + 1e-9
    assert ratios.min() >= -math.log(mated.size + 1) - 1e-9
    assert (np.diff(evidence.distances) > 0).all()
