"""Between distances and error rates, as a calibration has measured them.

FMR, FNMR and FPIR are those of ISO/IEC 19795-1.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

from faceid.errors import UsageError

if TYPE_CHECKING:
    from faceid.networks.registry import AlikeCurve, Calibration


def threshold_at_fmr(curve: Calibration | AlikeCurve, fmr: float, rate: str = "FMR") -> float:
    """The distance at which the FMR of `curve` is `fmr`.

    Linear in log10(FMR) between the measured points. Raises UsageError (`beyond_calibration`) below the lowest of them:
    no data support such a threshold. Its message calls the rate `rate`.
    """
    points = curve.points
    lowest = points[0]
    if fmr < lowest.fmr * (1 - 1e-9):
        raise UsageError(
            f"{rate} {fmr:g} is below what the calibration reaches, {lowest.fmr:g}"
            f" ({curve.non_mated:,} non-mated comparisons)",
            code="beyond_calibration",
        )
    for left, right in pairwise(points):
        if fmr <= right.fmr:
            share = math.log(fmr / left.fmr) / math.log(right.fmr / left.fmr)
            return left.distance + share * (right.distance - left.distance)
    return points[-1].distance


def fmr_at_distance(curve: Calibration | AlikeCurve, distance: float) -> float:
    """The FMR of `curve` at `distance`: the inverse of `threshold_at_fmr`.

    Never below the lowest measured point: at a smaller distance the true rate is at most the one returned.
    """
    points = curve.points
    if distance <= points[0].distance:
        return points[0].fmr
    for left, right in pairwise(points):
        if distance <= right.distance:
            share = (distance - left.distance) / (right.distance - left.distance)
            return float(left.fmr * (right.fmr / left.fmr) ** share)
    return points[-1].fmr


def threshold_at_fmr_alike(calibration: Calibration, fmr: float) -> float:
    """The greatest distance at which neither the FMR among people who are alike nor that among all exceeds `fmr`.

    Raises UsageError: `no_alike_curve` without a curve of FMR among alike, `beyond_calibration` as `threshold_at_fmr`
    does.
    """
    if calibration.alike is None:
        raise UsageError(
            "this calibration has no curve of FMR among people who are alike", code="no_alike_curve"
        )
    return min(
        threshold_at_fmr(calibration.alike, fmr, "FMR among alike"), threshold_at_fmr(calibration, fmr)
    )


def fmr_alike_at_distance(calibration: Calibration, distance: float) -> float | None:
    """The FMR at `distance` among people who are alike, never below that among all; None where it was not measured.

    The inverse of `threshold_at_fmr_alike`.
    """
    if calibration.alike is None:
        return None
    return max(fmr_at_distance(calibration.alike, distance), fmr_at_distance(calibration, distance))


def fmr_interval_at_distance(curve: Calibration | AlikeCurve, distance: float) -> tuple[float, float]:
    """The 95 % interval of `fmr_at_distance`: from the lower bound of the stricter measured point to the upper bound
    of the laxer one.
    """
    points = curve.points
    place = bisect_left(points, distance, key=lambda point: point.distance)
    laxer = points[min(place, len(points) - 1)]
    stricter = laxer if laxer.distance == distance else points[max(place - 1, 0)]
    # Closer than the strictest point, and farther than the laxest, nothing bounds the rate from one side.
    low = stricter.low if distance >= points[0].distance else 0.0
    return low, laxer.high if distance <= points[-1].distance else 1.0


def fmr_alike_interval_at_distance(
    calibration: Calibration, alike: AlikeCurve, distance: float
) -> tuple[float, float]:
    """The 95 % interval of `fmr_alike_at_distance`; no bound is below that of the FMR among all."""
    low, high = fmr_interval_at_distance(alike, distance)
    of_all = fmr_interval_at_distance(calibration, distance)
    return max(low, of_all[0]), max(high, of_all[1])


def fnmr_at_distance(calibration: Calibration, distance: float) -> float | None:
    """The share of mated comparisons farther than `distance`, linear between the measured points.

    None closer than the strictest of them, and where a point beside `distance` has no FNMR. Beyond the laxest it is
    at most the one returned.
    """
    points = calibration.points
    place = bisect_right(points, distance, key=lambda point: point.distance)
    if place == 0:
        return None
    left = points[place - 1]
    if place == len(points) or left.distance == distance:
        return left.fnmr
    right = points[place]
    if left.fnmr is None or right.fnmr is None:
        return None
    share = (distance - left.distance) / (right.distance - left.distance)
    return left.fnmr + share * (right.fnmr - left.fnmr)


def log10_lr_at_distance(calibration: Calibration, distance: float) -> float | None:
    """log10 of the likelihood ratio of `distance`: one person against two.

    Linear between the measured points, constant beyond them; None where there are none.
    """
    curve = calibration.evidence
    if not curve:
        return None
    place = bisect_left(curve, distance, key=lambda point: point.distance)
    if place == 0 or place == len(curve):
        return curve[min(place, len(curve) - 1)].log10_lr
    left, right = curve[place - 1], curve[place]
    share = (distance - left.distance) / (right.distance - left.distance)
    return left.log10_lr + share * (right.log10_lr - left.log10_lr)


def fpir_of(fmr: float, identities: int) -> float:
    """1 - (1 - FMR)^N: the chance that at least one of N independent non-mated comparisons matches.

    An empty gallery counts as one identity. Similar people in the gallery make the true rate smaller, because their
    false matches come together. It is never above N FMR, whatever the dependence.
    """
    return 1.0 if fmr >= 1.0 else -math.expm1(max(1, identities) * math.log1p(-fmr))
