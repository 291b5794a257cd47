"""The index of a gallery that grows: exact while it is small, compressed from a size on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from enrollment_db.search.index.arguments import checked_ids, checked_vectors
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.index.kept import Kept
from enrollment_db.search.index.refined import RefinedIndex
from enrollment_db.search.index.selector import Selector


class GrowingIndex:
    """FlatIndex below `switch_at` vectors; with the one that reaches it, RefinedIndex of what is held.

    It stays compressed when vectors are removed, all but the last: a gallery at the border would go back and forth.
    The switch happens within the `add` that made it due, which takes about 4 microseconds a vector held.
    """

    def __init__(
        self, dim: int, make: Callable[[int], Selector], *, switch_at: int, expected: int = 0
    ) -> None:
        """`make` and `expected` are as for RefinedIndex.

        Raises ValueError for a dimension or a switch below 1.
        """
        if switch_at < 1:
            raise ValueError(f"an index is compressed from 1 vector on or later, not {switch_at}")
        self._dim = dim
        self._make = make
        self._switch_at = switch_at
        self._expected = expected
        self.clear()

    def clear(self) -> None:
        """Forget all, as if it had never been used."""
        room = self._expected + self._expected // 4 + 1024
        self._index: FlatIndex | RefinedIndex = FlatIndex(self._dim, capacity=min(room, self._switch_at))

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    @property
    def compressed(self) -> bool:
        """Whether the switch has happened."""
        return isinstance(self._index, RefinedIndex)

    @property
    def reason(self) -> str:
        """What this index is now, and why, in words."""
        later = "" if self.compressed else f"; compressed from {self._switch_at:,} on"
        return f"{self._index.reason}{later}"

    @property
    def dead(self) -> int:
        """How many removed or replaced rows still take up room."""
        return self._index.dead

    @property
    def precision(self) -> float:
        """How far a value of a held vector can be from the one that was added."""
        return self._index.precision

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
        removed = self._index.remove(ids)
        if removed and not len(self._index):
            # What a selector was trained on says something of those who are gone.
            self.clear()
        return removed

    def search(self, probes: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k nearest of each of (m, d) probes: cosines (m, k) falling, ids (m, k); see the two indexes."""
        return self._index.search(probes, k)

    def held(self) -> NDArray[np.int64]:
        """All ids, (n,), in no order. A view: look, do not keep."""
        return self._index.held()

    def vectors(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors (n, d) of (n,) ids, to `precision`. Raises KeyError for one that is not held."""
        return self._index.vectors(ids)

    def unreachable(self) -> NDArray[np.int64]:
        """Ids (n,) that are held and that no search could find."""
        return self._index.unreachable()

    def compact(self) -> None:
        """Drop what was removed now."""
        self._index.compact()

    def dump(self) -> Kept | None:
        """All of it as arrays for `load`. Views: to be written before anything is changed."""
        return self._index.dump()

    def load(self, kept: Kept) -> bool:
        """Take up what either index has dumped; see there. Many uncompressed vectors are compressed."""
        flat = FlatIndex(self._dim, capacity=1)
        if flat.load(kept):
            self._index = flat if len(flat) < self._switch_at else self._compressed(flat)
            return True
        refined = RefinedIndex(self._dim, self._make, expected=self._expected)
        if refined.load(kept):
            self._index = refined
            return True
        return False

    def _compressed(self, flat: FlatIndex) -> RefinedIndex:
        index = RefinedIndex(self._dim, self._make, expected=max(self._expected, len(flat)))
        ids = flat.held()
        index.add(ids, flat.vectors(ids))
        return index
