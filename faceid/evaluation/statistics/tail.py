"""Fits thresholds for false match rates that the data have too few pairs to count: peaks over threshold.

The closest non-mated distances, those under a cut, are fitted by a generalised Pareto distribution (Pickands 1975;
Balkema and de Haan 1974; Coles 2001, chapter 4), reversed: the excess is how far a distance lies under the cut. Then
FMR(t) = share * (1 + shape * (cut - t) / scale) ** (-1 / shape), where `share` of all comparisons lie under it.
`scripts/studies/check_tail.py` measures the accuracy of the fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.statistics import pareto
from faceid.evaluation.statistics.bootstrap import Resample
from faceid.evaluation.statistics.intervals import Interval
from faceid.evaluation.statistics.metrics import Distances, checked
from faceid.evaluation.statistics.scores import AllPairs

Floats = NDArray[np.float64]

MIN_EXCEEDANCES = 100
MAX_EXCEEDANCES = 20_000
# Targets may lie this many powers of ten under 1 / (number of comparisons).
MAX_DECADES = 2.0
# The average of -log(1 - p) of the cuts rejected so far: ForwardStop (G'Sell et al. 2016) at 10 %.
_FALSE_DISCOVERY = 0.1
# Half the 95 % quantile of chi squared with one degree of freedom.
_DROP = 1.920729


class TailRefused(ValueError):
    """The data do not support the rate. `code`: `too_few`, `tied`, `no_fit`, `too_far`, `inside` or `impossible`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, eq=False)
class Resampled:
    """The same comparisons with resampled people (`faceid.evaluation.statistics.bootstrap`).

    `weights` (b, m): how often each of the m nearest comparisons counts; `totals` (b,): how many there are in all.
    """

    weights: Floats
    totals: Floats


@dataclass(frozen=True, slots=True)
class Threshold:
    """The distance at which FMR is `fmr`, with its 95 % interval."""

    fmr: float
    threshold: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class TailFit:
    """A fitted tail: of `total` non-mated comparisons, `exceedances` are closer than `cut`.

    `p_value` of Anderson and Darling's test (small: no fit). `region` (3, r) are shapes, scales and shares on the
    border of the 95 % likelihood region; `replicates` (3, b) the same fitted to resampled people, or (3, 0).
    """

    cut: float
    shape: float
    scale: float
    exceedances: int
    total: int
    p_value: float
    region: Floats
    replicates: Floats

    @property
    def share(self) -> float:
        """The share of comparisons closer than the cut, 0..1."""
        return self.exceedances / self.total

    @property
    def lowest_fmr(self) -> float:
        """The smallest FMR that may be asked for: MAX_DECADES powers of ten under one in `total`."""
        return float(0.1**MAX_DECADES) / self.total

    def threshold_at(self, fmr: float) -> Threshold:
        """The distance at which the false match rate is `fmr`.

        More than one power of ten below 1 / `total`, FMR was several times too high in half of the trials of
        `scripts/studies/check_tail.py`, while the intervals held: there, decide by `low`.

        TailRefused: `inside` if it lies on the other side of the cut and can be counted, `too_far` below `lowest_fmr`,
        `impossible` if no distance >= 0 is that rare.
        """
        if not fmr < self.share:
            raise TailRefused(
                "inside",
                f"FMR {fmr:g} is not in the tail, which begins at {self.share:.2g}: count it instead",
            )
        # A rate such as 1e-9 on 10,000,000 comparisons must be allowed.
        if fmr < self.lowest_fmr * (1 - 1e-9):
            raise TailRefused(
                "too_far",
                f"FMR {fmr:g} is too far beyond the data: {self.total:,} non-mated comparisons carry"
                f" {self.lowest_fmr:.1g} at most",
            )
        threshold = float(self._threshold(fmr, self.shape, self.scale, self.share))
        if threshold < 0:
            raise TailRefused("impossible", f"no distance is as rare as FMR {fmr:g} by this fit")
        low, high = self._range(
            lambda shape, scale, share: self._threshold(fmr, shape, scale, share), threshold
        )
        return Threshold(fmr, threshold, max(0.0, low), high)

    def fmr_at(self, threshold: float) -> Interval:
        """The false match rate at a distance under the cut, 0 beyond the end of the fitted distribution.

        TailRefused (`inside`) for a distance of the cut or more.
        """
        if threshold >= self.cut:
            raise TailRefused(
                "inside",
                f"{threshold:.4f} is not in the tail, which begins at {self.cut:.4f}: count it instead",
            )
        excess = self.cut - threshold
        rate = float(self.share * pareto.survival(excess, self.shape, self.scale))
        low, high = self._range(
            lambda shape, scale, share: share * pareto.survival(excess, shape, scale), rate
        )
        return Interval(rate, low, high)

    def _threshold(
        self, fmr: float, shape: Floats | float, scale: Floats | float, share: Floats | float
    ) -> Floats:
        return np.asarray(self.cut - pareto.quantile(np.minimum(fmr / share, 1.0), shape, scale))

    def _range(
        self, quantity: Callable[[Floats, Floats, Floats], Floats], value: float
    ) -> tuple[float, float]:
        over_region = quantity(*self.region)
        low, high = min(value, float(over_region.min())), max(value, float(over_region.max()))
        if self.replicates.size:
            drawn = np.quantile(quantity(*self.replicates), [0.025, 0.975])
            low, high = min(low, float(drawn[0])), max(high, float(drawn[1]))
        return low, high


def fit_tail(
    non_mated: Distances,
    total: int,
    rng: np.random.Generator,
    *,
    exceedances: int | None = None,
    share: float = 0.01,
    resampled: Resampled | None = None,
) -> TailFit:
    """Fit the tail of `total` non-mated comparisons from their nearest distances (m,), m <= total.

    The cut: fewer and fewer of the nearest distances are tried, from `share` of all (20,000 at most), halved down to
    100. Anderson and Darling's test gives the p-value of each fit, and the first that ForwardStop does not reject is
    taken (Bader, Yan and Zhang 2018). A fit that puts one of the exceedances below a distance of 0 has p-value 0.
    `exceedances` sets the cut instead; it is then used as given, with its p-value.

    The interval is that of the profile likelihood, for independent comparisons; with `resampled` people also the
    percentiles over them, whichever is wider.

    TailRefused: `too_few` distances under the cut, `tied` if too many are equal, `no_fit` if every cut is rejected.
    """
    nearest = np.sort(checked(non_mated).astype(np.float64))
    if total < nearest.size:
        raise ValueError(f"{nearest.size} distances of {total} comparisons")
    most = exceedances or min(MAX_EXCEEDANCES, math.floor(total * share), nearest.size - 1)
    if not MIN_EXCEEDANCES <= most < nearest.size:
        raise TailRefused(
            "too_few",
            f"{total:,} non-mated comparisons leave {max(min(most, nearest.size - 1), 0):,} in the tail: at least"
            f" {MIN_EXCEEDANCES} are needed",
        )
    stopped, tried = 0.0, 0
    count = most
    while count >= MIN_EXCEEDANCES:
        excess = _excess(nearest, count)
        p_value = 0.0 if _below_zero(excess, float(nearest[count])) else pareto.goodness_of_fit(excess, rng)
        stopped, tried = stopped - math.log1p(-min(p_value, 1 - 1e-12)), tried + 1
        if exceedances is not None or stopped / tried > _FALSE_DISCOVERY:
            return _fitted(nearest, excess, total, p_value, resampled)
        count //= 2
    raise TailRefused(
        "no_fit", f"the nearest distances fit no generalised Pareto distribution at any of {tried} cuts"
    )


def over_people(people: Resample, pairs: AllPairs) -> Resampled:
    """The input for `fit_tail` to resample people, for `pairs.nearest.distance` of all pairs of some templates."""
    near = slice(0, MAX_EXCEEDANCES)
    first, second = pairs.identity[pairs.nearest.first[near]], pairs.identity[pairs.nearest.second[near]]
    return Resampled(people.pair_weights(first, second), people.non_mated_total(np.bincount(pairs.identity)))


def _excess(nearest: Floats, count: int) -> Floats:
    excess: Floats = nearest[count] - nearest[:count]
    excess = excess[excess > 0]
    if excess.size < MIN_EXCEEDANCES or np.unique(excess).size < excess.size / 2:
        raise TailRefused("tied", "too many of the nearest distances are equal to fit a tail")
    return excess


def _below_zero(excess: Floats, cut: float) -> bool:
    """Whether the fit would have put one or more of the exceedances at a distance under 0."""
    shape, scale = pareto.fit(excess[None, :])
    return bool(excess.size * pareto.survival(cut, shape, scale)[0] >= 1.0)


def _fitted(
    nearest: Floats, excess: Floats, total: int, p_value: float, resampled: Resampled | None
) -> TailFit:
    (shape,), (scale,) = pareto.fit(excess[None, :])
    shapes, scales, counts = pareto.likelihood_region(excess, float(shape), float(scale), _DROP)
    replicates = np.empty((3, 0))
    if resampled is not None:
        weights = resampled.weights[:, : excess.size]
        weights, totals = weights[weights.any(axis=1)], resampled.totals[weights.any(axis=1)]
        parts = [
            pareto.fit(excess[None, :], weights[start : start + 50]) for start in range(0, len(weights), 50)
        ]
        replicates = np.array(
            [
                np.concatenate([part[0] for part in parts]),
                np.concatenate([part[1] for part in parts]),
                weights.sum(axis=1) / totals,
            ]
        )
    return TailFit(
        cut=float(nearest[excess.size]),
        shape=float(shape),
        scale=float(scale),
        exceedances=int(excess.size),
        total=total,
        p_value=p_value,
        region=np.array([shapes, scales, counts / total]),
        replicates=replicates,
    )
