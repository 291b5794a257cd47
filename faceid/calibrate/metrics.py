"""Error rates from plain arrays of distances: mated (same person) and non-mated (different people).

Terms and definitions follow ISO/IEC 19795-1. Arrays are one-dimensional and finite; a comparison matches where
its distance is at most the threshold. Functions raise ValueError for an empty array.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Distances = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Interval:
    """A rate (0..1) and its 95 % confidence interval."""

    rate: float
    low: float
    high: float


def wilson(count: int, total: int, z: float = 1.959964) -> Interval:
    """The share `count` / `total` with Wilson's score interval (Wilson 1927), for independent trials.

    Comparisons that share a face are not independent: then the true interval is wider than this one.
    """
    if not 0 <= count <= total or total < 1:
        raise ValueError(f"{count} of {total} is not a share")
    share = count / total
    middle = share + z * z / (2 * total)
    reach = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    norm = 1 + z * z / total
    # At the ends rounding would leave a bound a hair inside the share.
    low = 0.0 if count == 0 else min(share, (middle - reach) / norm)
    high = 1.0 if count == total else max(share, (middle + reach) / norm)
    return Interval(share, low, high)


def fmr(non_mated: Distances, threshold: float) -> float:
    """False match rate: the share of non-mated comparisons at `threshold` or closer."""
    return float(np.mean(_checked(non_mated) <= threshold))


def fnmr(mated: Distances, threshold: float) -> float:
    """False non-match rate: the share of mated comparisons farther than `threshold`."""
    return float(np.mean(_checked(mated) > threshold))


def threshold_at_count(non_mated: Distances, count: int) -> float:
    """The largest threshold under which at most `count` of the non-mated distances lie.

    Equal distances at the border are in or out together.
    """
    distances = _checked(non_mated)
    if not 0 <= count <= distances.size:
        raise ValueError(f"{count} of {distances.size} distances")
    if count == distances.size:
        return float(distances.max())
    return float(np.nextafter(np.float64(np.partition(distances, count)[count]), -np.inf))


def threshold_at_fmr(non_mated: Distances, rate: float) -> float:
    """The largest threshold whose FMR on `non_mated` is at most `rate` (0..1)."""
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"{rate} is not a rate")
    # A rate such as 3/10 must count 3, whatever its binary form.
    return threshold_at_count(non_mated, math.floor(rate * np.size(non_mated) * (1 + 1e-12)))


def tmr_at_fmr(mated: Distances, non_mated: Distances, rate: float) -> float:
    """True match rate, 1 - FNMR, at the threshold where FMR is at most `rate`."""
    return 1.0 - fnmr(mated, threshold_at_fmr(non_mated, rate))


def eer(mated: Distances, non_mated: Distances) -> float:
    """Equal error rate: where FMR and FNMR cross, their mean at the threshold that brings them closest."""
    same, other = np.sort(_checked(mated)), np.sort(_checked(non_mated))
    thresholds = np.unique(np.concatenate([same, other]))
    misses = 1.0 - np.searchsorted(same, thresholds, side="right") / same.size
    alarms = np.searchsorted(other, thresholds, side="right") / other.size
    nearest = int(np.argmin(np.abs(misses - alarms)))
    return float(misses[nearest] + alarms[nearest]) / 2


def best_threshold(mated: Distances, non_mated: Distances) -> float:
    """The threshold that decides most of the comparisons rightly (LFW's protocol).

    Few comparisons leave several stretches of thresholds that are equally good, mostly by chance: the middle one of
    these stretches is taken, and its middle.
    """
    same, other = np.sort(_checked(mated)), np.sort(_checked(non_mated))
    values = np.unique(np.concatenate([same, other]))
    right = np.searchsorted(same, values, side="right") + (
        other.size - np.searchsorted(other, values, side="right")
    )
    equally_good = np.flatnonzero(right == right.max())
    best = int(equally_good[(equally_good.size - 1) // 2])
    return float(values[best] if best + 1 == values.size else (values[best] + values[best + 1]) / 2)


def accuracy(mated: Distances, non_mated: Distances, threshold: float) -> float:
    """The share of all comparisons that `threshold` decides rightly."""
    same, other = _checked(mated), _checked(non_mated)
    right = np.count_nonzero(same <= threshold) + np.count_nonzero(other > threshold)
    return float(right) / (same.size + other.size)


def _checked(distances: Distances) -> Distances:
    array = np.asarray(distances)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"a one-dimensional array of distances is needed, not one of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("distances must be finite")
    return array
