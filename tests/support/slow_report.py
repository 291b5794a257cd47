"""The numbers of a report once more, by loops over every comparison: what the fast code is held against.

Nothing here imports the code under test. Distances are exact; random draws are made again from the seed.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binomtest
from scipy.stats.contingency import relative_risk
from sklearn.isotonic import IsotonicRegression

Ends = tuple[float, float, float]
"""A rate and its interval."""


class Checked:
    """A document, and which of its numbers something has been held against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.seen: set[tuple[Any, ...]] = set()

    def at(self, *path: Any) -> Any:
        found: Any = self.document
        for key in path:
            found = found[key]
        return found

    def same(self, path: tuple[Any, ...], expected: object, rel: float = 1e-6) -> None:
        found = self.at(*path)
        wanted = float(expected) if isinstance(expected, Fraction) else expected
        assert found == (pytest.approx(wanted, rel=rel, abs=1e-9) if isinstance(wanted, float) else wanted), (
            path
        )
        self.seen.add(path)

    def interval(self, path: tuple[Any, ...], expected: Ends) -> None:
        for name, value in zip(("rate", "low", "high"), expected, strict=True):
            self.same((*path, name), value)

    def unseen(self) -> list[tuple[Any, ...]]:
        return [path for path in numbers_of(self.document) if path not in self.seen]


def numbers_of(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all numbers of a JSON document."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from numbers_of(item, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from numbers_of(item, (*path, place))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path


def unit_vectors(rng: np.random.Generator, people: int, spread: float) -> tuple[np.ndarray, list[int]]:
    """Templates of exactly unit length, whose products float32 holds exactly: coordinates in 1024ths."""
    owners = [who for who in range(people) for _ in range(1 + who % 3)]
    centres = rng.normal(size=(people, 8))
    rows = []
    for who in owners:
        direction = centres[who] + spread * rng.normal(size=8)
        whole = [int(value) for value in 1022 * direction / np.linalg.norm(direction)]
        rows.append([*whole, *four_squares(1024**2 - sum(value * value for value in whole))])
    return np.array(rows, dtype=np.float32) / 1024, owners


def four_squares(number: int) -> tuple[int, int, int, int]:
    """Four whole numbers whose squares sum up to `number` (Lagrange)."""
    for a in range(math.isqrt(number), -1, -1):
        for b in range(math.isqrt(number - a * a), -1, -1):
            for c in range(math.isqrt(number - a * a - b * b), -1, -1):
                d = math.isqrt(rest := number - a * a - b * b - c * c)
                if d * d == rest:
                    return a, b, c, d
    raise AssertionError(number)


@dataclass(frozen=True)
class Pair:
    """A comparison of two people."""

    distance: float
    one: int
    two: int
    mated: bool


def pairs_of(vectors: np.ndarray, owners: Sequence[int]) -> list[Pair]:
    """All of them; the distances of `unit_vectors` are no longer than a float holds."""
    rows = [[Fraction(float(value)) for value in row] for row in vectors]
    found = []
    for i, j in combinations(range(len(rows)), 2):
        distance = max(
            Fraction(0), 1 - sum((a * b for a, b in zip(rows[i], rows[j], strict=True)), Fraction(0))
        )
        assert Fraction(float(distance)) == distance
        found.append(Pair(float(distance), owners[i], owners[j], owners[i] == owners[j]))
    return found


def wilson(errors: int, total: int) -> Ends:
    found = binomtest(errors, total).proportion_ci(0.95, "wilson")
    return errors / total, found.low, found.high


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def share(errors: int, total: int, replicates: Sequence[tuple[float, float]]) -> Ends:
    """A rate with the wider of Wilson's interval and the percentiles of (errors, total) in the replicates."""
    rate, low, high = wilson(errors, total)
    rates = [wrong / among for wrong, among in replicates if among > 0]
    if not rates:
        return rate, low, high
    return rate, min(low, quantile(rates, 0.025)), max(high, quantile(rates, 0.975))


class Comparisons:
    """Pairs, and how often each person was drawn in each replicate (none where nobody is known)."""

    def __init__(self, pairs: Sequence[Pair], draws: Sequence[Sequence[int]] = ()) -> None:
        self.draws = draws
        self.sides = {kind: [pair for pair in pairs if pair.mated == kind] for kind in (True, False)}
        self.totals = {
            kind: [sum(self.weight(draw, pair) for pair in side) for draw in draws]
            for kind, side in self.sides.items()
        }

    @staticmethod
    def weight(draw: Sequence[int], pair: Pair) -> int:
        return draw[pair.one] if pair.one == pair.two else draw[pair.one] * draw[pair.two]

    def wrong(self, mated: bool, at: float) -> list[Pair]:
        return [pair for pair in self.sides[mated] if (pair.distance > at if mated else pair.distance <= at)]

    def rate(self, mated: bool, threshold: float, replicates: int | None = None) -> Ends:
        wrong = self.wrong(mated, threshold)
        drawn = [
            (sum(self.weight(draw, pair) for pair in wrong), total)
            for draw, total in zip(self.draws[:replicates], self.totals[mated][:replicates], strict=True)
        ]
        return share(len(wrong), len(self.sides[mated]), drawn)

    def threshold(self, fmr: Fraction) -> tuple[float, float, float]:
        """The largest threshold whose FMR is at most `fmr`, and its ends over 200 replicates.

        Without people they are where Wilson's interval of the count ends.
        """
        side = sorted(self.sides[False], key=lambda pair: pair.distance)
        found = below(side[math.floor(fmr * len(side))].distance)
        if not self.draws:
            _, low, high = wilson(math.floor(fmr * len(side)), len(side))
            ends = [min(math.floor(rate * len(side)), len(side) - 1) for rate in (low, high)]
            return found, below(side[ends[0]].distance), side[ends[1]].distance
        each = []
        for draw, total in zip(self.draws[:200], self.totals[False][:200], strict=True):
            spent = 0
            place = side[-1]
            for pair in side:
                spent += self.weight(draw, pair)
                if spent > fmr * total:
                    place = pair
                    break
            each.append(below(place.distance))
        return found, min(quantile(each, 0.025), found), max(quantile(each, 0.975), found)

    @property
    def values(self) -> list[float]:
        return sorted({pair.distance for side in self.sides.values() for pair in side})

    def distances(self, mated: bool) -> list[float]:
        return sorted(pair.distance for pair in self.sides[mated])

    def equal_error(self) -> Fraction:
        def both(at: float) -> tuple[Fraction, Fraction]:
            return (
                Fraction(len(self.wrong(True, at)), len(self.sides[True])),
                Fraction(len(self.wrong(False, at)), len(self.sides[False])),
            )

        found = min((both(at) for at in self.values), key=lambda rates: abs(rates[0] - rates[1]))
        return sum(found) / 2

    def area(self) -> Fraction:
        same, other = self.distances(True), self.distances(False)
        twice = sum(2 if a < b else int(a == b) for a in same for b in other)
        return Fraction(twice, 2 * len(same) * len(other))

    def decidability(self) -> float:
        same, other = self.distances(True), self.distances(False)
        spread = math.sqrt((statistics.variance(same) + statistics.variance(other)) / 2)
        return (statistics.mean(other) - statistics.mean(same)) / spread

    def costs(self) -> tuple[float, float]:
        """Cllr of a logistic regression of equal weights with Platt's targets, and the least of any monotone one."""
        same, other = self.distances(True), self.distances(False)

        def loss(line: Sequence[float]) -> float:
            total = 0.0
            for values, target in ((same, 1 - 1 / (len(same) + 2)), (other, 1 / (len(other) + 2))):
                for value in values:
                    score = line[0] + line[1] * value
                    total += (math.log1p(math.exp(-abs(score))) + max(score, 0.0) - target * score) / len(
                        values
                    )
            return total

        line = minimize(loss, [1.0, -1.0], method="BFGS", options={"gtol": 1e-9}).x
        limits = -math.log(len(same) + 1), math.log(len(other) + 1)
        ratios = [
            [min(max(line[0] + line[1] * value, limits[0]), limits[1]) for value in values]
            for values in (same, other)
        ]
        labels = [1] * len(same) + [0] * len(other)
        chances = IsotonicRegression(increasing=False).fit_transform([*same, *other], labels)
        odds = [
            math.inf if chance == 1 else -math.inf if chance == 0 else math.log(chance / (1 - chance))
            for chance in chances
        ]
        prior = math.log(len(same) / len(other))
        least = [[value - prior for value in part] for part in (odds[: len(same)], odds[len(same) :])]
        return bits(*ratios), bits(*least)


def bits(same: Sequence[float], other: Sequence[float]) -> float:
    return (
        statistics.fmean(math.log2(1 + math.exp(-value)) for value in same)
        + statistics.fmean(math.log2(1 + math.exp(value)) for value in other)
    ) / 2


def below(distance: float) -> float:
    return math.nextafter(distance, -math.inf)


def predicted(rates: Ends, identities: int) -> Ends:
    low, middle, high = (1 - (1 - rate) ** identities for rate in (rates[1], rates[0], rates[2]))
    return middle, low, high


def to_identity(probe: Sequence[float], templates: Sequence[Sequence[float]]) -> float:
    """The distance of a probe to an identity: 1 - (p . m) / sqrt(|m|), m the mean template."""
    mean = [math.fsum(column) / len(templates) for column in zip(*templates, strict=True)]
    length = math.sqrt(math.fsum(value * value for value in mean))
    product = math.fsum(a * b for a, b in zip(probe, mean, strict=True))
    return max(0.0, 1.0 - min(1.0, product / math.sqrt(length)))


def leave_one_out(vectors: np.ndarray, owners: Sequence[int]) -> list[tuple[int, float, float | None]]:
    """Of each template: whose it is, how near a stranger comes, and how far its own identity is, if there is more."""
    found = []
    rows = vectors.astype(float).tolist()
    for place, probe in enumerate(rows):
        apart = {
            who: to_identity(probe, mates)
            for who in sorted(set(owners))
            if (mates := [rows[k] for k in range(len(rows)) if owners[k] == who and k != place])
        }
        own = apart.pop(owners[place], None)
        found.append((owners[place], min(apart.values()), own))
    return found


def ratio(one: tuple[int, int], two: tuple[int, int], replicates: Sequence[tuple[float, ...]]) -> Ends:
    """The ratio of two rates: the wider of Katz's interval and the percentiles over the replicates."""
    told = relative_risk(*one, *two)
    plain = told.confidence_interval(0.95)
    each = sorted(
        (wrong / among) / (missed / of) if missed else math.inf
        for wrong, among, missed, of in replicates
        if among and of and (wrong or missed)
    )

    def reached(share: float) -> float:
        return next(value for k, value in enumerate(each, start=1) if k / len(each) >= share - 1e-12)

    return told.relative_risk, min(plain.low, reached(0.025)), max(plain.high, reached(0.975))


def best_threshold(same: Sequence[float], other: Sequence[float]) -> float:
    """The middle of the middle stretch of thresholds that decide most comparisons rightly."""
    values = sorted({*same, *other})

    def right(at: float) -> int:
        return sum(value <= at for value in same) + sum(value > at for value in other)

    most = max(map(right, values))
    places = [place for place, value in enumerate(values) if right(value) == most]
    place = places[(len(places) - 1) // 2]
    return values[place] if place + 1 == len(values) else (values[place] + values[place + 1]) / 2


def averaged(rates: Sequence[tuple[int, int]]) -> Ends:
    """Errors of draws together, with Wilson's interval for as many searches as one draw has."""
    errors, total = (sum(column) for column in zip(*rates, strict=True))
    once = max(1, round(total / len(rates)))
    rate, low, high = errors / total, *wilson(round(errors / total * once), once)[1:]
    return rate, min(low, rate), max(high, rate)
