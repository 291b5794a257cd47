"""Compares all pairs of a set of templates, tile by tile in bounded memory, for the metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceid.types import Metric

TILE = 1024


@dataclass(frozen=True, eq=False)
class Pairs:
    """Comparisons by ascending distance, and the templates compared.

    `distance` (n,) float64; `first` and `second` (n,) int64 number the templates, first < second.
    """

    distance: NDArray[np.float64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class AllPairs:
    """Every pair of n templates, summed up.

    `thresholds` (t,) with the exact counts `false_matches` and `false_non_matches` (t,) int64. `edges` (b + 1,) float64
    and `mated_histogram`, `non_mated_histogram` (b,) int64: bin k holds edges[k] <= distance < edges[k + 1], the last
    bin its upper edge too. `nearest`: all non-mated pairs at `reach` or closer (look-alikes, twins, label errors),
    `reach` is inf if none is left out; `farthest`: all mated pairs at `mated_reach` or farther. `identity` (n,) int64
    numbers each template's identity from 0.
    """

    identity: NDArray[np.int64]
    mated: int
    non_mated: int
    thresholds: NDArray[np.float64]
    false_matches: NDArray[np.int64]
    false_non_matches: NDArray[np.int64]
    edges: NDArray[np.float64]
    mated_histogram: NDArray[np.int64]
    non_mated_histogram: NDArray[np.int64]
    nearest: Pairs
    reach: float
    farthest: Pairs
    mated_reach: float


def compare_all(
    vectors: NDArray[np.float32],
    identity: Sequence[object] | NDArray[np.generic],
    metric: Metric,
    *,
    thresholds: Sequence[float] = (),
    keep: int = 200_000,
    bins: int = 4096,
) -> AllPairs:
    """Compare every pair of (n, d) unit vectors once; `identity` (n,) are labels of any kind.

    About `keep` pairs of each kind are held, so memory does not grow with the number of pairs. ValueError if a vector
    is not finite, or there is no mated or no non-mated pair.
    """
    names, numbers = np.unique(np.asarray(identity), return_inverse=True)
    numbers = numbers.astype(np.int64)
    if vectors.ndim != 2 or len(vectors) != numbers.size:
        raise ValueError(f"vectors {vectors.shape} for {numbers.size} identities")
    if not np.isfinite(vectors).all():
        raise ValueError("templates must be finite")
    if names.size < 2:
        raise ValueError("one identity only: without a second person there is no non-mated pair")
    if names.size == numbers.size:
        raise ValueError("every identity has one template only: there is no mated pair")
    bounds = np.asarray(thresholds, dtype=np.float64)
    edges = np.linspace(0.0, 2.0, bins + 1)
    errors = np.zeros((2, bounds.size), dtype=np.int64)
    histogram = np.zeros((2, bins), dtype=np.int64)
    nearest, farthest = Extremes(keep, 1.0), Extremes(keep, -1.0)
    for similarities, mated, first, second in tiles(vectors, numbers):
        distance = distances(similarities, metric)
        for kind, chosen in enumerate((mated, ~mated)):
            part = distance[chosen]
            # The bin of an edge must be the one that starts there, however the division rounds.
            place = np.clip((part * (bins / 2.0)).astype(np.int64), 0, bins - 1)
            place -= part < edges[place]
            place += (part >= edges[place + 1]) & (place < bins - 1)
            histogram[kind] += np.bincount(place, minlength=bins)
            matches = np.array([np.count_nonzero(part <= bound) for bound in bounds], dtype=np.int64)
            errors[kind] += matches if kind else part.size - matches
            (nearest if kind else farthest).add(part, first[chosen], second[chosen])
    near, reach = nearest.sorted()
    far, mated_reach = farthest.sorted()
    return AllPairs(
        identity=numbers,
        mated=int(histogram[0].sum()),
        non_mated=int(histogram[1].sum()),
        thresholds=bounds,
        false_matches=errors[1],
        false_non_matches=errors[0],
        edges=edges,
        mated_histogram=histogram[0],
        non_mated_histogram=histogram[1],
        nearest=near,
        reach=reach,
        farthest=far,
        mated_reach=mated_reach,
    )


def tiles(
    vectors: NDArray[np.float32], identity: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]]:
    """Every pair once, a tile at a time: similarities (m,), whether mated (m,), and the two template numbers (m,)."""
    for top in range(0, len(vectors), TILE):
        rows = np.arange(top, min(top + TILE, len(vectors)))
        for left in range(top, len(vectors), TILE):
            columns = np.arange(left, min(left + TILE, len(vectors)))
            block = vectors[rows] @ vectors[columns].T
            row, column = (
                np.triu_indices(rows.size, k=1)
                if left == top
                else np.divmod(np.arange(block.size), columns.size)
            )
            yield (
                block[row, column],
                identity[rows[row]] == identity[columns[column]],
                rows[row],
                columns[column],
            )


def distances(similarities: NDArray[np.floating], metric: Metric) -> NDArray[np.float64]:
    """`faceid.decision.scores.distance_from_similarity` for arrays."""
    gap = np.maximum(0.0, 1.0 - similarities.astype(np.float64))
    return gap if metric == "cosine" else np.sqrt(2.0 * gap)


class Extremes:
    """The `keep` pairs of smallest `sign` * distance of a stream, in memory for twice as many and one tile."""

    def __init__(self, keep: int, sign: float) -> None:
        self._keep = max(keep, 1)
        self._sign = sign
        self._parts: list[tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]] = []
        self._held = 0
        # Pairs beyond this are left out.
        self._bound = np.inf

    def add(self, distance: NDArray[np.float64], first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
        """Add pairs (m,) of the stream."""
        key = self._sign * distance
        chosen = key < self._bound
        self._parts.append((key[chosen], first[chosen], second[chosen]))
        self._held += int(np.count_nonzero(chosen))
        if self._held > 2 * self._keep:
            self._trim()

    def sorted(self) -> tuple[Pairs, float]:
        """The pairs by ascending distance, and the distance up to (from) which they are all of the stream."""
        if self._held > self._keep:
            self._trim()
        key, first, second = self._joined()
        order = np.argsort(self._sign * key, kind="stable")
        pairs = Pairs(self._sign * key[order], first[order], second[order])
        reach = self._bound if np.isinf(self._bound) else np.nextafter(self._bound, -np.inf)
        return pairs, float(self._sign * reach)

    def _trim(self) -> None:
        key, first, second = self._joined()
        # Equal distances at the border are dropped together, so that all pairs of the stream below it are held.
        self._bound = float(np.partition(key, self._keep)[self._keep])
        chosen = key < self._bound
        self._parts = [(key[chosen], first[chosen], second[chosen])]
        self._held = int(np.count_nonzero(chosen))

    def _joined(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        keys, firsts, seconds = zip(*self._parts, strict=True)
        return np.concatenate(keys), np.concatenate(firsts), np.concatenate(seconds)
