"""The values that flow through faceid, in the order in which they are made.

Encoded -> Image -> Face -> Crop -> Embedding -> Candidate -> Decision

All are frozen. Pixels are RGB, `uint8`, height first. Coordinates are pixels of the upright image (EXIF
orientation applied), x to the right and y down, with the centre of the first pixel at (0, 0).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from enrollment_db.records import Metric as Metric
from enrollment_db.records import ModelKey as ModelKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.uint8]
    Vector: TypeAlias = NDArray[np.float32]

Box: TypeAlias = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright image; may reach outside it."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A picture file, read and not yet decoded; `sha256` is the hex digest of `data`."""

    data: bytes
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Encoded:
        """`data` with its digest."""
        return cls(data, hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A decoded, upright picture: `pixels` is (H, W, 3) RGB uint8, C-contiguous.

    `source` is the path as the user gave it, `-` for standard input or `array`; `sha256` is the hex digest of
    the encoded bytes (of shape and pixels where there were none), by which a photo is known again.
    """

    pixels: Pixels
    source: str
    sha256: str

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A detected face: `landmarks` is (5, 2) float32 x, y.

    The landmarks are left eye, right eye, nose, left and right mouth corner, left and right as seen in the
    image. `score` is the detector's confidence, 0..1.
    """

    box: Box
    landmarks: NDArray[np.float32]
    score: float

    @property
    def size(self) -> float:
        """The shorter side of the box, pixels."""
        return min(self.box[2] - self.box[0], self.box[3] - self.box[1])


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """An aligned face: `pixels` is (S, S, 3) RGB uint8, where S and the pose follow from `aligner`.

    `scale` is crop pixels per image pixel: above 1 the crop was enlarged.
    """

    pixels: Pixels
    aligner: str
    scale: float


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a face can be compared, 0..1, and the factors, each 0..1, that it is made of."""

    score: float
    factors: Mapping[str, float]

    @property
    def worst(self) -> str:
        """The name of the lowest factor: what to change before taking the photo again."""
        return min(self.factors, key=lambda name: self.factors[name])


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A face as a point: `vector` is (d,) float32 of unit length, meaningful only under `model`."""

    vector: Vector
    model: ModelKey


@dataclass(frozen=True, slots=True)
class Candidate:
    """An enrolled identity near a probe. `distance` is the model's metric, `similarity` the cosine."""

    name: str
    distance: float
    similarity: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What a one-to-many search decided about a probe, and all that is needed to answer for it.

    `distance` and `similarity` are those of the nearest candidate, None where there was none to compare with.
    `fmr` is the probability that a non-mated comparison is this close, and `llr` the evidence of the distance (log10 of
    the likelihood ratio); both are None where the model is not calibrated.
    """

    verdict: Literal["match", "unknown", "ambiguous"]
    name: str | None
    distance: float | None
    similarity: float | None
    threshold: float
    fmr: float | None
    llr: float | None
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimDecision:
    """What a one-to-one comparison decided. `fmr`, `llr` as in Decision; `verified` says the verdict in a bool."""

    verdict: Literal["match", "no_match"]
    verified: bool
    distance: float
    similarity: float
    threshold: float
    fmr: float | None
    llr: float | None
