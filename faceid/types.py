"""The values of faceid's pipeline, in the order in which they are made.

Encoded -> Image -> Face -> Crop -> Embedding -> Candidate -> Decision

All are frozen. Pixels are RGB, `uint8`, height first. Coordinates are pixels of the upright image (EXIF
orientation applied), x to the right and y down, with the centre of the first pixel at (0, 0).
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

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
    """The bytes of a picture file, not yet decoded; `sha256` is the hex digest of `data`."""

    data: bytes
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> Encoded:
        """`data` with its digest."""
        return cls(data, hashlib.sha256(data).hexdigest())


class Undecoded(ABC):
    """A picture file that is known to be whole, of which the pixels are decoded when they are asked for."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Pixels across, upright."""

    @property
    @abstractmethod
    def height(self) -> int:
        """Pixels down, upright."""

    @abstractmethod
    def reduced(self, most: int) -> tuple[Pixels, int]:
        """As `Image.reduced`; the factor depends on the file and on `most` alone. Safe from any thread.

        Raises UnreadableImage where there is not enough memory.
        """


class _Pixels:
    """The field `pixels` of an Image: given as an array, or as what decodes it when it is first read."""

    @overload
    def __get__(self, image: None, owner: type[Image]) -> _Pixels: ...
    @overload
    def __get__(self, image: Image, owner: type[Image]) -> Pixels: ...
    def __get__(self, image: Image | None, owner: type[Image]) -> Pixels | _Pixels:
        if image is None:
            # Tells `dataclass` that the field has no default.
            raise AttributeError("pixels")
        return image.reduced(1)[0]

    def __set__(self, image: Image, given: Pixels | Undecoded) -> None:
        # A descriptor with `__set__` goes before the dictionary, so the name is free.
        vars(image)["pixels"] = given


@dataclass(frozen=True, eq=False, repr=False)
class Image:
    """An upright picture: `pixels` is (H, W, 3) RGB uint8, C-contiguous.

    `source` is the path as the user gave it, `-` for standard input or `array`; `sha256` is the hex digest of the
    encoded bytes (of shape and pixels where there were none), by which a photo is recognised.

    Of a large photo all pixels are decoded when `pixels` is first read, which takes long and much memory: what can do
    with fewer asks `reduced` instead. Either raises UnreadableImage where there is not enough memory.
    """

    pixels: _Pixels = _Pixels()
    # mypy takes a descriptor for a default.
    source: str  # type: ignore[misc]
    sha256: str  # type: ignore[misc]

    @property
    def width(self) -> int:
        """Pixels across; known without decoding."""
        given = _given(self)
        return given.width if isinstance(given, Undecoded) else int(given.shape[1])

    @property
    def height(self) -> int:
        """Pixels down; known without decoding."""
        given = _given(self)
        return given.height if isinstance(given, Undecoded) else int(given.shape[0])

    def reduced(self, most: int) -> tuple[Pixels, int]:
        """The picture reduced by a whole factor of at most `most` (1 or more), and that factor.

        It is (ceil(H / factor), ceil(W / factor), 3) RGB uint8. A pixel stands for a block of factor x factor pixels
        and its centre is that of the block: place x in it is place factor * x + (factor - 1) / 2 in the picture. The
        factor is 1, and nothing is resampled, where reducing would cost more than it saves.
        """
        given = _given(self)
        return given.reduced(most) if isinstance(given, Undecoded) else (given, 1)


def _given(image: Image) -> Pixels | Undecoded:
    given: Pixels | Undecoded = vars(image)["pixels"]
    return given


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A detected face: `landmarks` is (5, 2) float32 x, y.

    The landmarks are left eye, right eye, nose, left and right mouth corner; left and right are those of the image.
    `score` is the detector's confidence, 0..1.
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
    """An aligned face: `pixels` is (S, S, 3) RGB uint8, S and the pose depend on `aligner`.

    `scale` is crop pixels per image pixel: above 1 the crop was enlarged.
    """

    pixels: Pixels
    aligner: str
    scale: float


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality of a face for comparison, 0..1, and its factors, each 0..1."""

    score: float
    factors: Mapping[str, float]

    @property
    def worst(self) -> str:
        """The name of the lowest factor, which a new photo should improve."""
        return min(self.factors, key=lambda name: self.factors[name])


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """The embedding of a face: `vector` is (d,) float32 of unit length, comparable only within `model`."""

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
    """The decision of a one-to-many search about a probe, with its evidence.

    `distance` and `similarity` are those of the nearest candidate, None if there was no candidate. `fmr` is the
    probability that a non-mated comparison is this close, `fmr_alike` that probability among people who are alike, and
    `llr` the evidence of the distance (log10 of the likelihood ratio); they are None where they were not measured.
    """

    verdict: Literal["match", "unknown", "ambiguous"]
    name: str | None
    distance: float | None
    similarity: float | None
    threshold: float
    fmr: float | None
    fmr_alike: float | None
    llr: float | None
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimDecision:
    """The decision of a one-to-one comparison. `fmr`, `fmr_alike`, `llr` as in Decision; `verified` is the decision
    as a bool.
    """

    verdict: Literal["match", "no_match"]
    verified: bool
    distance: float
    similarity: float
    threshold: float
    fmr: float | None
    fmr_alike: float | None
    llr: float | None
