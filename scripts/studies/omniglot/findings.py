"""What the cells of lab_omniglot.py say of what is known about embeddings of characters."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from scipy.stats import t as student


class Result(Protocol):
    """What is needed of a cell: accuracy at n = 2, 3, ..."""

    @property
    def seed(self) -> int: ...

    @property
    def accuracy(self) -> list[float]: ...


Rows = Mapping[tuple[str, int], Sequence[Result]]
"""The cells of a way to learn and a size, one a seed."""


@dataclass(frozen=True)
class Mean:
    """A mean, and how far its 95 % interval goes to either side: None for a single value."""

    value: float
    reach: float | None

    @property
    def sign(self) -> int:
        """1 or -1 where the interval is on one side of 0, else 0."""
        if self.reach is None or abs(self.value) <= self.reach:
            return 0
        return 1 if self.value > 0 else -1


def mean(values: Sequence[float]) -> Mean:
    """The mean with Student's interval, for independent values."""
    if len(values) < 2:
        return Mean(statistics.mean(values), None)
    error = statistics.stdev(values) / math.sqrt(len(values))
    return Mean(statistics.mean(values), float(student.ppf(0.975, len(values) - 1)) * error)


def difference(first: Sequence[float], second: Sequence[float]) -> Mean:
    """The mean of first - second, seed by seed."""
    return mean([a - b for a, b in zip(first, second, strict=True)])


def findings(rows: Rows) -> list[str]:
    """A line for each known finding and each size or way that it is about, where there are cells for it."""
    lines = []
    sizes = sorted({size for _, size in rows})
    for other in ("triplet, L2", "triplet, L2 of any length"):
        for size in sizes:
            if both := _paired(rows, ("triplet, cosine", size), (other, size)):
                what = f"cosine less {other.removeprefix('triplet, ')}, triplets, size {size}"
                found = difference(*([cell.accuracy[-1] for cell in side] for side in both))
                lines.append(_line("better with cosine", what, found))
    for way in dict.fromkeys(way for way, _ in rows):
        if both := _paired(rows, (way, sizes[-1]), (way, sizes[0])):
            what = f"size {sizes[-1]} less size {sizes[0]}, {way}"
            found = difference(*([cell.accuracy[-1] for cell in side] for side in both))
            lines.append(_line("better when larger", what, found))
    for size in sizes:
        if both := _paired(rows, ("contrastive, L2", size), ("triplet, L2", size)):
            what = f"points lost from 2-way to the most ways, contrastive less triplet, size {size}"
            found = difference(*([cell.accuracy[0] - cell.accuracy[-1] for cell in side] for side in both))
            lines.append(_line("contrastive falls faster", what, found))
    for size in sizes:
        if both := _paired(rows, ("triplet, cosine", size), ("autoencoder", size)):
            what = f"triplet, cosine less autoencoder, size {size}"
            found = difference(*([cell.accuracy[-1] for cell in side] for side in both))
            lines.append(_line("better with labels", what, found))
    return lines


def _paired(
    rows: Rows, first: tuple[str, int], second: tuple[str, int]
) -> tuple[list[Result], list[Result]] | None:
    """The cells of both whose seed the other has too, in one order; None where there is none."""
    sides = [{cell.seed: cell for cell in rows.get(key, ())} for key in (first, second)]
    seeds = sorted(sides[0].keys() & sides[1].keys())
    if first == second or not seeds:
        return None
    return [sides[0][seed] for seed in seeds], [sides[1][seed] for seed in seeds]


def _line(claim: str, what: str, found: Mean) -> str:
    verdict = {1: "agrees", -1: "disagrees", 0: "undecided"}[found.sign]
    reach = "one seed" if found.reach is None else f"± {100 * found.reach:.1f}"
    return f"{claim}: {verdict} ({what}: {100 * found.value:+.1f} points, {reach})"
