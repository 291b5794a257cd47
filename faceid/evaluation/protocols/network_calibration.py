"""Calibrates a network on the user's photos: the thresholds of its card, as far as the data carry them."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from faceid.distribution import VERSION
from faceid.errors import InputError
from faceid.evaluation.data.material import Material
from faceid.evaluation.findings import OperatingRow
from faceid.evaluation.protocols.goals import at_fmr
from faceid.evaluation.statistics.caveats import about_labels
from faceid.evaluation.statistics.comparisons import Comparisons
from faceid.evaluation.statistics.evidence import fit_evidence
from faceid.evaluation.statistics.intervals import rule_of_3
from faceid.evaluation.statistics.margin import AMBIGUOUS_FMR, gaps
from faceid.evaluation.statistics.measured import RATES, thinned
from faceid.networks.calibration import Calibration, CalibrationPoint

MOST_FMR = 0.01
"""Data that do not carry this rate are refused: a laxer threshold is of no use."""


MOST_PHOTOS = 20
"""Photos of a person that the ambiguity margin is measured on. The cases grow with the third power of their number."""


def calibrate_network(
    material: Material, rng: np.random.Generator, *, program: str, margin: float = 0.0
) -> Calibration:
    """The calibration of the network that made the templates of `material`; `program` names the measuring program.

    Thresholds are counted, never extrapolated: the lowest rate is that of the rule of 3. Their intervals come from
    resampling people. The ambiguity margin is measured on folders of people; pairs from a file show none, and then it
    is `margin`.

    Raises InputError (`too_few`) for too few comparisons, and `swapped` or `constant` for labels that cannot be right.
    """
    data = material.comparisons
    for caveat in about_labels(data.mated.sample, data.non_mated.sample):
        raise InputError(
            f"{caveat.message.rstrip('?')}: this is not stored", code=caveat.code, path=material.data.source
        )
    points = _points(data, rng)
    if not points or points[0].fmr > MOST_FMR:
        raise InputError(
            f"{data.non_mated.total:,} non-mated comparisons are too few to calibrate a network:"
            f" they carry no threshold for FMR {MOST_FMR:g}",
            code="too_few",
            remedy="more_people",
            path=material.data.source,
        )
    about = material.data
    compared = "all pairs" if material.collection is not None else "listed pairs"
    return Calibration(
        data=f"{about.source}, {about.templates:,} photos of {about.identities:,} people, {compared};"
        " intervals over people",
        date=datetime.now(timezone.utc).date().isoformat(),
        software=about.measured_by(f"faceid {VERSION}", program),
        mated=data.mated.total,
        non_mated=data.non_mated.total,
        points=points,
        ambiguity_margin=_margin(material, points, margin),
        evidence=thinned(fit_evidence(data.mated.sample, data.non_mated.sample)),
        data_sha256=about.sha256,
        population=f"people like the {about.identities:,} of {about.source}",
    )


def point_of(fmr: float, row: OperatingRow, data: Comparisons) -> CalibrationPoint:
    """The point of a calibration at the requested rate `fmr`, for which `row` was found on `data`."""
    return CalibrationPoint(
        fmr=fmr,
        # Rounded to the strict side.
        distance=math.floor(row.threshold * 1e9) / 1e9,
        low=min(row.fmr.low, fmr),
        high=max(row.fmr.high, fmr),
        count=int(data.non_mated.at_most(row.threshold)),
        fnmr=row.fnmr.rate,
    )


def _points(data: Comparisons, rng: np.random.Generator) -> tuple[CalibrationPoint, ...]:
    least = rule_of_3(data.non_mated.total)
    points: list[CalibrationPoint] = []
    for rate in (rate for rate in RATES if rate >= least):
        point = _rounded(point_of(rate, at_fmr(data, rate, rng), data))
        if point.distance > points[-1].distance if points else point.distance >= 0.0:
            points.append(point)
    return tuple(points)


def _rounded(point: CalibrationPoint) -> CalibrationPoint:
    """`point` with the digits that cards have; the threshold is rounded to the strict side."""
    low, high = (float(f"{bound:.4g}") for bound in (point.low, point.high))
    return replace(
        point,
        distance=math.floor(point.distance * 1e6) / 1e6,
        low=min(low, point.fmr),
        high=max(high, point.fmr),
        fnmr=None if point.fnmr is None else float(f"{point.fnmr:.4g}"),
    )


def _margin(material: Material, points: tuple[CalibrationPoint, ...], otherwise: float) -> float:
    if material.collection is None or material.pairs is None:
        return otherwise
    within = next(point.distance for point in points if point.fmr >= AMBIGUOUS_FMR)
    identity = material.pairs.identity
    few = _first_of_each(identity, MOST_PHOTOS)
    return round(gaps(material.collection.vectors[few], identity[few], material.metric, within).margin, 4)


def _first_of_each(identity: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """The numbers of the first `most` templates of each identity, ascending."""
    order = np.argsort(identity, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(identity))])[identity[order]]
    return np.sort(order[np.arange(order.size) - starts < most])
