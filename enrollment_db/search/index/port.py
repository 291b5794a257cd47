"""The port of every index of vectors, and the kinds of indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, get_args

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from enrollment_db.search.index.kept import Kept

Kind: TypeAlias = Literal[
    "auto", "numpy", "faiss", "pq4", "rabitq", "ivf", "hnsw", "gpu", "gpu-half", "gpu-ivfpq"
]

KINDS: tuple[Kind, ...] = get_args(Kind)

SWITCH_AT = 50_000
"""The number of vectors from which `auto` compresses them on a CPU.

Measured on one thread with 128 floats: one probe of 30,000 / 50,000 / 100,000 vectors takes 1.7 / 2.7 / 5.3 ms exactly
and 1.5 / 2.1 / 2.1 ms compressed. Below, the gain does not pay for the import of faiss, 0.3 s.
"""

GPU_FROM = 20_000
"""Below so many vectors `auto` stays on the CPU: copying them to a GPU gains nothing."""


class VectorIndex(Protocol):
    """Holds ids and unit vectors, nothing else. It can be discarded and rebuilt at any time."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def reason(self) -> str:
        """A description of the index as it is now, with the reason for it, for an operator."""
        ...

    @property
    def dead(self) -> int:
        """The number of removed vectors that still take up room."""
        ...

    @property
    def precision(self) -> float:
        """The largest error of a stored value; 0 for an index that stores them exactly."""
        ...

    def __len__(self) -> int:
        """The number of vectors that a search can find."""
        ...

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add (n,) ids with (n, d) vectors; an id that is present is replaced. Raises ValueError."""
        ...

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Remove (n,) ids, ignoring unknown ones; returns the number that were present."""
        ...

    def search(self, probes: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Cosines (m, k), descending, equal ones by id, and ids (m, k); -inf and -1 if there are fewer."""
        ...

    def held(self) -> NDArray[np.int64]:
        """All ids, (n,), in no order. A view: valid until the next change."""
        ...

    def vectors(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors (n, d) of (n,) ids, to `precision`. Raises KeyError for an unknown id."""
        ...

    def unreachable(self) -> NDArray[np.int64]:
        """Ids (n,) that are held and that no search can find. Any such id is a defect."""
        ...

    def compact(self) -> None:
        """Free the room of removed vectors for later additions."""
        ...

    def clear(self) -> None:
        """Return to the state of a new index."""
        ...

    def dump(self) -> Kept | None:
        """The whole index as arrays for `load`, views to write before the next change; None if it is empty."""
        ...

    def load(self, kept: Kept) -> bool:
        """Load dumped arrays into an unused index. Returns False and changes nothing for another kind.

        The arrays belong to the index from now on. Raises ValueError for invalid arrays.
        """
        ...
