"""What is known about a network's distances between different people, as its card's `[calibration]` table.

The table is the last in its file, so that a new calibration replaces everything from its header on and leaves
what people wrote above, comments included, as it was.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from models.errors import BadCard
from models.files import write_whole
from models.table import Table, parse

HEADER = "[calibration]"


@dataclass(frozen=True, slots=True)
class CalibrationPoint:
    """At the threshold `distance`, `count` of the non-mated comparisons matched falsely.

    `fmr` is their share (0..1), `low`..`high` its 95 % interval.
    """

    fmr: float
    distance: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Distances measured on `data` at `date` (ISO 8601) with `software`.

    `mated` and `non_mated` count the comparisons of the same and of different people. `points` are ordered
    strictest first: `fmr` and `distance` both rise. Two identities whose distances to a probe differ by less
    than `ambiguity_margin` cannot be told apart: so do photos of one person, mostly.
    """

    data: str
    date: str
    software: str
    mated: int
    non_mated: int
    points: tuple[CalibrationPoint, ...]
    ambiguity_margin: float


def read_calibration(table: Table) -> Calibration:
    """The calibration that a `[calibration]` table holds. Raises BadCard."""
    calibration = Calibration(
        data=table.text("data"),
        date=table.text("date"),
        software=table.text("software"),
        mated=table.integer("mated"),
        non_mated=table.integer("non_mated"),
        points=tuple(_read_point(point) for point in table.tables("points")),
        ambiguity_margin=table.number("ambiguity_margin"),
    )
    table.expect_nothing_else()
    if not calibration.points:
        raise table.bad("points", "must not be empty")
    for stricter, laxer in pairwise(calibration.points):
        if not (stricter.fmr < laxer.fmr and stricter.distance < laxer.distance):
            raise table.bad("points", "must rise in fmr and in distance")
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


def _read_point(table: Table) -> CalibrationPoint:
    point = CalibrationPoint(
        fmr=table.number("fmr"),
        distance=table.number("distance"),
        low=table.number("low"),
        high=table.number("high"),
        count=table.integer("count"),
    )
    table.expect_nothing_else()
    if not 0.0 <= point.low <= point.fmr <= point.high <= 1.0 or point.fmr == 0.0:
        raise table.bad("fmr", "must be a rate above 0 inside its interval low..high")
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
            f"ambiguity_margin = {_number(calibration.ambiguity_margin)}",
            "points = [",
            *(
                f"    {{ fmr = {_number(point.fmr)}, distance = {_number(point.distance)},"
                f" low = {_number(point.low)}, high = {_number(point.high)}, count = {point.count} }},"
                for point in calibration.points
            ),
            "]",
            "",
        )
    )


def _number(value: float) -> str:
    if not math.isfinite(value):
        raise BadCard(f"a calibration cannot hold {value}")
    return repr(float(value))
