"""Computes a calibration from distances of both kinds, with its thresholds, rates and likelihood ratios."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np

from faceid.distribution import VERSION
from faceid.evaluation.statistics.evidence import Evidence, fit_evidence
from faceid.evaluation.statistics.intervals import rule_of_3, wilson
from faceid.evaluation.statistics.metrics import Distances, checked, threshold_at_fmr
from faceid.networks.calibration import AlikeCurve, Calibration, CalibrationPoint, EvidencePoint

RATES = (
    *(float(f"{mantissa}e{exponent}") for exponent in range(-6, -1) for mantissa in (1, 2, 5)),
    *(0.1, 0.2, 0.5, 0.9, 1.0),
)

EVIDENCE_POINTS = 20


def measure(
    mated: Distances,
    non_mated: Distances,
    *,
    data: str,
    ambiguity_margin: float,
    data_sha256: str | None = None,
    program: str = "",
    rates: Sequence[float] = RATES,
    population: str | None = None,
    alike: AlikeCurve | None = None,
) -> Calibration:
    """The calibration of mated (m,) and non-mated (n,) distances.

    Points are those of `rates` (FMR, ascending) that n comparisons support by the rule of 3 and that have distinct
    distances; intervals are Wilson's, for independent comparisons. Evidence is that of
    `faceid.evaluation.statistics.evidence` (isotonic), thinned. `data` describes the data for people, `program` names
    the measuring program besides faceid. `population` names the people for whom the rates hold, and `alike` is the
    curve among people who are alike (`faceid.evaluation.statistics.alike`).

    ValueError if a kind is empty, no rate has enough comparisons, or mated pairs are not closer than non-mated ones.
    """
    same, other = np.sort(checked(mated)), checked(non_mated)
    points: list[CalibrationPoint] = []
    for rate in rates:
        threshold = to_strict_side(threshold_at_fmr(other, rate))
        rises = threshold > points[-1].distance if points else threshold >= 0.0
        if rate < rule_of_3(other.size) or not rises:
            continue
        count = int(np.count_nonzero(other <= threshold))
        interval = wilson(count, other.size)
        missed = same.size - int(np.searchsorted(same, threshold, side="right"))
        points.append(
            CalibrationPoint(
                fmr=rate,
                distance=threshold,
                low=significant(min(interval.low, rate)),
                high=significant(max(interval.high, rate)),
                count=count,
                fnmr=significant(missed / same.size),
            )
        )
    if not points:
        raise ValueError(f"{other.size:,} non-mated comparisons are too few to claim any rate")
    return Calibration(
        data=data,
        date=datetime.now(timezone.utc).date().isoformat(),
        software=", ".join(filter(None, (f"faceid {VERSION}", program))),
        mated=int(same.size),
        non_mated=int(other.size),
        points=tuple(points),
        ambiguity_margin=ambiguity_margin,
        evidence=thinned(fit_evidence(same, other)),
        data_sha256=data_sha256,
        population=population,
        alike=alike,
    )


def thinned(evidence: Evidence, points: int = EVIDENCE_POINTS) -> tuple[EvidencePoint, ...]:
    """At most `points` of the curve's knots, in powers of ten: each step adds the knot with the largest error.

    None is moved, so the ratio never rises with distance. Distances have 6 decimals and ratios 3.
    """
    distance = np.array(evidence.distances)
    ratio = np.array(evidence.ratios) / math.log(10.0)
    kept = sorted({0, distance.size - 1})
    while len(kept) < min(points, distance.size):
        gap = np.abs(np.interp(distance, distance[kept], ratio[kept]) - ratio)
        gap[kept] = -1.0
        kept = sorted([*kept, int(gap.argmax())])
    curve: dict[float, float] = {}
    for index in kept:
        curve.setdefault(round(float(distance[index]), 6), round(float(ratio[index]), 3))
    return tuple(EvidencePoint(*point) for point in curve.items())


def to_strict_side(threshold: float) -> float:
    """`threshold` with 6 decimals, rounded down: it never matches more than it did."""
    return math.floor(threshold * 1e6) / 1e6


def significant(value: float) -> float:
    """`value` with 4 significant digits."""
    return float(f"{value:.4g}")
