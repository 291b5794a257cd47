"""Finding the nearest of many vectors: one port, exact search behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind: TypeAlias = Literal["auto", "numpy", "faiss"]


class VectorIndex(Protocol):
    """Holds ids and unit vectors, nothing else; can be thrown away and rebuilt at any time."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
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

    `auto` is NumPy at every size: both are exact, and on a CPU faiss's flat search is no faster for one probe
    nor for many, while importing it takes longer than searching a million vectors. It will differ when there
    are indexes that compress, or a GPU.
    """
    # Either costs its import only when it is chosen.
    if kind == "faiss":
        from enrollment_db.index.faiss import FaissFlatIndex

        return FaissFlatIndex(dim, capacity=expected)
    from enrollment_db.index.flat import FlatIndex

    return FlatIndex(dim, capacity=expected)
