"""An embedder without a network, for tests: people are colours.

A fake face (faceid/recognition/detect/fake.py draws and finds them) is a square of one base colour under a faint
texture. Its identity is the base colour, each channel of which is one of LEVELS: 216 people. Photos of one person
differ a little, as their pixels do (cosine about 0.98); vectors of two people are about orthogonal.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from faceid.networks.calibration import Calibration, CalibrationPoint, EvidencePoint
from faceid.recognition.embed.crops import check_crops
from faceid.types import Crop, ModelKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.types import Pixels

LEVELS: Final = (80, 112, 144, 176, 208, 240)
"""What a channel of a person's base colour can be."""

DIM: Final = 64
NOISE: Final = 0.15
"""Length of what a photo adds to its person's unit vector."""

# The cosine of random directions is close to normal, of variance 1 / DIM. Photos of one person add two of them, each
# of length NOISE, to a vector of length 1.
_STRANGERS: Final = NormalDist(0.0, DIM**-0.5)
_ONE_PERSON: Final = NormalDist(1.0 / (1.0 + NOISE**2), NOISE * (2.0 / DIM) ** 0.5 / (1.0 + NOISE**2))


def _point(fmr: float) -> CalibrationPoint:
    cosine = _STRANGERS.inv_cdf(1.0 - fmr)
    return CalibrationPoint(fmr, 1.0 - cosine, low=fmr, high=fmr, count=0, fnmr=_ONE_PERSON.cdf(cosine))


def _evidence(distance: float) -> EvidencePoint:
    parts = ((law.mean - (1.0 - distance)) / law.stdev for law in (_STRANGERS, _ONE_PERSON))
    strangers, one_person = (part**2 / 2.0 for part in parts)
    log_ratio = strangers - one_person + math.log(_STRANGERS.stdev / _ONE_PERSON.stdev)
    return EvidencePoint(distance, max(-6.0, min(6.0, log_ratio / math.log(10.0))))


CALIBRATION: Final = Calibration(
    data="computed: random directions in 64 dimensions",
    date="2025-01-01",
    software="faceid.recognition.embed.fake",
    mated=0,
    non_mated=0,
    points=tuple(_point(fmr) for fmr in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)),
    ambiguity_margin=0.05,
    evidence=tuple(_evidence(step / 20.0) for step in range(21)),
)
"""Distances of non-mated comparisons, so that tests can ask for rates as users do."""


class FakeEmbedder:
    """Crops of fake faces -> unit vectors; the same crop gives the same vector on every machine."""

    def __init__(
        self, aligner: str = "dlib-150-v1", input_size: int = 150, *, name: str = "fake", dim: int = DIM
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
