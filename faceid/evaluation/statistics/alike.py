"""Computes the FMR among people who are alike: of one sex and group, or the nearer half of each person's crowd.

Strangers of one sex and ethnic group are nearer to each other than strangers at large. The FMR over all people hides
that: most of its comparisons are between people who look nothing alike.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from faceid.distribution import VERSION
from faceid.evaluation.statistics.bootstrap import Resample, Share, share_interval
from faceid.evaluation.statistics.intervals import rule_of_3, wilson
from faceid.evaluation.statistics.measured import RATES, significant, to_strict_side
from faceid.evaluation.statistics.scores import AllPairs, Extremes, distances, tiles
from faceid.networks.calibration import AlikeBy, AlikeCurve, CalibrationPoint
from faceid.types import Metric

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HELD = 200_000
"""Comparisons held in memory: the nearest ones. Beyond them, rates are read off a histogram."""

_BINS = 4096


def of_one_kind(kinds: Sequence[Hashable | None]) -> Bools:
    """Who is alike by attributes: (k, k), true for two people of one kind. None means unknown: alike to no other."""
    known = [kind for kind in dict.fromkeys(kinds) if kind is not None]
    numbers = np.array([-1 if kind is None else known.index(kind) for kind in kinds])
    alike = (numbers[:, None] == numbers[None, :]) & (numbers >= 0)[:, None]
    np.fill_diagonal(alike, False)
    return np.asarray(alike)


def nearest_half(vectors: NDArray[np.float32], identity: Ints) -> Bools:
    """Who is alike by templates: (k, k), row by row the half of the other people nearest to a person, rounded up.

    `vectors` (n, d) are unit vectors of the people `identity` (n,), numbered from 0. A person stands where the mean of
    the templates points. The relation is not symmetric.
    """
    people = int(identity.max()) + 1
    means = np.zeros((people, vectors.shape[1]))
    np.add.at(means, identity, vectors)
    # Opposite templates can cancel out: such a person is equally far from all.
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    alike = np.zeros((people, people), dtype=np.bool_)
    half = math.ceil((people - 1) / 2)
    for person in range(people):
        nearness = means @ means[person]
        nearness[person] = -np.inf
        alike[person, np.argsort(-nearness, kind="stable")[:half]] = True
    return alike


def measure_alike(
    vectors: NDArray[np.float32],
    identity: Ints,
    metric: Metric,
    alike: Bools,
    people: Resample,
    *,
    data: str,
    population: str,
    chosen_by: AlikeBy,
    data_sha256: str | None = None,
    program: str = "",
    rates: Sequence[float] = RATES,
) -> AlikeCurve:
    """The FMR among people who are alike, from all comparisons of (n, d) unit vectors of the people `identity` (n,).

    People are numbered from 0; `alike[a, b]` says that b is alike for a. A comparison counts once if that is so for
    both people, half if for one. Points are those of `rates` that the comparisons support by the rule of 3 and that
    have distinct distances. Their intervals are over `people`, as far as comparisons are held, else Wilson's.

    ValueError if no two people are alike, or their comparisons are too few for any rate.
    """
    weight = (alike.astype(np.float64) + alike.T) / 2.0
    templates = np.bincount(identity, minlength=len(alike)).astype(np.float64)
    total = _comparisons(weight, templates[None, :])[0]
    if total < 1.0:
        raise ValueError("no two people are alike")
    edges = np.linspace(0.0, 2.0, _BINS + 1)
    histogram = np.zeros(_BINS)
    nearest = Extremes(HELD, 1.0)
    for similarities, _, first, second in tiles(vectors, identity):
        share = weight[identity[first], identity[second]]
        counted = share > 0.0
        distance = distances(similarities[counted], metric)
        histogram += np.histogram(distance, edges, weights=share[counted])[0]
        nearest.add(distance, first[counted], second[counted])
    held, reach = nearest.sorted()
    one, other = identity[held.first], identity[held.second]
    shares = weight[one, other]
    reached = np.cumsum(shares)
    below = np.concatenate([[0.0], np.cumsum(histogram)])
    totals = _comparisons(weight, people.draws.astype(np.float64) * templates)

    points: list[CalibrationPoint] = []
    for rate in rates:
        allowed = rate * total * (1 + 1e-12)
        if rate < rule_of_3(int(total)):
            continue
        place = int(np.searchsorted(reached, allowed, side="right"))
        if place < reached.size:
            # All comparisons closer than the first that is too many.
            threshold = float(np.nextafter(held.distance[place], -np.inf))
        elif math.isinf(reach):
            threshold = float(held.distance[-1])
        else:
            # The first of the edges with the greatest count that is allowed.
            most = below[int(np.searchsorted(below, allowed, side="right")) - 1]
            threshold = float(edges[int(np.searchsorted(below, most))])
        threshold = to_strict_side(threshold)
        if threshold < 0.0 or (points and threshold <= points[-1].distance):
            continue
        if threshold <= reach:
            near = int(np.searchsorted(held.distance, threshold, side="right"))
            count = round(float(shares[:near].sum()))
            counts = people.count(one[:near], other[:near], shares[:near])
            interval = share_interval(count, int(total), counts, totals)
        else:
            count = round(float(np.interp(threshold, edges, below)))
            interval = wilson(count, int(total))
        points.append(
            CalibrationPoint(
                fmr=rate,
                distance=threshold,
                low=significant(min(interval.low, rate)),
                high=significant(min(1.0, max(interval.high, rate))),
                count=count,
            )
        )
    if not points:
        raise ValueError(f"{int(total):,} comparisons of people who are alike are too few to claim any rate")
    return AlikeCurve(
        data=data,
        population=population,
        chosen_by=chosen_by,
        date=datetime.now(timezone.utc).date().isoformat(),
        software=", ".join(filter(None, (f"faceid {VERSION}", program))),
        people=int(np.count_nonzero(weight.any(axis=1) & (templates > 0))),
        non_mated=int(total),
        points=tuple(points),
        data_sha256=data_sha256,
    )


def among_alike(pairs: AllPairs, people: Resample, alike: Bools, threshold: float) -> Share | None:
    """The false matches at `threshold` among people who are alike by a symmetric relation; None without a comparison.

    `threshold` must not exceed `pairs.reach`.
    """
    templates = np.bincount(pairs.identity, minlength=len(alike)).astype(np.float64)
    weight = alike.astype(np.float64)
    total = int(_comparisons(weight, templates[None, :])[0])
    if total == 0:
        return None
    near = int(np.searchsorted(pairs.nearest.distance, threshold, side="right"))
    first, second = pairs.identity[pairs.nearest.first[:near]], pairs.identity[pairs.nearest.second[:near]]
    matching = alike[first, second]
    return Share(
        int(matching.sum()),
        total,
        people.count(first[matching], second[matching]),
        _comparisons(weight, people.draws.astype(np.float64) * templates),
    )


def _comparisons(weight: Floats, amounts: Floats) -> Floats:
    """The weighted number (b,) of comparisons where people have so many templates, `amounts` (b, k)."""
    return np.asarray(((amounts @ weight) * amounts).sum(axis=1) / 2.0)
