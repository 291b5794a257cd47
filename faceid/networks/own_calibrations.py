"""Calibrations that a user measured for networks whose cards cannot be changed: those that faceid contains.

`calibrations/NAME.toml` in the folder of the user's networks holds one, with what it was measured for: the hash of the
weights, the aligner and the metric. It counts only for a card with the same. It replaces the calibration of the card,
since the user asked for it. A network of the user has its calibration in its own card.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

from faceid.documents import BadDocument, Sha256, Text, as_type, parse_toml, read_text
from faceid.networks.calibration import Calibration, check_calibration, write_calibration
from faceid.networks.card import Card, Metric
from faceid.networks.errors import BadCard
from faceid.networks.files import write_whole

PROGRAM: Final = "faceid models calibrate"
"""The measuring program, as the calibration names it in `software`."""

Origin: TypeAlias = Literal["card", "models calibrate"]
"""Who measured a calibration: the author of the card, or a user with `models calibrate`."""


@dataclass(frozen=True, slots=True)
class OwnCalibration:
    """A calibration of the network `name`, and the weights, aligner and metric that were measured."""

    name: Text
    weights_sha256: Sha256
    aligner: Text
    metric: Metric
    calibration: Calibration

    def fits(self, card: Card) -> bool:
        """Whether `card` is of the network that was measured."""
        measured = (self.name, self.weights_sha256, self.aligner, self.metric)
        return measured == (card.name, card.weights.sha256, card.aligner, card.metric)


def place_of(name: str, own: Path) -> Path:
    """The file of the calibration of the network `name`; `own` is the folder of the user's networks."""
    return own / "calibrations" / f"{name}.toml"


def read_own(name: str, own: Path | None) -> OwnCalibration | None:
    """The user's calibration of the network `name`; None if there is none. Raises BadCard."""
    path = None if own is None else place_of(name, own)
    if path is None or not path.is_file():
        return None
    try:
        found = as_type(parse_toml(read_text(path), path.name), OwnCalibration, path.name)
        check_calibration(found.calibration, f"{path.name}: calibration.")
    except (OSError, BadDocument) as error:
        raise BadCard(
            f"cannot read {path}: {error}", remedy="correct_or_delete_file", path=str(path)
        ) from error
    return found


def with_own(card: Card, own: Path | None) -> Card:
    """`card` with the user's calibration, if there is one of this very network. Raises BadCard."""
    found = read_own(card.name, own)
    return card if found is None or not found.fits(card) else replace(card, calibration=found.calibration)


def write_own(card: Card, calibration: Calibration, own: Path) -> Path:
    """Store a calibration of the network of `card`; returns the file, which changes completely or not at all.

    Raises BadCard, and OSError.
    """
    path = place_of(card.name, own)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write_whole(
            beside,
            [
                f"name = {json.dumps(card.name)}\n"
                f'weights_sha256 = "{card.weights.sha256}"\n'
                f"aligner = {json.dumps(card.aligner)}\n"
                f'metric = "{card.metric}"\n'.encode()
            ],
        )
        write_calibration(beside, calibration)
        beside.replace(path)
    finally:
        with suppress(OSError):
            beside.unlink()
    return path


def origin_of(calibration: Calibration) -> Origin:
    """Who measured the calibration of a card, by its `software`."""
    return "models calibrate" if PROGRAM in calibration.software else "card"
