"""What every index of vectors does, and the kinds that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, get_args

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from enrollment_db.search.index.kept import Kept

Kind: TypeAlias = Literal["auto", "numpy", "faiss", "rabitq", "ivf", "hnsw", "gpu", "gpu-half", "gpu-ivfpq"]

KINDS: tuple[Kind, ...] = get_args(Kind)

SWITCH_AT = 50_000
"""How many vectors `auto` compares exactly on a CPU before it compresses them.

Measured on one thread with 128 floats: one probe of 30,000 / 50,000 / 100,000 vectors takes 1.7 / 2.7 / 5.3 ms exactly
and 1.5 / 2.1 / 2.1 ms compressed. Below, what is gained does not pay for the import of faiss, 0.3 s.
"""

GPU_FROM = 20_000
"""Below so many vectors `auto` stays on the CPU: copying them to a GPU gains nothing."""


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

    @property
    def dead(self) -> int:
        """How many removed vectors still take up room."""
        ...

    @property
    def precision(self) -> float:
        """How far a value of a held vector can be from the one that was added; 0 where they are equal."""
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

    def held(self) -> NDArray[np.int64]:
        """All ids, (n,), in no order. A view: look, do not keep."""
        ...

    def vectors(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors (n, d) of (n,) ids, to `precision`. Raises KeyError for one that is not held."""
        ...

    def unreachable(self) -> NDArray[np.int64]:
        """Ids (n,) that are held and that no search could find: a defect, where there are any."""
        ...

    def compact(self) -> None:
        """Clear away what was removed: its room is used for what is added next."""
        ...

    def clear(self) -> None:
        """Forget all, as if it had never been used."""
        ...

    def dump(self) -> Kept | None:
        """All of it as arrays for `load`: views, to be written before anything is changed. None if it is empty."""
        ...

    def load(self, kept: Kept) -> bool:
        """Take up what was dumped; the index was never used. False, unchanged, if it is of another kind.

        Its arrays belong to the index from now on. Raises ValueError for arrays that cannot be an index.
        """
        ...
