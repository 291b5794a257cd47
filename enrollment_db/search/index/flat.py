"""Exact search in NumPy: the reference for every other index."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from enrollment_db.search.index.arguments import (
    checked_dim,
    checked_ids,
    checked_k,
    checked_vectors,
    last_of_each,
    rounding,
)
from enrollment_db.search.index.kept import Kept
from enrollment_db.search.index.places import NOWHERE, Places

# Bounds of the memory of any search: scores of 256 x 16384 float32 are 16 MB.
_PROBES_AT_ONCE = 256
_ROWS_AT_ONCE = 16_384


class FlatIndex:
    """All vectors in one array, compared with every probe.

    The results depend on the vectors and ids alone, to the last bit: not on the order of additions, nor on the number
    of probes in a search. Matrix products are not so exact (BLAS rounds by position), so they only select. The returned
    cosines, which also give the order, are summed pair by pair in float64.
    """

    def __init__(self, dim: int, *, capacity: int = 1024) -> None:
        """`capacity` is the initial room, in vectors; the array doubles when it is full."""
        self._dim = checked_dim(dim)
        self._capacity = max(capacity, 1)
        self.clear()

    def clear(self) -> None:
        """Return to the state of a new index."""
        self._size = 0
        self._vectors = np.empty((self._capacity, self._dim), np.float32)
        self._ids = np.empty(self._capacity, np.int64)
        self._places = Places()
        self._replaced()

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    @property
    def reason(self) -> str:
        """A description of this index."""
        return f"exact (NumPy): all of {self._size:,} templates compared in float32"

    @property
    def dead(self) -> int:
        """The number of removed rows that still take up room: none."""
        return 0

    @property
    def precision(self) -> float:
        """The largest error of a stored value: 0."""
        return 0.0

    def __len__(self) -> int:
        return self._size

    def held(self) -> NDArray[np.int64]:
        """All ids, (n,), in no order. A view: valid until the next change."""
        return self._ids[: self._size]

    def vectors(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors (n, d) of (n,) ids. Raises KeyError for an unknown id."""
        return self._vectors[self._places.held(ids)]

    def unreachable(self) -> NDArray[np.int64]:
        """Ids (n,) that are held and that no search can find: none."""
        return np.empty(0, np.int64)

    def compact(self) -> None:
        """Nothing to do: each gap is filled at once."""

    def dump(self) -> Kept | None:
        """The whole index as arrays for `load`. They are views: write them before the next change."""
        if not self._size:
            return None
        return Kept(self._size, {"ids": self.held(), "vectors": self._vectors[: self._size]}, {})

    def load(self, kept: Kept) -> bool:
        """Load dumped arrays, which belong to the index from now on; the index must be unused.

        Returns False and changes nothing for a dump of another kind or dimension. Raises ValueError for invalid arrays.
        """
        if "vectors" not in kept.by_row or kept.by_row["vectors"].shape[1:] != (self._dim,):
            return False
        ids, vectors = kept.by_row["ids"], kept.by_row["vectors"]
        if not len(ids) == len(vectors) >= kept.count:
            raise ValueError(f"{kept.count} of {ids.shape} ids came with vectors of shape {vectors.shape}")
        places = Places.of(ids[: kept.count], np.arange(kept.count))
        self._ids, self._vectors, self._size, self._places = ids, vectors, kept.count, places
        self._replaced()
        return True

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add (n,) ids with (n, d) unit vectors; of an id that is present, or given twice, the last vector counts.

        Raises ValueError for another shape, values that are not finite, or negative ids.
        """
        vectors = checked_vectors(vectors, self._dim)
        ids, vectors = last_of_each(checked_ids(ids, len(vectors)), vectors)
        rows = self._places.rows(ids)
        fresh = rows == NOWHERE
        end = self._size + int(fresh.sum())
        self._reserve(end)
        rows[fresh] = np.arange(self._size, end)
        self._size = end
        self._vectors[rows] = vectors
        self._ids[rows] = ids
        self._places.put(ids, rows)
        self._written(rows)

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Remove (n,) ids; returns the number that were present. The last rows move into the gaps."""
        ids = np.unique(np.asarray(ids, np.int64))
        rows = self._places.rows(ids)
        ids, rows = ids[rows != NOWHERE], rows[rows != NOWHERE]
        self._places.drop(ids)
        size = self._size - len(rows)
        moved, gaps = np.setdiff1d(np.arange(size, self._size), rows), rows[rows < size]
        self._vectors[gaps] = self._vectors[moved]
        self._ids[gaps] = self._ids[moved]
        self._places.put(self._ids[gaps], gaps)
        self._size = size
        self._written(gaps)
        return len(rows)

    def search(self, probes: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k nearest of each of (m, d) probes: cosines (m, k), descending, and ids (m, k).

        Equal cosines are ordered by id. With fewer than k vectors, the rest is -inf and -1.

        Raises ValueError for another shape, values that are not finite, or k below 1.
        """
        probes = checked_vectors(probes, self._dim)
        cosines = np.full((len(probes), checked_k(k)), -np.inf, np.float32)
        ids = np.full((len(probes), k), -1, np.int64)
        held = min(k, self._size)
        if held:
            for start in range(0, len(probes), _PROBES_AT_ONCE):
                block = slice(start, start + _PROBES_AT_ONCE)
                self._search(probes[block], cosines[block, :held], ids[block, :held])
        return cosines, ids

    def _search(
        self, probes: NDArray[np.float32], cosines: NDArray[np.float32], ids: NDArray[np.int64]
    ) -> None:
        """Fill in the nearest vectors of a block of probes: `cosines` and `ids` are (m, k) with 1 <= k <= size."""
        for start, scores in self._scores(probes):
            for i, row_scores in enumerate(scores):
                near = _contenders(row_scores, cosines[i], rounding(self._dim))
                self._merge(probes[i], near + start, cosines[i], ids[i])

    def _scores(self, probes: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """The first row of each part of all rows, and the approximate cosines (m, r) of its r rows."""
        for start in range(0, self._size, _ROWS_AT_ONCE):
            rows = self._vectors[start : min(start + _ROWS_AT_ONCE, self._size)]
            yield start, probes @ rows.T

    def _merge(
        self,
        probe: NDArray[np.float32],
        rows: NDArray[np.int64],
        cosines: NDArray[np.float32],
        ids: NDArray[np.int64],
    ) -> None:
        """Merge rows, by their exact cosines, into the k nearest that were found so far."""
        exact = (self._vectors[rows].astype(np.float64) * probe.astype(np.float64)).sum(axis=1)
        all_cosines = np.concatenate((cosines, np.clip(exact, -1, 1).astype(np.float32)))
        all_ids = np.concatenate((ids, self._ids[rows]))
        order = np.lexsort((all_ids, -all_cosines))[: len(cosines)]
        cosines[:], ids[:] = all_cosines[order], all_ids[order]

    def _written(self, rows: NDArray[np.int64]) -> None:
        """Called after the vectors of (n,) rows changed, for an index that holds a copy of them."""

    def _replaced(self) -> None:
        """Called after the array of vectors was replaced."""

    def _reserve(self, size: int) -> None:
        if size <= len(self._vectors):
            return
        capacity = max(size, 2 * len(self._vectors))
        vectors = np.empty((capacity, self._dim), np.float32)
        ids = np.empty(capacity, np.int64)
        vectors[: self._size] = self._vectors[: self._size]
        ids[: self._size] = self._ids[: self._size]
        self._vectors, self._ids = vectors, ids
        self._replaced()


def _contenders(scores: NDArray[np.float32], best: NDArray[np.float32], slack: float) -> NDArray[np.int64]:
    """The places in (r,) approximate `scores` that may be among the k nearest; `best` (k,) are the known ones."""
    k = len(best)
    near = np.flatnonzero(scores >= best[-1] - slack)
    if len(near) > k:
        # At least k of the rows themselves are as near as this.
        floor = np.partition(scores[near], len(near) - k)[len(near) - k] - slack
        near = near[scores[near] >= floor]
    return near
