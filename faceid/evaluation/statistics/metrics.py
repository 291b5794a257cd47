"""Computes error rates from plain arrays of distances: mated (same person) and non-mated (different people).

Terms and definitions follow ISO/IEC 19795-1:2021. Arrays are one-dimensional and finite; a comparison matches if its
distance is at most the threshold, so equal distances match together. Functions raise ValueError for an array that is
empty or holds NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Distances = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class SystemRates:
    """Error rates of whole attempts, failures to find a face included (ISO/IEC 19795-1): FAR and FRR, 0..1."""

    far: float
    frr: float


def fmr(non_mated: Distances, threshold: float) -> float:
    """False match rate: the share of non-mated comparisons at `threshold` or closer."""
    return float(np.mean(checked(non_mated) <= threshold))


def fnmr(mated: Distances, threshold: float) -> float:
    """False non-match rate: the share of mated comparisons farther than `threshold`."""
    return float(np.mean(checked(mated) > threshold))


def far(non_mated: Distances, threshold: float, lost: int) -> float:
    """False accept rate: FMR with the `lost` comparisons, in which a face was not found, counted as no match."""
    distances = checked(non_mated)
    return float(np.count_nonzero(distances <= threshold)) / (distances.size + _lost(lost))


def frr(mated: Distances, threshold: float, lost: int) -> float:
    """False reject rate: FNMR with the `lost` comparisons, in which a face was not found, counted as errors."""
    distances = checked(mated)
    return float(np.count_nonzero(distances > threshold) + _lost(lost)) / (distances.size + lost)


def system_rates(fmr: float, fnmr: float, fta: float, fte: float = 0.0) -> SystemRates:
    """Generalised FAR and FRR from rates (0..1) measured apart, as ISO/IEC 19795-1 combines them.

    `fta`: failure to acquire the probe; `fte`: failure to enrol the reference. Failures are assumed independent of each
    other and of the distance; with the single comparisons, `far` and `frr` count without that assumption.
    """
    for rate in (fmr, fnmr, fta, fte):
        if not 0.0 <= rate <= 1.0:
            raise ValueError(f"{rate} is not a rate")
    compared = (1.0 - fta) * (1.0 - fte)
    return SystemRates(far=compared * fmr, frr=1.0 - compared * (1.0 - fnmr))


def threshold_at_count(non_mated: Distances, count: int) -> float:
    """The largest threshold under which at most `count` of the non-mated distances lie.

    Equal distances at the border are all included or all excluded.
    """
    distances = checked(non_mated)
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
    same, other = np.sort(checked(mated)), np.sort(checked(non_mated))
    thresholds = np.unique(np.concatenate([same, other]))
    misses = 1.0 - np.searchsorted(same, thresholds, side="right") / same.size
    alarms = np.searchsorted(other, thresholds, side="right") / other.size
    nearest = int(np.argmin(np.abs(misses - alarms)))
    return float(misses[nearest] + alarms[nearest]) / 2


def auc(mated: Distances, non_mated: Distances) -> float:
    """Area under the ROC: how often a mated pair is closer than a non-mated one, ties counted half.

    The Mann-Whitney statistic (Hanley and McNeil 1982). 1 separates all, 0.5 is chance, below 0.5 is worse.
    """
    same, other = checked(mated), np.sort(checked(non_mated))
    farther = other.size - np.searchsorted(other, same, side="right")
    tied = other.size - np.searchsorted(other, same, side="left") - farther
    return float(farther.sum() + tied.sum() / 2) / (same.size * other.size)


def looks_swapped(mated: Distances, non_mated: Distances) -> bool:
    """Whether mated pairs are farther apart than non-mated ones, by more than chance: swapped labels or signs.

    AUC more than three standard errors of the Mann-Whitney statistic under chance below 0.5.
    """
    m, n = np.size(mated), np.size(non_mated)
    return auc(mated, non_mated) < 0.5 - 3.0 * math.sqrt((m + n + 1) / (12.0 * m * n))


def d_prime(mated: Distances, non_mated: Distances) -> float:
    """Decidability d' (Daugman 2000): the gap between the means in units of the root mean variance.

    Negative if mated pairs are farther apart. At least two comparisons of each kind; ValueError if neither kind varies.
    """
    same, other = checked(mated).astype(np.float64), checked(non_mated).astype(np.float64)
    if min(same.size, other.size) < 2:
        raise ValueError("d' needs at least two comparisons of each kind")
    spread = math.sqrt((same.var(ddof=1) + other.var(ddof=1)) / 2)
    if spread == 0.0:
        raise ValueError("d' is undefined where all distances of a kind are equal")
    return float(other.mean() - same.mean()) / spread


def best_threshold(mated: Distances, non_mated: Distances) -> float:
    """The threshold that decides the most comparisons correctly (LFW's protocol).

    With few comparisons several ranges of thresholds are equally good, mostly by chance: the result is the middle of
    the middle range.
    """
    same, other = np.sort(checked(mated)), np.sort(checked(non_mated))
    values = np.unique(np.concatenate([same, other]))
    right = np.searchsorted(same, values, side="right") + (
        other.size - np.searchsorted(other, values, side="right")
    )
    equally_good = np.flatnonzero(right == right.max())
    best = int(equally_good[(equally_good.size - 1) // 2])
    return float(values[best] if best + 1 == values.size else (values[best] + values[best + 1]) / 2)


def accuracy(mated: Distances, non_mated: Distances, threshold: float) -> float:
    """The share of all comparisons that `threshold` decides correctly."""
    same, other = checked(mated), checked(non_mated)
    right = np.count_nonzero(same <= threshold) + np.count_nonzero(other > threshold)
    return float(right) / (same.size + other.size)


def checked(distances: Distances) -> Distances:
    """`distances` as an array; ValueError unless one-dimensional, not empty and finite."""
    array = np.asarray(distances)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"a one-dimensional array of distances is needed, not one of shape {array.shape}")
    if not (finite := np.isfinite(array)).all():
        raise ValueError(f"distances must be finite: {array.size - finite.sum():,} of {array.size:,} are not")
    return array


def _lost(lost: int) -> int:
    if lost < 0:
        raise ValueError(f"{lost} comparisons cannot be lost")
    return lost
