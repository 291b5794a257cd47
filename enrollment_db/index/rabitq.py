"""Compressed search on the CPU: one bit a value finds the candidates, 16 bits a value put them in order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrollment_db.index.arguments import checked_ids, checked_k, checked_vectors
from enrollment_db.index.rows import Rows

# Live rows that are compared in 16 bits for each probe, and some more for each further neighbour asked for. Of
# a million embeddings of 128 floats, 2016 held the exact nearest of 998 in 1000 probes, and 3016 that of all.
_CANDIDATES = 3000
_CANDIDATES_PER_NEIGHBOUR = 16

# Dead rows are dropped when they are this many and this share. Below, they cost a search next to nothing.
_DEAD_ROWS = 4096
_DEAD_SHARE = 0.25

# Bounds of the memory that encoding and searching take.
_ENCODED_AT_ONCE = 65_536
_FETCHED_AT_ONCE = 2**20
_PROBES_AT_ONCE = 256


class RaBitQIndex:
    """RaBitQ codes (1 bit a value, faiss's fast scan) over `Rows` of 16 bits a value.

    What it returns is right: only ids that are held, with cosines as precise as `Rows`, falling, equal ones
    by id. What it may miss is a near vector that was not among the candidates of the one-bit comparison.

    Faiss cannot remove from such an index, nor filter its search. A removed row is therefore marked, more
    rows are fetched until enough live ones came back, and when a quarter is dead the index is built again
    beside the old one, which is then let go. That happens within the `add` or `remove` that made it due.
    """

    def __init__(
        self, sample: NDArray[np.float32], *, capacity: int = 0, candidates: int = _CANDIDATES
    ) -> None:
        """An empty index for vectors like the (n, d) `sample`, of which it takes the mean alone; n >= 1.

        The one-bit codes are of the difference from that mean: embeddings of faces lie around it, not around
        zero. `candidates` is how many live rows are looked at closely for each probe.
        """
        if sample.ndim != 2 or not len(sample):
            raise ValueError(f"a sample has shape (n, d) with n >= 1, not {sample.shape}")
        self._dim = int(sample.shape[1])
        self._candidates = candidates
        self._rotation = _rotation(self._dim)
        self._rows = Rows(self._dim, capacity=capacity)
        self._bits = self._trained(checked_vectors(sample, self._dim))

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    @property
    def reason(self) -> str:
        """What this index is, in words."""
        return (
            f"compressed (RaBitQ, {self._candidates} candidates compared in 16 bits): "
            f"{self._rows.live} templates, {self._rows.dead} removed ones not yet dropped"
        )

    @property
    def dead(self) -> int:
        """How many removed or replaced rows still take up room."""
        return self._rows.dead

    def __len__(self) -> int:
        return self._rows.live

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add (n,) ids with (n, d) unit vectors; an id that is present, or given twice, keeps the last.

        Raises ValueError for another shape, values that are not finite, or negative ids.
        """
        vectors = checked_vectors(vectors, self._dim)
        ids = checked_ids(ids, len(vectors))
        _, from_behind = np.unique(ids[::-1], return_index=True)
        if len(from_behind) < len(ids):
            last = np.sort(len(ids) - 1 - from_behind)
            ids, vectors = ids[last], vectors[last]
        self._encode(self._bits, vectors)
        self._rows.append(ids, vectors)
        self._compact_if_due()

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Forget (n,) ids; returns how many were present."""
        removed = self._rows.kill(np.asarray(ids, np.int64))
        self._compact_if_due()
        return removed

    def search(self, probes: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k nearest candidates of each of (m, d) unit probes: cosines (m, k) falling, ids (m, k).

        Equal cosines are ordered by id. Where fewer than k are held, the rest is -inf and -1; otherwise there
        are k, whatever was removed.

        Raises ValueError for another shape, values that are not finite, or k below 1.
        """
        probes = checked_vectors(probes, self._dim)
        cosines = np.full((len(probes), checked_k(k)), -np.inf, np.float32)
        ids = np.full((len(probes), k), -1, np.int64)
        held = min(k, self._rows.live)
        if held:
            wanted = self._candidates + _CANDIDATES_PER_NEIGHBOUR * held
            fetch = wanted * len(self._rows) // self._rows.live
            block = min(_PROBES_AT_ONCE, 1 + _FETCHED_AT_ONCE // fetch)
            for start in range(0, len(probes), block):
                part = slice(start, start + block)
                first = self._fetched(probes[part], fetch)
                for i, rows in enumerate(first, start):
                    self._nearest(probes[i], rows, wanted, cosines[i, :held], ids[i, :held])
        return cosines, ids

    def compact(self) -> None:
        """Drop the dead rows now. The index is as it was until the new one is whole, if that fails too."""
        rows = self._rows.compacted()
        every = np.arange(len(rows))
        sample = rows if len(rows) else self._rows
        bits = self._trained(sample.vectors(np.arange(min(len(sample), _ENCODED_AT_ONCE))))
        for start in range(0, len(rows), _ENCODED_AT_ONCE):
            self._encode(bits, rows.vectors(every[start : start + _ENCODED_AT_ONCE]))
        self._rows, self._bits = rows, bits

    def _compact_if_due(self) -> None:
        if self._rows.dead >= _DEAD_ROWS and self._rows.dead >= _DEAD_SHARE * len(self._rows):
            self.compact()

    def _nearest(
        self,
        probe: NDArray[np.float32],
        rows: NDArray[np.int64],
        wanted: int,
        cosines: NDArray[np.float32],
        ids: NDArray[np.int64],
    ) -> None:
        """Fill in `cosines` and `ids` (k,) from the fetched `rows`, fetching more where they do not do."""
        k = len(cosines)
        while True:
            live = rows[(rows >= 0) & (self._rows.ids[rows] >= 0)]
            every = len(rows) == len(self._rows)
            # Half of what is wanted will do: the dead are not spread evenly, and fetching twice costs double.
            if every or len(live) >= max(k, wanted // 2):
                found, held, farther = self._rows.nearest(probe, live, k)
                # Where none is farther than the last there may be more as near, with lower ids.
                if every or farther:
                    cosines[:], ids[:] = found, held
                    return
            rows = self._fetched(probe[None], 4 * len(rows))[0]

    def _fetched(self, probes: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """The rows (m, count) that look nearest by their bits, dead ones among them; or all (m, rows)."""
        size = len(self._rows)
        if 2 * count >= size:
            return np.broadcast_to(np.arange(size), (len(probes), size))
        _, rows = self._bits.search(probes @ self._rotation, count)
        fetched: NDArray[np.int64] = rows
        return fetched

    def _trained(self, sample: NDArray[np.float32]) -> Any:
        import faiss

        bits = faiss.index_factory(self._dim, "RaBitQfs", faiss.METRIC_INNER_PRODUCT)
        bits.train(sample @ self._rotation)
        return bits

    def _encode(self, bits: Any, vectors: NDArray[np.float32]) -> None:
        for start in range(0, len(vectors), _ENCODED_AT_ONCE):
            bits.add(vectors[start : start + _ENCODED_AT_ONCE] @ self._rotation)


def _rotation(dim: int) -> NDArray[np.float32]:
    """A random rotation (dim, dim), the same each time: it spreads over all bits what a few values say."""
    gaussian = np.random.default_rng(dim).standard_normal((dim, dim))
    return np.linalg.qr(gaussian)[0].astype(np.float32)
