"""Model cards as TOML: reading with a check of every key, and writing for trained networks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceid.documents import BadDocument, Sha256, as_type, parse_toml
from faceid.networks.calibration import check_calibration
from faceid.networks.card import Card, LivenessCard, Weights
from faceid.networks.errors import BadCard, WeightsAltered
from faceid.networks.files import sha256_of, write_whole
from faceid.networks.kinds import Makes, NetworkKind, find_kind, known_kinds


@dataclass(frozen=True, slots=True)
class _Pin:
    sha256: Sha256 | None = None


@dataclass(frozen=True, slots=True)
class _Pinned:
    """The keys about weights in a card beside its file."""

    weights: _Pin


def read_card(text: str, where: str, *, file: Path | None = None, folder: Path | None = None) -> Card:
    """The card that `text` holds; `where` names it in messages.

    `file` is the network itself if the card is beside it: then `[weights]` may be left out, or give only the `sha256`.
    `folder` is the folder of the card, which contains weights of kind `file`. Raises BadCard, which names the key,
    WeightsAltered for a file of another hash, and OSError.
    """
    try:
        values = parse_toml(text, where)
        weights = values.get("weights", {})
        if file is not None:
            values["weights"] = _weights_beside(file, weights, where)
        elif folder is not None and isinstance(weights, dict) and weights.get("kind") == "file":
            if "source" in weights:
                raise BadDocument(f"{where}: weights.source is not a known key of weights of kind file")
            values["weights"] = {**weights, "source": str(folder / str(weights.get("file")))}
        card = as_type(values, Card, where)
        if file is None:
            _check_weights(card.weights, where, files=folder is not None)
        kind = _kind(card.backbone, "templates", where)
        if kind.needs_tensor != (card.tensor is not None):
            raise BadDocument(
                f"{where}: tensor "
                + ("is missing" if kind.needs_tensor else f"is not a known key of backbone {card.backbone}")
            )
        if card.tensor is not None and 0.0 in card.tensor.std:
            raise BadDocument(f"{where}: tensor.std must not be zero")
        if card.calibration is not None:
            check_calibration(card.calibration, f"{where}: calibration.")
            if card.calibration.weights_sha256 not in (None, card.weights.sha256):
                raise BadDocument(
                    f"{where}: calibration.weights_sha256 is not weights.sha256: other weights were measured"
                )
    except BadDocument as error:
        raise BadCard(str(error), remedy="correct_card") from error
    return card


def read_liveness_card(text: str, where: str) -> LivenessCard:
    """The card that `text` holds; `where` names it in messages. Raises BadCard, which names the key."""
    try:
        values = parse_toml(text, where)
        if values.pop("kind", None) != "liveness":
            raise BadDocument(f"{where}: kind must be liveness")
        card = as_type(values, LivenessCard, where)
        _check_weights(card.weights, where, files=False)
        _kind(card.backbone, "liveness", where)
    except BadDocument as error:
        raise BadCard(str(error), remedy="correct_card") from error
    return card


def write_card(path: Path, card: Card) -> None:
    """Write a card without a calibration for weights beside it; the file appears complete or not at all.

    Raises BadCard if the file would not be read back as `card`, and OSError.
    """
    text = _render(card)
    if read_card(text, path.name, folder=path.parent) != card:
        raise BadCard(f"the card of {card.name} does not survive being written", path=str(path))
    write_whole(path, [text.encode()])


def _weights_beside(file: Path, weights: Any, where: str) -> dict[str, object]:
    found = sha256_of(file)
    expected = as_type({"weights": weights}, _Pinned, where).weights.sha256
    if expected is not None and found != expected:
        raise WeightsAltered(
            f"{file} is not the file that its card describes: SHA-256 {found[:8]}, not {expected[:8]}",
            remedy="file_or_card",
            path=str(file),
        )
    return {
        "kind": "file",
        "source": str(file),
        "file": file.name,
        "sha256": found,
        "size": file.stat().st_size,
    }


def _check_weights(weights: Weights, where: str, *, files: bool) -> None:
    kind = weights.kind
    if kind == "file" and not files:
        raise BadDocument(f"{where}: weights.kind must be one of package, url, npm")
    if kind == "url" and not weights.source.startswith("https://"):
        raise BadDocument(f"{where}: weights.source must begin with https://")
    if (kind in ("package", "npm")) != (weights.member is not None):
        problem = f"is not a known key of weights of kind {kind}" if weights.member else "is missing"
        raise BadDocument(f"{where}: weights.member {problem}")


def _kind(name: str, makes: Makes, where: str) -> NetworkKind:
    kind = find_kind(name)
    if kind is None or kind.makes != makes:
        raise BadDocument(f"{where}: backbone must be one of {', '.join(known_kinds(makes))}, not {name}")
    return kind


def _render(card: Card) -> str:
    lines = [
        f"name = {_text(card.name)}",
        f"backbone = {_text(card.backbone)}",
        f"dim = {card.dim}",
        f"metric = {_text(card.metric)}",
        f"input_size = {card.input_size}",
        f"aligner = {_text(card.aligner)}",
        f"description = {_text(card.description)}",
        f"licence = {_text(card.licence)}",
        *([f"licence_note = {_text(card.licence_note)}"] if card.licence_note else []),
        f"source_url = {_text(card.source_url)}",
        "",
        "[weights]",
        f"kind = {_text(card.weights.kind)}",
        f"file = {_text(card.weights.file)}",
        f"sha256 = {_text(card.weights.sha256)}",
        f"size = {card.weights.size}",
    ]
    for accuracy in card.accuracy:
        lines += [
            "",
            "[[accuracy]]",
            f"measure = {_text(accuracy.measure)}",
            f"value = {accuracy.value!r}",
            f"data = {_text(accuracy.data)}",
            f"source = {_text(accuracy.source)}",
        ]
    return "\n".join([*lines, ""])


def _text(value: str) -> str:
    # A JSON string is a TOML basic string, as long as nothing beyond the first plane is escaped.
    return json.dumps(value, ensure_ascii=False)
