"""The index of a gallery that grows: exact while it is small, compressed from a size on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enrollment_db.index.arguments import checked_ids, checked_vectors
from enrollment_db.index.flat import FlatIndex
from enrollment_db.index.rabitq import RaBitQIndex


class GrowingIndex:
    """FlatIndex below `switch_at` vectors; with the one that reaches it, RaBitQIndex of what is held.

    It stays compressed when vectors are removed: a gallery at the border would go back and forth. The switch
    happens within the `add` that made it due, which takes about 4 microseconds a vector held.
    """

    def __init__(self, dim: int, *, switch_at: int, capacity: int = 1024) -> None:
        """`capacity` is how many vectors to make room for at first, before the switch and after it.

        Raises ValueError for a dimension or a switch below 1.
        """
        if switch_at < 1:
            raise ValueError(f"an index is compressed from 1 vector on or later, not {switch_at}")
        self._switch_at = switch_at
        self._capacity = capacity
        self._index: FlatIndex | RaBitQIndex = FlatIndex(dim, capacity=min(capacity, switch_at))

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._index.dim

    @property
    def compressed(self) -> bool:
        """Whether the switch has happened."""
        return isinstance(self._index, RaBitQIndex)

    @property
    def reason(self) -> str:
        """What this index is now, and why, in words."""
        when = "reached" if self.compressed else "not reached yet"
        return f"{self._index.reason}; compressed from {self._switch_at} on, {when}"

    def __len__(self) -> int:
        return len(self._index)

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add (n,) ids with (n, d) unit vectors; an id that is present, or given twice, keeps the last.

        Raises ValueError for another shape, values that are not finite, or negative ids.
        """
        vectors = checked_vectors(vectors, self.dim)
        ids = checked_ids(ids, len(vectors))
        # No more than the switch allows is ever held uncompressed, however many come at once.
        while isinstance(self._index, FlatIndex) and len(ids):
            room = self._switch_at - len(self._index)
            self._index.add(ids[:room], vectors[:room])
            ids, vectors = ids[room:], vectors[room:]
            if len(self._index) >= self._switch_at:
                self._index = self._compressed(self._index)
        self._index.add(ids, vectors)

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Forget (n,) ids; returns how many were present."""
        return self._index.remove(ids)

    def search(self, probes: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k nearest of each of (m, d) probes: cosines (m, k) falling, ids (m, k); see the two indexes."""
        return self._index.search(probes, k)

    def _compressed(self, flat: FlatIndex) -> RaBitQIndex:
        index = RaBitQIndex(flat.vectors, capacity=max(self._capacity, len(flat)))
        index.add(flat.ids, flat.vectors)
        return index
