"""Finds the faces nearest to a face (query by example), and measures the precision.

Every face of a person with at least two photos is a query; all other faces with a name are candidates, except those of
the same photo. Precision at k: of the k nearest, the share of the query's person. Average precision: the mean of the
precision at the rank of each face of that person; mAP: its mean over queries (Manning, Raghavan and Schuetze 2008,
chapter 8). Among equal distances the right face comes last, so that a constant score has no success.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.statistics.bootstrap import mean_over_people
from faceid.evaluation.statistics.intervals import Interval
from faceid.evaluation.statistics.scores import distances
from faceid.explore.faces import Faces

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

RANKS = (1, 5, 10)

_QUERIES = 256


@dataclass(frozen=True, eq=False)
class Ranking:
    """The result of each query: its `row` (q,), precision (q, len(RANKS)) and average precision (q,).

    `possible` (q, len(RANKS)) is the precision of a perfect ranking: 0.3 at 10 with three other photos.
    """

    row: Ints
    precision: Floats
    possible: Floats
    average_precision: Floats


@dataclass(frozen=True, slots=True)
class RetrievalQuality:
    """Means over queries, with 95 % intervals over people; `precision` and `possible` by rank."""

    queries: int
    identities: int
    candidates: int
    precision: dict[int, float]
    precision_interval: dict[int, tuple[float, float] | None]
    possible: dict[int, float]
    mean_average_precision: float
    mean_average_precision_interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A face near a query: `row` of DATA, `distance` in the model's metric, and whether it is the same person.

    `right` is None if the identity of the query is unknown.
    """

    row: int
    distance: float
    right: bool | None


@dataclass(frozen=True, slots=True)
class Query:
    """A face and its neighbours, nearest first; `right_there` is the number of other faces of the same person."""

    row: int
    right_there: int | None
    neighbours: tuple[Neighbour, ...]


def rank(vectors: NDArray[np.float32], identity: Ints, photo: Ints) -> Ranking:
    """All queries among (n, d) unit vectors of identities (n,), -1 for unknown, on photos (n,)."""
    known = np.flatnonzero(identity >= 0)
    rows, precision, possible, averages = [], [], [], []
    for start in range(0, known.size, _QUERIES):
        block = known[start : start + _QUERIES]
        cosines = vectors[block] @ vectors[known].T
        for row, all_cosines in zip(block.tolist(), cosines, strict=True):
            candidate = photo[known] != photo[row]
            mate = candidate & (identity[known] == identity[row])
            if not mate.any():
                continue
            right = np.sort(all_cosines[mate])[::-1]
            wrong = np.sort(all_cosines[candidate & ~mate])
            place = np.arange(1, right.size + 1)
            ranks = place + wrong.size - np.searchsorted(wrong, right, side="left")
            rows.append(row)
            averages.append(float((place / ranks).mean()))
            precision.append([float((ranks <= k).sum() / k) for k in RANKS])
            possible.append([min(right.size, k) / k for k in RANKS])
    shape = (len(rows), len(RANKS))
    return Ranking(
        np.array(rows, np.int64),
        np.array(precision, np.float64).reshape(shape),
        np.array(possible, np.float64).reshape(shape),
        np.array(averages, np.float64),
    )


def quality_of(ranking: Ranking, identity: Ints, rng: np.random.Generator) -> RetrievalQuality | None:
    """The means with their intervals; None if no person has two photos."""
    if not ranking.row.size:
        return None
    whose = identity[ranking.row]
    columns = dict(zip(RANKS, ranking.precision.T, strict=True))
    return RetrievalQuality(
        queries=int(ranking.row.size),
        identities=len(np.unique(whose)),
        candidates=int((identity >= 0).sum()) - 1,
        precision={k: float(column.mean()) for k, column in columns.items()},
        precision_interval={k: _ends(mean_over_people(column, whose, rng)) for k, column in columns.items()},
        possible={k: float(column.mean()) for k, column in zip(RANKS, ranking.possible.T, strict=True)},
        mean_average_precision=float(ranking.average_precision.mean()),
        mean_average_precision_interval=_ends(mean_over_people(ranking.average_precision, whose, rng)),
    )


def draw_queries(faces: Faces, ranking: Ranking, count: int, rng: np.random.Generator) -> Ints:
    """Rows of `count` queries at random, in the order of the data: different people first, any face without names."""
    rows = ranking.row if ranking.row.size else np.arange(len(faces))
    whose = faces.identities()[rows]
    order = rng.permutation(rows.size)
    turn = np.empty(rows.size, np.int64)
    seen: dict[int, int] = {}
    for place in order.tolist():
        who = int(whose[place])
        turn[place] = seen[who] = seen.get(who, -1) + 1
    chosen = order[np.argsort(turn[order], kind="stable")][:count]
    return np.sort(rows[chosen])


def nearest(faces: Faces, rows: Sequence[int], count: int) -> list[Query]:
    """The `count` nearest of some faces, among named faces if the query has a name; equal distances wrong first."""
    identity, photo = faces.identities(), faces.photos()
    found = []
    for row in rows:
        named = identity[row] >= 0
        candidates = np.flatnonzero((photo != photo[row]) & (identity >= 0 if named else True))
        cosines = faces.vectors[candidates] @ faces.vectors[row]
        right = identity[candidates] == identity[row]
        order = np.lexsort((candidates, right, -cosines))[:count]
        gaps = distances(cosines[order], faces.metric)
        found.append(
            Query(
                int(row),
                int(right.sum()) if named else None,
                tuple(
                    Neighbour(int(candidates[place]), float(gap), bool(right[place]) if named else None)
                    for place, gap in zip(order.tolist(), gaps.tolist(), strict=True)
                ),
            )
        )
    return found


def _ends(interval: Interval | None) -> tuple[float, float] | None:
    return None if interval is None else (interval.low, interval.high)
