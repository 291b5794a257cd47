"""Groups faces by constrained average linkage on a graph of neighbours.

The two groups with the most similar faces on average are joined, while that average reaches a bound and no two faces of
known different people come together (UPGMA, Sokal and Michener 1958; constraints as Davidson and Ravi 2005). The mean
cosine over all pairs of two groups of unit vectors is the product of their mean vectors, so it is exact without a
matrix of distances. If it reaches the bound, at least one pair does: pairs of groups without such a pair, an edge of
the graph, are skipped.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from enrollment_db.search.index import open_index

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

NEIGHBOURS = 64
"""The most edges from a face to its nearest faces. Groups beyond so many nearer faces stay hidden."""

_PROBES = 4096


@dataclass(frozen=True, eq=False)
class Graph:
    """Pairs of similar faces: `first` < `second` (m,) int64 and their cosines (m,) float64."""

    first: Ints
    second: Ints
    cosine: Floats


def graph_of(vectors: NDArray[np.float32], least: float, neighbours: int = NEIGHBOURS) -> Graph:
    """The pairs of (n, d) unit vectors with a cosine of at least `least`, for each face at most the nearest
    `neighbours`.

    The search uses the index of a gallery with n templates: exact up to 50,000.
    """
    count, dim = vectors.shape
    index = open_index(dim, expected=count)
    rows = np.arange(count, dtype=np.int64)
    index.add(rows, vectors)
    found: list[tuple[Ints, Ints, Floats]] = []
    for start in range(0, count, _PROBES):
        cosines, ids = index.search(vectors[start : start + _PROBES], min(neighbours + 1, count))
        own = np.repeat(rows[start : start + _PROBES], ids.shape[1])
        flat, near = ids.ravel(), cosines.ravel().astype(np.float64)
        kept = (flat != own) & (flat >= 0) & (near >= least)
        found.append((np.minimum(own, flat)[kept], np.maximum(own, flat)[kept], near[kept]))
    first, second, cosine = (np.concatenate(column) for column in zip(*found, strict=True))
    _, once = np.unique(first * count + second, return_index=True)
    return Graph(first[once], second[once], cosine[once])


def cluster(vectors: NDArray[np.float32], graph: Graph, least: float, cannot: Ints) -> Ints:
    """The group of each of (n, d) unit vectors: (n,) int64 from 0, largest group first.

    `least` is the mean cosine to which groups are joined. `cannot` (c, 2) are rows of different people: no group has
    both rows of a pair. Raises ValueError for a pair of a row with itself.
    """
    if (cannot[:, 0] == cannot[:, 1]).any():
        raise ValueError("a face cannot be kept apart from itself")
    groups = _Groups(vectors, graph, least, cannot)
    groups.join()
    return numbered(groups.roots())


def numbered(labels: Ints) -> Ints:
    """Labels (n,) as numbers from 0: by size, largest first, equal ones by their first face."""
    _, first, whose, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    place = np.empty(len(sizes), np.int64)
    place[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return place[whose.reshape(-1)]


class _Groups:
    """Groups by the row of a representative face; a group that was joined to another no longer exists."""

    def __init__(self, vectors: NDArray[np.float32], graph: Graph, least: float, cannot: Ints) -> None:
        self._least = least
        self._sums = vectors.astype(np.float64)
        self._sizes = np.ones(len(vectors))
        self._parent = np.arange(len(vectors))
        self._age = np.zeros(len(vectors), np.int64)
        self._near: list[set[int]] = [set() for _ in vectors]
        self._apart: list[set[int]] = [set() for _ in vectors]
        for one, other in cannot.tolist():
            self._apart[one].add(other)
            self._apart[other].add(one)
        self._heap: list[tuple[float, int, int, int, int]] = []
        rows = zip(graph.first.tolist(), graph.second.tolist(), graph.cosine.tolist(), strict=True)
        for one, other, cosine in rows:
            self._near[one].add(other)
            self._near[other].add(one)
            if cosine >= least and other not in self._apart[one]:
                self._heap.append((-cosine, one, other, 0, 0))
        heapq.heapify(self._heap)

    def join(self) -> None:
        """Join the most similar groups until no pair reaches the bound."""
        while self._heap:
            _, one, other, age, other_age = heapq.heappop(self._heap)
            # An entry describes earlier groups: if one has grown or was joined since, a newer entry counts.
            if age == self._age[one] and other_age == self._age[other]:
                self._merge(one, other)

    def roots(self) -> Ints:
        """The group of each face."""
        parent = self._parent
        while not np.array_equal(parent, parent[parent]):
            parent = parent[parent]
        return parent

    def _merge(self, one: int, other: int) -> None:
        if len(self._near[one]) < len(self._near[other]):
            one, other = other, one
        self._parent[other] = one
        self._sums[one] += self._sums[other]
        self._sizes[one] += self._sizes[other]
        self._age[one] += 1
        self._age[other] = -1
        for relation in (self._near, self._apart):
            for third in relation[other]:
                relation[third].discard(other)
                if third != one:
                    relation[third].add(one)
                    relation[one].add(third)
            relation[other] = set()
        # No group is its own neighbour; it never had a cannot-link to itself, or it would not have been joined.
        self._near[one].discard(one)
        self._offer(one)

    def _offer(self, one: int) -> None:
        others = np.array(sorted(self._near[one] - self._apart[one]), np.int64)
        if not others.size:
            return
        means = self._sums[others] @ self._sums[one] / (self._sizes[others] * self._sizes[one])
        for other, mean in zip(others.tolist(), means.tolist(), strict=True):
            if mean >= self._least:
                low, high = min(one, other), max(one, other)
                heapq.heappush(self._heap, (-mean, low, high, int(self._age[low]), int(self._age[high])))


def same_photo(photos: Ints) -> Ints:
    """All pairs (c, 2) of rows on one photo, from the photo of each face (n,): two faces on it are two people."""
    order = np.argsort(photos, kind="stable")
    _, starts = np.unique(photos[order], return_index=True)
    pairs = [
        (int(rows[one]), int(rows[other]))
        for rows in np.split(order, starts[1:])
        for one in range(len(rows))
        for other in range(one + 1, len(rows))
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)
