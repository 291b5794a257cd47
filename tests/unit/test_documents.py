"""Documents of other people: what is wrong is named with its place, whatever is in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from faceid import documents
from faceid.documents import (
    Amount,
    BadDocument,
    Count,
    Finite,
    Rate,
    Text,
    as_type,
    parse_json,
    parse_toml,
    read_text,
)


@dataclass(frozen=True)
class Point:
    fmr: Rate
    colour: Literal["red", "blue"] = "red"
    mean: tuple[Finite, Finite] = (0.0, 0.0)


@dataclass(frozen=True)
class Outer:
    name: Text
    count: Count
    size: Amount = 1.0
    flag: bool = False
    inner: Point | None = None
    points: tuple[Point, ...] = ()


GOOD = {"name": "x", "count": 1}


def test_integers_are_numbers_and_defaults_stay() -> None:
    found = as_type({**GOOD, "size": 3, "points": [{"fmr": 1, "mean": [1, 2]}]}, Outer, "x")
    assert found == Outer("x", 1, 3.0, points=(Point(1.0, mean=(1.0, 2.0)),))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"name": "x"}, "count is missing"),
        ({**GOOD, "extra": 1}, "extra is not a known key"),
        ({**GOOD, "name": " "}, "name must be a string that is not empty"),
        ({**GOOD, "name": 3}, "name must be a string that is not empty, not int"),
        ({**GOOD, "count": -1}, "count must be a whole number, 0 or more"),
        ({**GOOD, "count": True}, "count must be a whole number, 0 or more, not bool"),
        ({**GOOD, "count": 1.0}, "count must be a whole number, 0 or more, not float"),
        ({**GOOD, "size": float("inf")}, "size must be a finite number, 0 or more"),
        ({**GOOD, "size": float("nan")}, "size must be a finite number, 0 or more"),
        ({**GOOD, "size": 10**400}, "size must be a finite number, 0 or more"),
        ({**GOOD, "flag": 1}, "flag must be of type bool, not int"),
        ({**GOOD, "inner": 1}, "inner must be a table, not int"),
        ({**GOOD, "inner": {}}, "inner.fmr is missing"),
        ({**GOOD, "inner": {"fmr": 0.1, "x": 1}}, "inner.x is not a known key"),
        ({**GOOD, "points": 1}, "points must be an array, not int"),
        ({**GOOD, "points": [{"fmr": 0.1}, {"fmr": 2}]}, "points[1].fmr must be a rate, 0 to 1"),
        ({**GOOD, "points": [{"fmr": 0.1}, {"fmr": 0.1, "x": 1}]}, "points[1].x is not a known key"),
        ({**GOOD, "points": [{"fmr": 0.1, "colour": "green"}]}, "points[0].colour must be one of red, blue"),
        (
            {**GOOD, "points": [{"fmr": 0.1, "mean": [1]}]},
            "points[0].mean must be an array of 2 values, not 1",
        ),
        (
            {**GOOD, "points": [{"fmr": 0.1, "mean": [1, float("nan")]}]},
            "points[0].mean[1] must be of type float, and finite",
        ),
    ],
)
def test_the_key_and_its_place_are_named(values: object, complaint: str) -> None:
    with pytest.raises(BadDocument) as caught:
        as_type(values, Outer, "card.toml")
    assert str(caught.value) == f"card.toml: {complaint}"


@pytest.mark.parametrize("text", ["a = ", "a = " + "[" * 100_000, "\x00", "a = 1\na = 2"])
def test_what_is_not_toml(text: str) -> None:
    with pytest.raises(BadDocument, match=r"^card\.toml is not valid TOML"):
        parse_toml(text, "card.toml")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[1]", "3"])
def test_what_is_not_a_json_object(text: str) -> None:
    with pytest.raises(BadDocument, match=r"^file\.json is not"):
        parse_json(text, "file.json")


def test_a_file_is_read_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "card.toml"
    path.write_bytes(b"a" * documents.MOST_BYTES)
    assert len(read_text(path)) == documents.MOST_BYTES
    path.write_bytes(b"a" * (documents.MOST_BYTES + 1))
    with pytest.raises(BadDocument, match=r"card\.toml is larger than 4 MB"):
        read_text(path)
    with pytest.raises(BadDocument, match="zero is larger"):
        read_text(Path("/dev/zero"))
    path.write_bytes(b"\xff")
    with pytest.raises(BadDocument, match="not UTF-8"):
        read_text(path)
