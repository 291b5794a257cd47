"""Intervals by resampling people: comparisons of one person are not independent, people nearly are.

The subset bootstrap of Bolle, Ratha and Pankanti (2004), as Poh and Bengio (2007) use it for identities: whole
identities are drawn with replacement. A mated pair then counts as often as its identity was drawn, a non-mated pair
as the product of both draws. Nothing is sorted again: a replicate is a weighted count over the errors.

Drawing both sides of a non-mated pair makes the intervals honest about people, and too wide, at most by a factor of
about 1.7, where chance in the single pair outweighs the people (Owen 2007). With few errors there is little to
resample, so no interval is narrower than Wilson's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.statistics.intervals import Interval, Ratio, katz, wilson
from faceid.evaluation.statistics.scores import AllPairs, Pairs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_CHUNK = 8_000_000


@dataclass(frozen=True, eq=False)
class Resample:
    """How often each identity was drawn in each replicate: `draws` (b, k) int64, each row summing to k."""

    draws: Ints

    def pair_weights(self, first: Ints, second: Ints) -> Floats:
        """How often each comparison (n,) of identities `first` and `second` counts: (b, n)."""
        weights = self.draws[:, first].astype(np.float64)
        other = self.draws[:, second]
        return np.where(first == second, weights, weights * other)

    def count(self, first: Ints, second: Ints, times: Floats | None = None) -> Floats:
        """The weighted number (b,) of comparisons of identities `first` and `second` (n,), each counted `times`."""
        k = self.draws.shape[1]
        cells, place = np.unique(first * k + second, return_inverse=True)
        amount = np.bincount(place, weights=times, minlength=cells.size).astype(np.float64)
        result = np.zeros(len(self.draws))
        step = max(1, _CHUNK // len(self.draws))
        for start in range(0, cells.size, step):
            part = slice(start, start + step)
            result += self.pair_weights(cells[part] // k, cells[part] % k) @ amount[part]
        return result

    def mated_total(self, templates: Ints) -> Floats:
        """The number (b,) of all mated pairs of identities with so many `templates` (k,)."""
        return np.asarray(self.draws @ (templates * (templates - 1) / 2), dtype=np.float64)

    def non_mated_total(self, templates: Ints) -> Floats:
        """The number (b,) of all non-mated pairs of identities with so many `templates` (k,).

        Two draws of one identity are one person, and are not compared.
        """
        own = self.draws * templates.astype(np.float64)
        return np.asarray((own.sum(axis=1) ** 2 - (own**2).sum(axis=1)) / 2)


def resample(identities: int, rng: np.random.Generator, replicates: int = 1000) -> Resample:
    """Draw `identities` people with replacement, `replicates` times. ValueError for fewer than two people."""
    if identities < 2:
        raise ValueError("a bootstrap over identities needs at least two of them")
    return Resample(
        rng.multinomial(identities, np.full(identities, 1 / identities), size=replicates).astype(np.int64)
    )


def rate_interval(people: Resample, first: Ints, second: Ints, errors: NDArray[np.bool_]) -> Interval:
    """The share of errors (n,) among comparisons of identities `first` and `second` (n,), all of one kind."""
    totals = people.count(first, second)
    return share_interval(int(errors.sum()), errors.size, people.count(first[errors], second[errors]), totals)


def fmr_interval(people: Resample, pairs: AllPairs, threshold: float) -> Interval:
    """FMR at `threshold`. ValueError if pairs that match were not kept (`pairs.reach`)."""
    if threshold > pairs.reach:
        raise ValueError(f"non-mated pairs are kept to {pairs.reach:.6g} only: keep more")
    errors = int(np.searchsorted(pairs.nearest.distance, threshold, side="right"))
    first, second = _identities(pairs, pairs.nearest, slice(0, errors))
    totals = people.non_mated_total(np.bincount(pairs.identity))
    return share_interval(errors, pairs.non_mated, people.count(first, second), totals)


def fnmr_interval(people: Resample, pairs: AllPairs, threshold: float) -> Interval:
    """FNMR at `threshold`. ValueError if pairs that do not match were not kept (`pairs.mated_reach`)."""
    if threshold < pairs.mated_reach:
        raise ValueError(f"mated pairs are kept from {pairs.mated_reach:.6g} only: keep more")
    start = int(np.searchsorted(pairs.farthest.distance, threshold, side="right"))
    first, second = _identities(pairs, pairs.farthest, slice(start, None))
    totals = people.mated_total(np.bincount(pairs.identity))
    return share_interval(first.size, pairs.mated, people.count(first, second), totals)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The threshold (a distance) of a target FMR, and TMR (0..1) there, with 95 % intervals over identities."""

    fmr: float
    threshold: float
    threshold_low: float
    threshold_high: float
    tmr: Interval


def at_fmr(people: Resample, pairs: AllPairs, rate: float) -> OperatingPoint:
    """The largest threshold whose FMR is at most `rate`, and TMR there; each replicate finds its own threshold.

    ValueError if the pairs kept are too few for it.
    """
    allowed = int(rate * pairs.non_mated * (1 + 1e-12))
    distance, total = pairs.nearest.distance, pairs.non_mated
    if allowed < 1:
        raise ValueError(f"{total:,} non-mated comparisons are too few for an FMR of {rate:g}")
    templates = np.bincount(pairs.identity)
    budget = rate * people.non_mated_total(templates)
    places = places_of(people, *_identities(pairs, pairs.nearest, slice(None)), budget)
    if max(int(places.max()), allowed) >= distance.size:
        raise ValueError("too few of the nearest non-mated pairs were kept: keep more")
    thresholds = np.nextafter(distance[places], -np.inf)
    threshold = float(np.nextafter(distance[allowed], -np.inf))
    if min(float(thresholds.min()), threshold) < pairs.mated_reach:
        raise ValueError("too few of the farthest mated pairs were kept: keep more")

    first, second = _identities(pairs, pairs.farthest, slice(None))
    mated = pairs.farthest.distance
    rejected = np.empty(len(thresholds))
    step = max(1, _CHUNK // max(mated.size, 1))
    for start in range(0, len(thresholds), step):
        part = slice(start, start + step)
        weights = Resample(people.draws[part]).pair_weights(first, second)
        rejected[part] = (weights * (mated > thresholds[part, None])).sum(axis=1)
    matched = people.mated_total(templates) - rejected
    found = pairs.mated - int(np.count_nonzero(mated > threshold))
    low, high = np.quantile(thresholds, [0.025, 0.975])
    return OperatingPoint(
        fmr=rate,
        threshold=threshold,
        threshold_low=min(float(low), threshold),
        threshold_high=max(float(high), threshold),
        tmr=share_interval(found, pairs.mated, matched, people.mated_total(templates)),
    )


def places_of(people: Resample, first: Ints, second: Ints, budget: Floats) -> Ints:
    """For each replicate, the index of the first pair (n,) with which the weighted count exceeds `budget` (b,).

    n where it never does.
    """
    places = np.full(len(budget), first.size, dtype=np.int64)
    spent = np.zeros(len(budget))
    step = max(1, _CHUNK // len(budget))
    for start in range(0, first.size, step):
        part = slice(start, start + step)
        sums = spent[:, None] + np.cumsum(people.pair_weights(first[part], second[part]), axis=1)
        over = sums > budget[:, None]
        found = over.any(axis=1) & (places == first.size)
        places[found] = start + over[found].argmax(axis=1)
        spent = sums[:, -1]
        if (places < first.size).all():
            break
    return places


def _identities(pairs: AllPairs, part: Pairs, chosen: slice) -> tuple[Ints, Ints]:
    return pairs.identity[part.first[chosen]], pairs.identity[part.second[chosen]]


def share_interval(count: int, total: int, counts: Floats, totals: Floats) -> Interval:
    """The share `count` / `total`, and its interval from the replicates' `counts` / `totals` (b,)."""
    plain = wilson(count, total)
    # A replicate without such a comparison carries no information about the rate.
    rates = counts[totals > 0] / totals[totals > 0]
    if rates.size == 0:
        return plain
    low, high = np.quantile(rates, [0.025, 0.975])
    return Interval(plain.rate, min(plain.low, float(low)), max(plain.high, float(high)))


@dataclass(frozen=True, eq=False)
class Share:
    """Errors among `total` comparisons of one kind, and both numbers in each replicate: `counts`, `totals` (b,)."""

    errors: int
    total: int
    counts: Floats
    totals: Floats

    @property
    def rate(self) -> float:
        """The share, 0..1."""
        return self.errors / self.total

    @property
    def interval(self) -> Interval:
        """The share with its interval."""
        return share_interval(self.errors, self.total, self.counts, self.totals)


def ratio_interval(one: Share, other: Share) -> Ratio | None:
    """The rate of `one` over that of `other`, over the same replicates; None if one of them has no errors.

    The percentiles over the replicates, and nowhere narrower than Katz's interval.
    """
    if min(one.errors, other.errors) == 0:
        return None
    plain = katz(one.errors, one.total, other.errors, other.total)
    # A replicate without errors on both sides carries no information about their ratio.
    defined = (one.totals > 0) & (other.totals > 0) & ((one.counts > 0) | (other.counts > 0))
    if not defined.any():
        return plain
    with np.errstate(divide="ignore"):
        ratios = (one.counts[defined] / one.totals[defined]) / (other.counts[defined] / other.totals[defined])
    # Without interpolation between two replicates: one may be infinite.
    low, high = np.quantile(ratios, [0.025, 0.975], method="inverted_cdf")
    bounded = plain.high is not None and np.isfinite(high)
    return Ratio(
        plain.value, min(plain.low, float(low)), max(plain.high or 0.0, float(high)) if bounded else None
    )


def mean_over_people(
    values: NDArray[np.float64], identity: NDArray[np.int64], rng: np.random.Generator, replicates: int = 1000
) -> Interval | None:
    """The mean of `values` (n,) with its 95 % interval, whole identities (n,) drawn with replacement (bootstrap).

    Faces of one person are not independent, people nearly are. None for one person only.
    """
    people = np.unique(identity, return_inverse=True)[1].reshape(-1)
    count = int(people.max()) + 1
    if count < 2:
        return None
    sums, sizes = np.bincount(people, weights=values), np.bincount(people)
    draws = rng.multinomial(count, np.full(count, 1 / count), size=replicates)
    low, high = np.quantile((draws @ sums) / (draws @ sizes), (0.025, 0.975))
    mean = float(values.mean())
    return Interval(mean, min(mean, float(low)), max(mean, float(high)))
