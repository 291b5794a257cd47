"""Exact search in NumPy: the oracle that every other index must agree with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from enrollment_db.index.arguments import checked_dim, checked_ids, checked_k, checked_vectors, rounding

# Bounds of the memory that a search takes, whatever is asked of it: scores of 256 x 16384 float32 are 16 MB.
_PROBES_AT_ONCE = 256
_ROWS_AT_ONCE = 16_384

_GONE = -1


class FlatIndex:
    """All vectors in one array, compared with every probe.

    What it finds depends on the vectors and ids alone, to the last bit: not on the order in which they came,
    nor on how many probes are searched together. Matrix products do not give that (BLAS rounds by position),
    so they only select; the cosines that are returned and ordered by are summed pair by pair in float64.
    """

    def __init__(self, dim: int, *, capacity: int = 1024) -> None:
        """`capacity` is how many vectors to make room for at first; the array doubles when it is full."""
        self._dim = checked_dim(dim)
        self._size = 0
        self._vectors = np.empty((max(capacity, 1), dim), np.float32)
        self._ids = np.empty(len(self._vectors), np.int64)
        # Where an id is: `_row_of` says so of all that were added, moved or removed (_GONE) since `adopt`, of the
        # others their place in `_known` is the row. A dict of a million ids would take 100 MB and 0.2 s.
        self._known = np.empty(0, np.int64)
        self._row_of: dict[int, int] = {}

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    @property
    def reason(self) -> str:
        """What this index is, in words."""
        return f"exact (NumPy): all of {self._size} templates compared in float32"

    def __len__(self) -> int:
        return self._size

    @property
    def ids(self) -> NDArray[np.int64]:
        """(n,) int64: the ids that are held, in the order of `vectors`. Not to be written to."""
        return self._ids[: self._size]

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(n, d) float32: the vectors that are held. Not to be written to."""
        return self._vectors[: self._size]

    def adopt(self, known: NDArray[np.int64], ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Take over rows that are in memory, or mapped, without a copy; the index must never have been used.

        `known` (n,) are the ids, ascending and not negative. `ids` (c,) and `vectors` (c, d) belong to the index
        from now on: they begin with the same n rows and have room for c - n more.

        Raises ValueError for other shapes or ids, or if the index was used.
        """
        if self._size or self._row_of or len(self._known):
            raise ValueError("the index has been used")
        if vectors.shape != (len(ids), self._dim) or len(known) > len(ids) or len(ids) < 1:
            raise ValueError(f"{known.shape} of {ids.shape} ids came with vectors of shape {vectors.shape}")
        if (known[:1] < 0).any() or (known[1:] <= known[:-1]).any():
            raise ValueError("ids are ascending and not negative")
        self._known, self._ids, self._vectors, self._size = known, ids, vectors, len(known)

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add (n,) ids with (n, d) unit vectors; an id that is present, or given twice, keeps the last.

        Raises ValueError for another shape, values that are not finite, or negative ids.
        """
        vectors = checked_vectors(vectors, self._dim)
        ids = checked_ids(ids, len(vectors))
        self._reserve(self._size + len(ids))
        rows = []
        for id_, known in zip(ids.tolist(), self._known_rows(ids), strict=True):
            row = self._row_of.get(id_, known)
            if row == _GONE:
                row = self._row_of[id_] = self._size
                self._size += 1
            rows.append(row)
        self._vectors[rows] = vectors
        self._ids[rows] = ids

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Forget (n,) ids; returns how many were present. The last row moves into each gap."""
        before = self._size
        ids = np.asarray(ids, np.int64)
        for id_, known in zip(ids.tolist(), self._known_rows(ids), strict=True):
            row = self._row_of.pop(id_, known)
            if known != _GONE:
                self._row_of[id_] = _GONE
            if row == _GONE:
                continue
            self._size -= 1
            if row != self._size:
                self._vectors[row] = self._vectors[self._size]
                self._ids[row] = self._ids[self._size]
                self._row_of[int(self._ids[row])] = row
        return before - self._size

    def search(self, probes: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k nearest of each of (m, d) probes: cosines (m, k) falling, ids (m, k).

        Equal cosines are ordered by id. Where fewer than k are held, the rest is -inf and -1.

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
        """Fill in the nearest of a block of probes: `cosines` and `ids` are (m, k) with 1 <= k <= size."""
        for start, scores in self._scores(probes):
            for i, row_scores in enumerate(scores):
                near = _contenders(row_scores, cosines[i], rounding(self._dim))
                self._merge(probes[i], near + start, cosines[i], ids[i])

    def _scores(self, probes: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Approximate cosines (m, r) of r rows from a first one on, part by part over all rows."""
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
        """Bring the rows among the k nearest that were found so far, exactly."""
        exact = (self._vectors[rows].astype(np.float64) * probe.astype(np.float64)).sum(axis=1)
        all_cosines = np.concatenate((cosines, np.clip(exact, -1, 1).astype(np.float32)))
        all_ids = np.concatenate((ids, self._ids[rows]))
        order = np.lexsort((all_ids, -all_cosines))[: len(cosines)]
        cosines[:], ids[:] = all_cosines[order], all_ids[order]

    def _known_rows(self, ids: NDArray[np.int64]) -> list[int]:
        """The places of (n,) ids among those that were adopted, _GONE for others."""
        if not len(self._known):
            return [_GONE] * len(ids)
        places = np.minimum(np.searchsorted(self._known, ids), len(self._known) - 1)
        rows: list[int] = np.where(self._known[places] == ids, places, _GONE).tolist()
        return rows

    def _reserve(self, size: int) -> None:
        if size <= len(self._vectors):
            return
        capacity = max(size, 2 * len(self._vectors))
        vectors = np.empty((capacity, self._dim), np.float32)
        ids = np.empty(capacity, np.int64)
        vectors[: self._size] = self._vectors[: self._size]
        ids[: self._size] = self._ids[: self._size]
        self._vectors, self._ids = vectors, ids


def _contenders(scores: NDArray[np.float32], best: NDArray[np.float32], slack: float) -> NDArray[np.int64]:
    """Where the (r,) approximate `scores` can belong among the k nearest, of which `best` (k,) are known."""
    k = len(best)
    near = np.flatnonzero(scores >= best[-1] - slack)
    if len(near) > k:
        # Among the rows themselves there are k at least as near as this.
        floor = np.partition(scores[near], len(near) - k)[len(near) - k] - slack
        near = near[scores[near] >= floor]
    return near
