"""What each room offers to the next, as Protocols: implementations need not import this file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from faceid.types import Crop, Face, Image, ModelKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Detector(Protocol):
    """Finds faces."""

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        """The faces of each image, ordered left to right (by x1, then y1); an empty list where there is none.

        Images may differ in size and be as small as 1x1. Never raises for what is in the pixels.
        """
        ...


class Embedder(Protocol):
    """Turns aligned crops into unit vectors."""

    @property
    def model(self) -> ModelKey:
        """What the vectors belong to."""
        ...

    @property
    def input_size(self) -> int:
        """The side S of the crops that `embed` takes, pixels."""
        ...

    def embed(self, crops: Sequence[Crop]) -> NDArray[np.float32]:
        """(n, d) float32, rows of unit length in the order of `crops`; (0, d) for none.

        Raises ModelError for crops of another aligner.
        """
        ...


class VectorIndex(Protocol):
    """Finds the nearest of many unit vectors. Holds ids and vectors, nothing else; can be rebuilt at any time."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    def __len__(self) -> int:
        """How many vectors can be found."""
        ...

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add (n,) new ids with (n, d) vectors of unit length; an id that is present already is replaced.

        Raises ValueError for another shape or dimension, or values that are not finite.
        """
        ...

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Forget (n,) ids; returns how many were present. Unknown ids are ignored."""
        ...

    def search(self, probes: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k nearest of each of (m, d) probes: cosines (m, k) falling, ids (m, k).

        Equal cosines are ordered by id. Where fewer than k are held, the rest is -inf and -1.
        """
        ...
