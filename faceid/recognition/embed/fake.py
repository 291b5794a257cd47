"""An embedder without a network, for tests: people are colours.

A fake face (faceid/recognition/detect/fake.py draws and finds them) is a square of one base colour under a faint
texture. Its identity is the base colour, each channel of which is one of LEVELS: 216 people. Photos of one person
differ a little, as their pixels do (cosine about 0.98); vectors of two people are about orthogonal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from faceid.networks.card import Card
from faceid.networks.fake_card import DIM, FAKE, NOISE, fake_card
from faceid.recognition.embed.crops import check_crops
from faceid.types import Crop, ModelKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.networks.calibration import Calibration
    from faceid.types import Pixels

LEVELS: Final = (80, 112, 144, 176, 208, 240)
"""What a channel of a person's base colour can be."""

CALIBRATION: Final = cast("Calibration", fake_card().calibration)
"""Distances of non-mated comparisons, so that tests can ask for rates as users do."""


class FakeEmbedder:
    """Crops of fake faces -> unit vectors; the same crop gives the same vector on every machine."""

    def __init__(
        self, aligner: str = "dlib-150-v1", input_size: int = 150, *, name: str = FAKE, dim: int = DIM
    ) -> None:
        self._model = ModelKey(name, "0" * 64, aligner, dim, "cosine")
        self._input_size = input_size

    @property
    def model(self) -> ModelKey:
        """What the vectors belong to."""
        return self._model

    @property
    def input_size(self) -> int:
        """The side of the crops that `embed` takes, pixels."""
        return self._input_size

    def embed(self, crops: Sequence[Crop]) -> NDArray[np.float32]:
        """(n, d) float32, rows of unit length in the order of `crops`; (0, d) for none.

        Raises ModelError for crops of another aligner or size.
        """
        check_crops(crops, self._model, self._input_size)
        dim = self._model.dim
        rows = [_embedding(crop.pixels, dim) for crop in crops]
        return np.stack(rows) if rows else np.empty((0, dim), np.float32)


def open_embedder(card: Card, *, device: str, weights_dir: Path) -> FakeEmbedder:
    """The embedder of a card of the kind `fake`; `device` and `weights_dir` are not used."""
    return FakeEmbedder(card.aligner, card.input_size, name=card.name, dim=card.dim)


def _embedding(pixels: Pixels, dim: int) -> NDArray[np.float32]:
    vector = _direction(bytes(_base_colour(pixels)), dim) + NOISE * _direction(pixels.tobytes(), dim)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _direction(seed: bytes, dim: int) -> NDArray[np.float64]:
    """A unit vector (dim,) that follows from `seed` alone: NumPy's generators may change between releases."""
    uniform = np.frombuffer(hashlib.shake_256(seed).digest(4 * dim), dtype="<u4") / 2.0**31 - 1.0
    direction: NDArray[np.float64] = uniform / np.linalg.norm(uniform)
    return direction


def _base_colour(pixels: Pixels) -> tuple[int, ...]:
    """The levels nearest to the median colour of the central 20 %."""
    side = pixels.shape[0]
    margin = round(side * 0.4)
    centre = pixels[margin : side - margin, margin : side - margin].reshape(-1, 3)
    # Half of the texture leaves the base colour as it is, and the rest lies evenly on both sides of it.
    median = np.median(centre, axis=0)
    return tuple(min(LEVELS, key=lambda level: abs(level - value)) for value in median)
