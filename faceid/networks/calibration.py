"""What is known about a network's distances between photos, as its card's `[calibration]` table or as JSON.

In a card the table is the last in its file, so that a new calibration replaces everything from its header on and leaves
what people wrote above, comments included, as it was.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from faceid.networks.errors import BadCard
from faceid.networks.files import write_whole
from faceid.networks.table import Table, parse

HEADER = "[calibration]"


@dataclass(frozen=True, slots=True)
class CalibrationPoint:
    """At the threshold `distance`, `count` of the non-mated comparisons matched falsely.

    `fmr` is their share (0..1), `low`..`high` its 95 % interval. `fnmr` is the share of the mated comparisons that
    did not match, None where it was not measured.
    """

    fmr: float
    distance: float
    low: float
    high: float
    count: int
    fnmr: float | None = None


@dataclass(frozen=True, slots=True)
class EvidencePoint:
    """`log10_lr`: how many powers of ten likelier a `distance` is between photos of one person than of two."""

    distance: float
    log10_lr: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Distances measured on `data` at `date` (ISO 8601) with `software`.

    `mated` and `non_mated` count the comparisons of the same and of different people. `points` are ordered
    strictest first: `fmr` and `distance` both rise. Two identities whose distances to a probe differ by less
    than `ambiguity_margin` cannot be told apart: so do photos of one person, mostly. `evidence` says what a distance
    is worth: `distance` rises, `log10_lr` does not; empty where it was not measured. `data_sha256` is of the list of
    files and names, by which data are known again.
    """

    data: str
    date: str
    software: str
    mated: int
    non_mated: int
    points: tuple[CalibrationPoint, ...]
    ambiguity_margin: float
    evidence: tuple[EvidencePoint, ...] = ()
    data_sha256: str | None = None


def read_calibration(table: Table) -> Calibration:
    """The calibration that a `[calibration]` table holds, or the same as JSON. Raises BadCard."""
    calibration = Calibration(
        data=table.text("data"),
        date=table.text("date"),
        software=table.text("software"),
        mated=table.integer("mated"),
        non_mated=table.integer("non_mated"),
        points=tuple(_read_point(point) for point in table.tables("points")),
        ambiguity_margin=table.number("ambiguity_margin"),
        evidence=tuple(EvidencePoint(*pair) for pair in table.pairs("evidence")),
        data_sha256=table.optional_text("data_sha256"),
    )
    table.expect_nothing_else()
    if not calibration.points:
        raise table.bad("points", "must not be empty")
    for stricter, laxer in pairwise(calibration.points):
        if not (stricter.fmr < laxer.fmr and stricter.distance < laxer.distance):
            raise table.bad("points", "must rise in fmr and in distance")
        if stricter.fnmr is not None and laxer.fnmr is not None and stricter.fnmr < laxer.fnmr:
            raise table.bad("points", "must not rise in fnmr")
    for nearer, farther in pairwise(calibration.evidence):
        if not (nearer.distance < farther.distance and nearer.log10_lr >= farther.log10_lr):
            raise table.bad("evidence", "must rise in distance, and not in its ratio")
    return calibration


def write_calibration(card_path: Path, calibration: Calibration) -> None:
    """Replace the calibration in the card at `card_path`, or add one; whole or not at all.

    Raises BadCard where the result would not read back as `calibration`, and OSError.
    """
    text = card_path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    headers = [number for number, line in enumerate(lines) if line.strip() == HEADER]
    above = "".join(lines[: headers[0]] if headers else lines).rstrip()
    rewritten = f"{above}\n\n{_render(calibration)}"
    written = parse(rewritten, str(card_path)).optional_table("calibration")
    if written is None or read_calibration(written) != calibration:
        raise BadCard(f"the calibration does not survive being written to {card_path}", path=str(card_path))
    write_whole(card_path, [rewritten.encode()])


def to_json(calibration: Calibration) -> str:
    """The same as a JSON object, which `from_json` reads. Keys are those of the card's table."""
    fields = {name: getattr(calibration, name) for name in Calibration.__slots__}
    fields["points"] = [
        {name: value for name in CalibrationPoint.__slots__ if (value := getattr(point, name)) is not None}
        for point in calibration.points
    ]
    fields["evidence"] = [[point.distance, point.log10_lr] for point in calibration.evidence]
    return json.dumps({name: value for name, value in fields.items() if value is not None}, allow_nan=False)


def from_json(text: str, where: str) -> Calibration:
    """Read what `to_json` wrote; `where` names it in messages. Raises BadCard."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise BadCard(f"{where} is not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise BadCard(f"{where} is no JSON object")
    return read_calibration(Table(values, where))


def _read_point(table: Table) -> CalibrationPoint:
    point = CalibrationPoint(
        fmr=table.number("fmr"),
        distance=table.number("distance"),
        low=table.number("low"),
        high=table.number("high"),
        count=table.integer("count"),
        fnmr=table.optional_number("fnmr"),
    )
    table.expect_nothing_else()
    if not 0.0 <= point.low <= point.fmr <= point.high <= 1.0 or point.fmr == 0.0:
        raise table.bad("fmr", "must be a rate above 0 inside its interval low..high")
    if point.fnmr is not None and point.fnmr > 1.0:
        raise table.bad("fnmr", "must be a rate, 0 to 1")
    return point


def _render(calibration: Calibration) -> str:
    return "\n".join(
        (
            HEADER,
            # A JSON string is a TOML basic string.
            f"data = {json.dumps(calibration.data)}",
            f"date = {json.dumps(calibration.date)}",
            f"software = {json.dumps(calibration.software)}",
            f"mated = {calibration.mated}",
            f"non_mated = {calibration.non_mated}",
            *(
                [f"data_sha256 = {json.dumps(calibration.data_sha256)}"]
                if calibration.data_sha256 is not None
                else []
            ),
            f"ambiguity_margin = {_number(calibration.ambiguity_margin)}",
            "points = [",
            *(f"    {_render_point(point)}," for point in calibration.points),
            "]",
            *(_render_evidence(calibration.evidence) if calibration.evidence else []),
            "",
        )
    )


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
