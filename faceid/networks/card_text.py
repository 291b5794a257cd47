"""Model cards as TOML: reading with a check of every key, and writing for trained networks."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from faceid.documents import BadDocument, Positive, Sha256, Text, as_type, parse_toml
from faceid.networks.calibration import check_calibration
from faceid.networks.card import (
    AnyCard,
    Card,
    DetectionCard,
    FileName,
    LivenessCard,
    SourceKind,
    Weights,
    WeightsSource,
)
from faceid.networks.errors import BadCard, WeightsAltered
from faceid.networks.files import sha256_of, write_whole
from faceid.networks.kinds import Makes, NetworkKind, find_kind, known_kinds

_OtherCard = TypeVar("_OtherCard", LivenessCard, DetectionCard)

# npm takes other arguments too: options, folders, and Git repositories, whose scripts it may run.
_NPM_PACKAGE = re.compile(r"(@[a-z0-9][\w.~-]*/)?[a-z0-9][\w.~-]*(@[0-9A-Za-z][\w.+-]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Pin:
    sha256: Sha256 | None = None


@dataclass(frozen=True, slots=True)
class _Pinned:
    """The keys about weights in a card beside its file."""

    weights: _Pin


@dataclass(frozen=True, slots=True)
class _OneSource:
    """`[weights]` with the keys of its only source in the same table."""

    kind: SourceKind
    source: Text
    file: FileName
    sha256: Sha256
    size: Positive
    member: Text | None = None


@dataclass(frozen=True, slots=True)
class _WithOneSource:
    """The keys about weights in a card with one source."""

    weights: _OneSource


@dataclass(frozen=True, slots=True)
class _WithSources:
    """The keys about weights in a card with a list of sources."""

    weights: Weights


def read_card(text: str, where: str, *, file: Path | None = None, folder: Path | None = None) -> Card:
    """The card that `text` holds; `where` names it in messages.

    `file` is the network itself if the card is beside it: then `[weights]` may be left out, or give only the `sha256`.
    `folder` is the folder of the card, which contains weights of kind `file`. Raises BadCard, which names the key,
    WeightsAltered for a file of another hash, and OSError.
    """
    try:
        values = parse_toml(text, where)
        weights = values.get("weights")
        if file is not None:
            values["weights"] = _weights_beside(file, {} if weights is None else weights, where)
        elif isinstance(weights, dict):
            values["weights"] = _weights_of(weights, where, folder)
        card = as_type(values, Card, where)
        _check_terms(card, where)
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
    return _read_other_card(text, where, LivenessCard, "liveness")


def read_detection_card(text: str, where: str) -> DetectionCard:
    """The card that `text` holds; `where` names it in messages. Raises BadCard, which names the key."""
    return _read_other_card(text, where, DetectionCard, "detection")


def _read_other_card(text: str, where: str, type_of_card: type[_OtherCard], makes: Makes) -> _OtherCard:
    """A card that says its `kind`, since its network makes no templates."""
    try:
        values = parse_toml(text, where)
        if values.pop("kind", None) != makes:
            raise BadDocument(f"{where}: kind must be {makes}")
        if isinstance(weights := values.get("weights"), dict):
            values["weights"] = _weights_of(weights, where, None)
        card = as_type(values, type_of_card, where)
        _check_terms(card, where)
        _kind(card.backbone, makes, where)
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
    return _values_of(Weights.of_file(file, found, file.stat().st_size))


def _weights_of(weights: dict[str, Any], where: str, folder: Path | None) -> dict[str, Any]:
    """`weights` with `sources`, checked. Files of the kind `file` lie in `folder`; without one there are none.

    A card with one source may have the keys of the source beside those of the file. Raises BadDocument.
    """
    if "sources" not in weights:
        filled = _filled(weights, weights, "weights.", where, folder)
        one = as_type({"weights": filled}, _WithOneSource, where).weights
        only = WeightsSource(one.kind, one.source, one.member)
        _check_source(only, "weights.", where, files=folder is not None)
        return _values_of(Weights(one.file, one.sha256, one.size, (only,)))
    values = dict(weights)
    if isinstance(values["sources"], list):
        values["sources"] = [
            _filled(source, weights, f"weights.sources[{number}].", where, folder)
            for number, source in enumerate(values["sources"])
        ]
    found = as_type({"weights": values}, _WithSources, where).weights
    for number, source in enumerate(found.sources):
        _check_source(source, f"weights.sources[{number}].", where, files=folder is not None)
    return _values_of(found)


def _values_of(weights: Weights) -> dict[str, Any]:
    return {**asdict(weights), "sources": [asdict(source) for source in weights.sources]}


def _filled(source: Any, weights: dict[str, Any], key: str, where: str, folder: Path | None) -> Any:
    """`source` with the path of a file in `folder`; what is no table of the kind `file` stays as it is."""
    if folder is None or not isinstance(source, dict) or source.get("kind") != "file":
        return source
    if "source" in source:
        raise BadDocument(f"{where}: {key}source is not a known key of weights of kind file")
    return {**source, "source": str(folder / str(weights.get("file")))}


def _check_source(source: WeightsSource, key: str, where: str, *, files: bool) -> None:
    kind = source.kind
    if kind == "file" and not files:
        raise BadDocument(f"{where}: {key}kind must be one of package, url, npm")
    if kind == "url" and not source.source.startswith("https://"):
        raise BadDocument(f"{where}: {key}source must begin with https://")
    if kind == "npm" and not _NPM_PACKAGE.fullmatch(source.source):
        raise BadDocument(f"{where}: {key}source must be a package of the registry, as in name@1.0.0")
    if (kind in ("package", "npm")) != (source.member is not None):
        problem = f"is not a known key of weights of kind {kind}" if source.member else "is missing"
        raise BadDocument(f"{where}: {key}member {problem}")


def _check_terms(card: AnyCard, where: str) -> None:
    # The words are what a user accepts.
    if card.terms is not None and card.licence_note is None:
        raise BadDocument(f"{where}: licence_note is missing: it says what terms means")


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
        *([f"terms = {_text(card.terms)}"] if card.terms else []),
        f"source_url = {_text(card.source_url)}",
        "",
        "[weights]",
        'kind = "file"',
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
