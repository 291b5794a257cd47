"""Finding the nearest of many vectors: one port, exact and compressed search behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind: TypeAlias = Literal["auto", "numpy", "faiss", "growing", "rabitq"]

SWITCH_AT = 100_000
"""How many vectors `growing` compares exactly before it compresses them.

Measured on one thread with 128 floats: exact search takes 1.2 ms for one probe of 30,000 vectors, 4.3 ms of
100,000 and 41 ms of a million; compressed 2.5, 3.0 and 8.4 ms. The lines cross between 30,000 and
100,000, but at 100,000 the compressed one also costs half a second and 100 MB before its first answer, the memory
mostly for faiss: no bargain for a gallery that is answered in a few milliseconds anyway.
"""

_TRAINED_ON = 1024
"""How many vectors `rabitq` waits for: their mean is what its codes are relative to."""


class VectorIndex(Protocol):
    """Holds ids and unit vectors, nothing else; can be thrown away and rebuilt at any time."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def reason(self) -> str:
        """What the index is at this moment, and why, in words for an operator."""
        ...

    def __len__(self) -> int:
        """How many vectors can be found."""
        ...

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add (n,) ids with (n, d) vectors; an id that is present is replaced. Raises ValueError."""
        ...

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Forget (n,) ids, ignoring unknown ones; returns how many were present."""
        ...

    def search(self, probes: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Cosines (m, k) falling, equal ones by id, and ids (m, k); -inf and -1 where there are fewer."""
        ...


def open_index(dim: int, kind: Kind = "auto", *, expected: int = 0) -> VectorIndex:
    """An empty index for vectors of length `dim`, with room for the `expected` number of them.

    - `numpy` and `faiss` are exact, and alike in speed on a CPU; importing faiss takes 0.3 s.
    - `rabitq` compresses as soon as it holds a thousand vectors, `growing` from SWITCH_AT on.
    - `auto` is NumPy: snapshots on disk hold what it maps into memory in a fraction of a second, and nothing
      compressed yet, which would have to be made anew at each opening.

    Raises ValueError for a dimension below 1 or another kind.
    """
    # Room that is not used costs address space, not memory, while making more copies all there is: the first
    # enrolment after opening should not pay for that.
    capacity = expected + expected // 4 + 1024
    # Each costs its imports only when it is chosen.
    if kind in ("auto", "numpy"):
        from enrollment_db.index.flat import FlatIndex

        return FlatIndex(dim, capacity=capacity)
    if kind == "faiss":
        from enrollment_db.index.faiss import FaissFlatIndex

        return FaissFlatIndex(dim, capacity=capacity)
    if kind not in ("growing", "rabitq"):
        raise ValueError(f"an index is auto, numpy, faiss, growing or rabitq, not {kind!r}")
    from enrollment_db.index.growing import GrowingIndex

    return GrowingIndex(dim, switch_at=SWITCH_AT if kind == "growing" else _TRAINED_ON, capacity=capacity)
