"""The measured distances of a network, as the `[calibration]` table of its card or as JSON.

The table is the last in a card. A new calibration replaces everything from its header on. The text above stays as it
was, comments included.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct, to_builtins

from faceid.documents import (
    Amount,
    BadDocument,
    Count,
    Finite,
    Rate,
    Sha256,
    Text,
    as_type,
    parse_json,
    parse_toml,
    read_text,
)
from faceid.networks.errors import BadCard
from faceid.networks.files import write_whole

HEADER = "[calibration]"
ALIKE_HEADER = "[calibration.alike]"

AlikeBy: TypeAlias = Literal["attributes", "nearest half"]
"""How people who are alike are chosen: by sex and group, or as the half of the others whose templates are nearest."""


@dataclass(frozen=True, slots=True)
class CalibrationPoint:
    """At the threshold `distance`, `count` of the non-mated comparisons are false matches.

    `fmr` is their share (0..1), `low`..`high` its 95 % interval. `fnmr` is the share of the mated comparisons that are
    false non-matches, None if it was not measured.
    """

    fmr: Rate
    distance: Amount
    low: Rate
    high: Rate
    count: Count
    fnmr: Rate | None = None


class EvidencePoint(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A pair of numbers in files. `log10_lr` is the likelihood ratio of a `distance`, in powers of ten.

    The ratio compares the likelihood of the distance for two photos of one person with that for two people.
    """

    distance: Finite
    log10_lr: Finite


Points: TypeAlias = Annotated[
    tuple[CalibrationPoint, ...], Meta(min_length=1, description="an array of tables that is not empty")
]


@dataclass(frozen=True, slots=True)
class AlikeCurve:
    """The FMR among people who are alike: `non_mated` comparisons of `people` people, measured as in Calibration.

    `chosen_by` says which comparisons count. With `attributes`, both people share all attributes: sex and group. With
    `nearest half`, the second person is among the half of the others whose templates are nearest to the first.
    `points` are ordered strictest first and have no FNMR. Their intervals are over people.
    """

    data: Text
    population: Text
    chosen_by: AlikeBy
    date: Text
    software: Text
    people: Count
    non_mated: Count
    points: Points
    data_sha256: Text | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Distances measured on `data` at `date` (ISO 8601) with `software`.

    `mated` and `non_mated` count the comparisons of the same and of different people. `points` are ordered strictest
    first: `fmr` and `distance` both rise. Two identities are ambiguous for a probe if their distances differ by less
    than `ambiguity_margin`: the distances of two photos of one person mostly differ by as much. In `evidence`,
    `distance` rises and `log10_lr` does not; it is empty if it was not measured. `data_sha256` is the hash of the list
    of files and names, which identifies the data. `weights_sha256` is the hash of the file of weights that was
    measured: a card refuses a calibration of other weights than its own. `population` names the people for whom the
    rates hold, None in calibrations of version 0.1.0. `alike` is the curve of FMR among people who are alike, None if
    it was not measured.
    """

    data: Text
    date: Text
    software: Text
    mated: Count
    non_mated: Count
    points: Points
    ambiguity_margin: Amount
    evidence: tuple[EvidencePoint, ...] = ()
    data_sha256: Text | None = None
    weights_sha256: Sha256 | None = None
    population: Text | None = None
    alike: AlikeCurve | None = None


def check_calibration(calibration: Calibration, where: str) -> None:
    """Raise BadDocument if the rates, distances and ratios contradict each other; `where` begins the message."""
    _check_points(calibration.points, where)
    if calibration.alike is not None:
        _check_points(calibration.alike.points, f"{where}alike.")
    for number, (nearer, farther) in enumerate(pairwise(calibration.evidence), start=1):
        if not (nearer.distance < farther.distance and nearer.log10_lr >= farther.log10_lr):
            raise BadDocument(
                f"{where}evidence[{number}] must rise in distance, and must not rise in its ratio"
            )


def _check_points(points: tuple[CalibrationPoint, ...], where: str) -> None:
    for number, point in enumerate(points):
        if not point.low <= point.fmr <= point.high or point.fmr == 0.0:
            raise BadDocument(
                f"{where}points[{number}].fmr must be a rate above 0 inside its interval low..high"
            )
    for number, (stricter, laxer) in enumerate(pairwise(points), start=1):
        if not (stricter.fmr < laxer.fmr and stricter.distance < laxer.distance):
            raise BadDocument(f"{where}points[{number}] must rise in fmr and in distance")
        if stricter.fnmr is not None and laxer.fnmr is not None and stricter.fnmr < laxer.fnmr:
            raise BadDocument(f"{where}points[{number}] must not rise in fnmr")


def write_calibration(card_path: Path, calibration: Calibration) -> None:
    """Replace the calibration in the card at `card_path`, or add one; the file changes completely or not at all.

    Raises BadCard if the file would not be read back as `calibration`, and OSError.
    """
    try:
        lines = read_text(card_path).splitlines(keepends=True)
        headers = [number for number, line in enumerate(lines) if line.strip() == HEADER]
        above = "".join(lines[: headers[0]] if headers else lines).rstrip()
        rewritten = f"{above}\n\n{_render(calibration)}"
        written = parse_toml(rewritten, str(card_path)).get("calibration")
        where = f"{card_path}: calibration."
        found = as_type(written, Calibration, where.removesuffix("."))
        check_calibration(found, where)
    except BadDocument as error:
        raise BadCard(str(error), path=str(card_path)) from error
    if found != calibration:
        raise BadCard(
            f"{card_path} cannot hold this calibration: it would be read differently", path=str(card_path)
        )
    write_whole(card_path, [rewritten.encode()])


def to_json(calibration: Calibration) -> str:
    """The calibration as a JSON object, which `from_json` reads. Its keys are those of the card's table."""
    return json.dumps(_without_none(to_builtins(calibration)), allow_nan=False)


def from_json(text: str, where: str) -> Calibration:
    """Read what `to_json` wrote; `where` names it in messages. Raises BadCard."""
    try:
        found = as_type(parse_json(text, where), Calibration, where)
        check_calibration(found, f"{where}: ")
    except BadDocument as error:
        raise BadCard(str(error)) from error
    return found


def _without_none(value: Any) -> Any:
    # Version 0.1.0 reads a key that is absent, and refuses null.
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _render(calibration: Calibration) -> str:
    return "\n".join(
        (
            HEADER,
            *_texts(calibration, ("data", "population", "date", "software")),
            f"mated = {calibration.mated}",
            f"non_mated = {calibration.non_mated}",
            *_texts(calibration, ("data_sha256", "weights_sha256")),
            f"ambiguity_margin = {_number(calibration.ambiguity_margin)}",
            *_render_points(calibration.points),
            *(_render_evidence(calibration.evidence) if calibration.evidence else []),
            *(_render_alike(calibration.alike) if calibration.alike is not None else []),
            "",
        )
    )


def _render_alike(alike: AlikeCurve) -> list[str]:
    return [
        "",
        "# The FMR among people who are alike.",
        ALIKE_HEADER,
        *_texts(alike, ("data", "population", "chosen_by", "date", "software")),
        f"people = {alike.people}",
        f"non_mated = {alike.non_mated}",
        *_texts(alike, ("data_sha256",)),
        *_render_points(alike.points),
    ]


def _texts(table: Calibration | AlikeCurve, names: tuple[str, ...]) -> list[str]:
    values = {name: getattr(table, name) for name in names}
    # A JSON string is a TOML basic string.
    return [f"{name} = {json.dumps(value)}" for name, value in values.items() if value is not None]


def _render_points(points: tuple[CalibrationPoint, ...]) -> list[str]:
    return ["points = [", *(f"    {_render_point(point)}," for point in points), "]"]


def _render_point(point: CalibrationPoint) -> str:
    misses = "" if point.fnmr is None else f", fnmr = {_number(point.fnmr)}"
    return (
        f"{{ fmr = {_number(point.fmr)}, distance = {_number(point.distance)},"
        f" low = {_number(point.low)}, high = {_number(point.high)}, count = {point.count}{misses} }}"
    )


def _render_evidence(evidence: tuple[EvidencePoint, ...]) -> list[str]:
    return [
        "# Distance, and how many powers of ten likelier it is for one person than for two.",
        "evidence = [",
        *(f"    [{_number(point.distance)}, {_number(point.log10_lr)}]," for point in evidence),
        "]",
    ]


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise BadCard(f"a calibration cannot hold {value}")
    return repr(float(value))
