"""The ports of detectors, embedders and liveness detectors: implementations need not import this file.

The port of vector indexes is `enrollment_db.search.index.VectorIndex`: the mirror that drives them lives there.
"""

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
        """The faces of each image, ordered left to right (by x1, then y1); an empty list if there is none.

        Images may differ in size and be as small as 1x1. No content of the pixels raises an error.
        """
        ...


class Embedder(Protocol):
    """Turns aligned crops into unit vectors."""

    @property
    def model(self) -> ModelKey:
        """The model that the vectors belong to."""
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


class LivenessDetector(Protocol):
    """Distinguishes live faces from presentation attacks (prints, screens, masks) by one picture."""

    def scores(self, image: Image, faces: Sequence[Face]) -> NDArray[np.float32]:
        """(n,) float32, 0..1, for `faces` of `image`, in their order; higher for a live face.

        No content of the pixels raises an error.
        """
        ...
