"""Mated and non-mated comparisons of any origin: the error rates of a threshold, with intervals.

All pairs of some templates, pairs that a file lists, or bare scores. If the people are known, intervals come from
resampling people (`faceid.evaluation.statistics.bootstrap`); else they are Wilson's, for independent comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.statistics.bootstrap import Resample, resample, share_interval
from faceid.evaluation.statistics.curves import Curve
from faceid.evaluation.statistics.intervals import Interval, wilson
from faceid.evaluation.statistics.metrics import Distances, checked
from faceid.evaluation.statistics.scores import AllPairs, Pairs, compare_all
from faceid.types import Metric

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KEEP = 1_000_000
"""Comparisons of a kind held in memory: the nearest non-mated and the farthest mated ones."""

REPLICATES = 1000


@dataclass(frozen=True, eq=False)
class Side:
    """The comparisons of one kind, `total` in number, by ascending `distance` (n,).

    It holds all of them, or those on the side where this kind errs: non-mated ones up to `reach`, mated ones (`mated`)
    from `reach` upwards. `histogram` (b,) between `edges` (b + 1,) counts all. `first` and `second` (n,) number the
    identities compared, and `totals` (r,) counts each resample's comparisons; None if unknown.
    """

    mated: bool
    distance: Floats
    total: int
    reach: float
    edges: Floats
    histogram: Ints
    first: Ints | None = None
    second: Ints | None = None
    totals: Floats | None = None

    @property
    def complete(self) -> bool:
        """Whether every comparison is held."""
        return self.distance.size == self.total

    def at_most(self, thresholds: Floats | float) -> Ints:
        """The number of comparisons at each threshold or closer.

        Exact if the comparisons are held, else read off the histogram, linearly within a bin.
        """
        asked = np.asarray(thresholds, dtype=np.float64)
        inside = np.searchsorted(self.distance, asked, side="right")
        if self.complete:
            return inside.astype(np.int64)
        if self.mated:
            inside = inside + (self.total - self.distance.size)
        held = asked >= self.reach if self.mated else asked <= self.reach
        counts = np.concatenate([[0], np.cumsum(self.histogram)])
        return np.where(held, inside, np.interp(asked, self.edges, counts).round()).astype(np.int64)

    @cached_property
    def sample(self) -> Floats:
        """The distances, or, if not all are held, KEEP of them drawn evenly through the histogram."""
        if self.complete:
            return self.distance
        counts = np.concatenate([[0], np.cumsum(self.histogram)])
        rising = np.concatenate([[True], np.diff(counts) > 0])
        even = (np.arange(KEEP) + 0.5) / KEEP * self.total
        return np.asarray(np.interp(even, counts[rising], self.edges[rising]), dtype=np.float64)

    def rate(self, threshold: float, people: Resample | None) -> Interval:
        """The share of errors at `threshold`: FMR of non-mated, FNMR of mated comparisons."""
        closer = int(self.at_most(threshold))
        errors = self.total - closer if self.mated else closer
        held = self.complete or (threshold >= self.reach if self.mated else threshold <= self.reach)
        if people is None or self.first is None or self.second is None or self.totals is None or not held:
            return wilson(errors, self.total)
        place = int(np.searchsorted(self.distance, threshold, side="right"))
        wrong = slice(place, None) if self.mated else slice(0, place)
        return share_interval(
            errors, self.total, people.count(self.first[wrong], self.second[wrong]), self.totals
        )


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Comparisons of both kinds. `people` is None if the people are unknown.

    `mated_lost` and `non_mated_lost` count the comparisons that are missing because a photo has no template
    (failure to acquire).
    """

    mated: Side
    non_mated: Side
    people: Resample | None = None
    mated_lost: int = 0
    non_mated_lost: int = 0

    def fmr(self, threshold: float) -> Interval:
        """False match rate at `threshold`, with its 95 % interval."""
        return self.non_mated.rate(threshold, self.people)

    def fnmr(self, threshold: float) -> Interval:
        """False non-match rate at `threshold`, with its 95 % interval."""
        return self.mated.rate(threshold, self.people)

    def far(self, threshold: float) -> float:
        """False accept rate (0..1): a lost comparison is never a false accept."""
        return int(self.non_mated.at_most(threshold)) / (self.non_mated.total + self.non_mated_lost)

    def frr(self, threshold: float) -> float:
        """False reject rate (0..1): a lost comparison is a false reject."""
        missed = self.mated.total - int(self.mated.at_most(threshold))
        return (missed + self.mated_lost) / (self.mated.total + self.mated_lost)

    @cached_property
    def curve(self) -> Curve:
        """Both errors at every distance that is held."""
        thresholds = np.unique(
            np.concatenate([self.mated.sample, self.non_mated.distance, self.non_mated.sample])
        )
        return Curve(
            thresholds=np.concatenate([[-np.inf], thresholds]),
            false_matches=np.concatenate([[0], self.non_mated.at_most(thresholds)]),
            false_non_matches=np.concatenate(
                [[self.mated.total], self.mated.total - self.mated.at_most(thresholds)]
            ),
            mated=self.mated.total,
            non_mated=self.non_mated.total,
        )


def of_templates(
    vectors: NDArray[np.float32],
    identity: Sequence[str],
    metric: Metric,
    rng: np.random.Generator,
    *,
    lost: dict[str, int] | None = None,
    keep: int = KEEP,
) -> tuple[Comparisons, AllPairs]:
    """All pairs of (n, d) unit vectors; `identity` (n,) is the identity of each, `lost` counts photos without a
    template by identity.

    Memory does not grow with the number of pairs. ValueError as of `compare_all`.
    """
    pairs = compare_all(vectors, np.asarray(identity, dtype=np.str_), metric, keep=keep)
    templates = np.bincount(pairs.identity)
    people = resample(templates.size, rng, REPLICATES)
    mated_lost, non_mated_lost = _lost_pairs(identity, lost or {})

    def side(mated: bool, held: Pairs, total: int, reach: float, totals: Floats) -> Side:
        return Side(
            mated=mated,
            distance=held.distance,
            total=total,
            reach=reach,
            edges=pairs.edges,
            histogram=pairs.mated_histogram if mated else pairs.non_mated_histogram,
            first=pairs.identity[held.first],
            second=pairs.identity[held.second],
            totals=totals,
        )

    return (
        Comparisons(
            mated=side(True, pairs.farthest, pairs.mated, pairs.mated_reach, people.mated_total(templates)),
            non_mated=side(
                False, pairs.nearest, pairs.non_mated, pairs.reach, people.non_mated_total(templates)
            ),
            people=people,
            mated_lost=mated_lost,
            non_mated_lost=non_mated_lost,
        ),
        pairs,
    )


def of_pairs(
    distance: Distances,
    mated: NDArray[np.bool_],
    rng: np.random.Generator,
    *,
    identities: tuple[Ints, Ints] | None = None,
    mated_lost: int = 0,
    non_mated_lost: int = 0,
) -> Comparisons:
    """Single comparisons: `distance` (n,), `mated` (n,), and the people compared, numbered from 0, if known.

    ValueError if a distance is not finite, or one of the kinds is missing.
    """
    distances = checked(distance).astype(np.float64)
    people = None
    if identities is not None:
        people = resample(int(max(side.max() for side in identities)) + 1, rng, REPLICATES)

    def side(kind: bool) -> Side:
        chosen = np.flatnonzero(mated == kind)
        if chosen.size == 0:
            raise ValueError(f"there is no {'mated' if kind else 'non-mated'} comparison")
        chosen = chosen[np.argsort(distances[chosen], kind="stable")]
        held = distances[chosen]
        # The last edge belongs to its bin.
        edges = np.linspace(min(0.0, held[0]), max(2.0, held[-1]), 401)
        first = second = totals = None
        if identities is not None and people is not None:
            first, second = identities[0][chosen], identities[1][chosen]
            totals = people.count(first, second)
        return Side(kind, held, held.size, np.inf, edges, np.histogram(held, edges)[0], first, second, totals)

    return Comparisons(side(True), side(False), people, mated_lost, non_mated_lost)


def _lost_pairs(identity: Sequence[str], lost: dict[str, int]) -> tuple[int, int]:
    """The number of mated and of non-mated pairs with a photo that has no template."""
    names, counts = np.unique(np.asarray(identity, dtype=np.str_), return_counts=True)
    there = dict(zip(names.tolist(), counts.tolist(), strict=True))
    taken = {name: there.get(name, 0) + lost.get(name, 0) for name in {*there, *lost}}

    def kinds(templates: dict[str, int]) -> tuple[int, int]:
        mated = sum(n * (n - 1) // 2 for n in templates.values())
        total = sum(templates.values())
        return mated, total * (total - 1) // 2 - mated

    (mated, non_mated), (mated_there, non_mated_there) = kinds(taken), kinds(there)
    return mated - mated_there, non_mated - non_mated_there
