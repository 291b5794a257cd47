"""Networks by name: the cards in models/cards, the cards in a folder of the user, and `onnx:FILE`.

Networks for liveness, in models/cards/liveness, and for detection, in models/cards/detection, have separate functions,
since they make no templates. The network for tests, `fake`, has a card and is in no list. Listing networks needs no
tensor library.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from faceid.documents import BadDocument, read_text
from faceid.networks.calibration import (
    AlikeCurve,
    Calibration,
    CalibrationPoint,
    EvidencePoint,
    write_calibration,
)
from faceid.networks.card import (
    Accuracy,
    AnyCard,
    Card,
    DetectionCard,
    LivenessCard,
    TensorFormat,
    Weights,
    WeightsSource,
)
from faceid.networks.card_text import read_card, read_detection_card, read_liveness_card
from faceid.networks.errors import BadCard, UnknownModel, WeightsMissing
from faceid.networks.fake_card import FAKE, fake_card
from faceid.networks.own_calibrations import with_own, write_own
from faceid.networks.weights import Status, status

__all__ = [
    "FAKE",
    "Accuracy",
    "AlikeCurve",
    "AnyCard",
    "Calibration",
    "CalibrationPoint",
    "Card",
    "DetectionCard",
    "EvidencePoint",
    "LivenessCard",
    "Status",
    "TensorFormat",
    "Weights",
    "WeightsSource",
    "any_card",
    "any_cards",
    "card",
    "card_path",
    "cards",
    "detection_card",
    "detection_cards",
    "detection_names",
    "liveness_card",
    "liveness_cards",
    "liveness_names",
    "names",
    "status",
    "store_calibration",
    "weighted_card",
    "write_calibration",
]

ONNX = "onnx:"
"""The prefix of the name of a network in an ONNX file; the path of the file follows."""

LEFT_OUT = frozenset({"faceid-triplet"})
"""Networks that earlier versions of faceid contained, and that galleries may be pinned to."""


def names(own: Path | None = None) -> tuple[str, ...]:
    """The networks with a card in models/cards, in alphabetical order, then those with a card in the folder `own`.

    A network of that folder is named after its file, without `.toml`. It cannot replace a network of models/cards.
    """
    shipped = _shipped()
    if own is None or not own.is_dir():
        return shipped
    found = (path.stem for path in own.glob("*.toml") if not path.name.startswith("."))
    return (*shipped, *sorted(set(found) - {*shipped, *liveness_names(), *detection_names(), FAKE}))


@cache
def _shipped() -> tuple[str, ...]:
    return _names_in("cards")


@cache
def liveness_names() -> tuple[str, ...]:
    """The networks with a card in models/cards/liveness, in alphabetical order."""
    return _names_in("cards/liveness")


@cache
def detection_names() -> tuple[str, ...]:
    """The networks with a card in models/cards/detection, in alphabetical order."""
    return _names_in("cards/detection")


@cache
def _data_dir() -> Path:
    """The folder of cards and shipped weights: inside the package of an installed wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    carried = package / "models"
    return carried if carried.is_dir() else package.parent / "models"


def _names_in(directory: str) -> tuple[str, ...]:
    entries = (_data_dir() / directory).iterdir()
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml"))
    )


def cards(own: Path | None = None) -> tuple[Card, ...]:
    """The cards of `names(own)`. Raises BadCard."""
    return tuple(card(name, own) for name in names(own))


def card(name: str, own: Path | None = None) -> Card:
    """The card of a network of `names(own)`, of `fake`, or of `onnx:FILE`: FILE with the suffix `.toml`.

    A calibration that the user measured for a network of models/cards (`store_calibration`) replaces that of its card.
    Raises UnknownModel, BadCard, and for `onnx:FILE` WeightsMissing and WeightsAltered.
    """
    found = fake_card() if name == FAKE else weighted_card(name, own)
    return with_own(found, own) if _keeps_card(name) else found


def store_calibration(card: Card, calibration: Calibration, own: Path) -> Path:
    """Keep a calibration that was measured with the weights of `card`; returns the file that holds it.

    A network of the user and `onnx:FILE` have it in their cards, others in the folder `own` (see
    `faceid.networks.own_calibrations`). Raises UnknownModel, BadCard, and OSError.
    """
    if _keeps_card(card.name):
        return write_own(card, calibration, own)
    if card.name.startswith(ONNX):
        path = Path(card.name.removeprefix(ONNX)).with_suffix(".toml")
    else:
        path = card_path(card.name, own)
    write_calibration(path, calibration)
    return path


def _keeps_card(name: str) -> bool:
    """Whether the network comes with faceid, so that users must not change its card."""
    return name == FAKE or name in _shipped()


def weighted_card(name: str, own: Path | None = None) -> Card:
    """`card` for what needs weights: `fake` is unknown here. Raises as `card` does."""
    return _onnx_card(Path(name.removeprefix(ONNX))) if name.startswith(ONNX) else _named_card(name, own)


def liveness_cards() -> tuple[LivenessCard, ...]:
    """The cards of `liveness_names()`."""
    return tuple(liveness_card(name) for name in liveness_names())


def liveness_card(name: str) -> LivenessCard:
    """The card of a network for liveness. Raises UnknownModel and BadCard."""
    if name not in liveness_names():
        raise UnknownModel(
            f"there is no network for liveness called {name!r}",
            remedy="unknown_liveness_model",
            known=", ".join(liveness_names()),
        )
    path = _data_dir() / "cards" / "liveness" / f"{name}.toml"
    found = read_liveness_card(_text_of(path), path.name)
    _expect_name(path, found.name)
    return found


def detection_cards() -> tuple[DetectionCard, ...]:
    """The cards of `detection_names()`."""
    return tuple(detection_card(name) for name in detection_names())


def detection_card(name: str) -> DetectionCard:
    """The card of a network for detection. Raises UnknownModel and BadCard."""
    if name not in detection_names():
        raise UnknownModel(
            f"there is no network for detection called {name!r}",
            remedy="one_of",
            known=", ".join(detection_names()),
        )
    path = _data_dir() / "cards" / "detection" / f"{name}.toml"
    found = read_detection_card(_text_of(path), path.name)
    _expect_name(path, found.name)
    return found


def any_card(name: str, own: Path | None = None) -> AnyCard:
    """The card of a network for templates, for liveness or for detection. Raises as `card` does."""
    if name in liveness_names():
        return liveness_card(name)
    return detection_card(name) if name in detection_names() else weighted_card(name, own)


def any_cards(own: Path | None = None) -> Iterator[AnyCard]:
    """The cards of all networks that `any_card` knows by name, one after the other. Raises BadCard."""
    for name in (*names(own), *liveness_names(), *detection_names()):
        yield any_card(name, own)


def card_path(name: str, own: Path | None = None) -> Path:
    """The TOML file of a network's card, for tools that write to it. Raises UnknownModel."""
    if name in liveness_names() or name in detection_names():
        purpose = "liveness" if name in liveness_names() else "detection"
        raise UnknownModel(
            f"{name} is a network for {purpose} and makes no templates",
            remedy="choose_model",
            known=", ".join(names(own)),
        )
    if name not in names(own):
        if name in LEFT_OUT:
            raise UnknownModel(
                f"{name} no longer comes with faceid, and its present weights are not those of 0.1.0",
                remedy="left_out_network",
                model=name,
                known=", ".join(names(own)),
            )
        raise UnknownModel(
            f"there is no model called {name!r}",
            known=", ".join(names(own)),
        )
    if own is not None and name not in _shipped():
        return own / f"{name}.toml"
    return _data_dir() / "cards" / f"{name}.toml"


def _named_card(name: str, own: Path | None) -> Card:
    path = card_path(name, own)
    found = read_card(_text_of(path), path.name, folder=path.parent)
    _expect_name(path, found.name)
    return found


def _expect_name(path: Path, found: str) -> None:
    if found != path.stem:
        raise BadCard(f"{path.name}: name must be {path.stem!r}, as the file is called", path=str(path))


def _onnx_card(path: Path) -> Card:
    # The absolute path is part of the name, so that a gallery finds its network from any directory.
    path = path.expanduser().resolve()
    beside = path.with_suffix(".toml")
    if not path.is_file():
        raise WeightsMissing(f"there is no file {path}", remedy="name_onnx_file", path=str(path))
    if not beside.exists():
        raise BadCard(
            f"{path.name} has no model card beside it: {beside.name}",
            remedy="describe_onnx",
            path=str(beside),
        )
    return replace(read_card(_text_of(beside), beside.name, file=path), name=f"{ONNX}{path}")


def _text_of(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, BadDocument) as error:
        raise BadCard(f"cannot read {path}: {error}", path=str(path)) from error
