"""Model cards written as TOML, for networks of the user's own."""

from __future__ import annotations

import json
from pathlib import Path

from faceid.networks.card import Card, read_card
from faceid.networks.errors import BadCard
from faceid.networks.files import write_whole


def write_card(path: Path, card: Card) -> None:
    """Write a card without a calibration, whose weights lie beside it; whole or not at all.

    Raises BadCard where it would not read back as it is, and OSError.
    """
    text = _render(card)
    written = read_card(text, path.name, folder=path.parent)
    if written != card:
        raise BadCard(f"the card of {card.name} does not survive being written", path=str(path))
    write_whole(path, [text.encode()])


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
