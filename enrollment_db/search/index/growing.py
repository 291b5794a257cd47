"""The index of a gallery that grows: exact while it is small, compressed above a limit."""

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
    """FlatIndex below `switch_at` vectors, RefinedIndex from that number on.

    It stays compressed until the last vector is removed, so that a gallery at the limit does not switch back and forth.
    The switch happens inside an `add`, which then takes about 4 microseconds a stored vector.
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
        """Return to the state of a new index."""
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
        """A description of the present index, with the reason for it."""
        later = "" if self.compressed else f"; compressed from {self._switch_at:,} on"
        return f"{self._index.reason}{later}"

    @property
    def dead(self) -> int:
        """The number of removed or replaced rows that still take up room."""
        return self._index.dead

    @property
    def precision(self) -> float:
        """The largest error of a stored value."""
        return self._index.precision

    def __len__(self) -> int:
        return len(self._index)

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add (n,) ids with (n, d) unit vectors; of an id that is present, or given twice, the last vector counts.

        Raises ValueError for another shape, values that are not finite, or negative ids.
        """
        vectors = checked_vectors(vectors, self.dim)
        ids = checked_ids(ids, len(vectors))
        # Even for a large addition, no more vectors than the limit are ever held uncompressed.
        while isinstance(self._index, FlatIndex) and len(ids):
            room = self._switch_at - len(self._index)
            self._index.add(ids[:room], vectors[:room])
            ids, vectors = ids[room:], vectors[room:]
            if len(self._index) >= self._switch_at:
                self._index = self._compressed(self._index)
        self._index.add(ids, vectors)

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Remove (n,) ids; returns the number that were present."""
        removed = self._index.remove(ids)
        if removed and not len(self._index):
            # A trained selector still holds information about the removed people.
            self.clear()
        return removed

    def search(self, probes: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k nearest of each of (m, d) probes: cosines (m, k), descending, and ids (m, k); see the two indexes."""
        return self._index.search(probes, k)

    def held(self) -> NDArray[np.int64]:
        """All ids, (n,), in no order. A view: valid until the next change."""
        return self._index.held()

    def vectors(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors (n, d) of (n,) ids, to `precision`. Raises KeyError for an unknown id."""
        return self._index.vectors(ids)

    def unreachable(self) -> NDArray[np.int64]:
        """Ids (n,) that are held and that no search can find."""
        return self._index.unreachable()

    def compact(self) -> None:
        """Free the room of removed vectors now."""
        self._index.compact()

    def dump(self) -> Kept | None:
        """The whole index as arrays for `load`. They are views: write them before the next change."""
        return self._index.dump()

    def load(self, kept: Kept) -> bool:
        """Load the dump of either index; see there. Vectors above the limit are compressed."""
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
