"""TOML and JSON files from users and other programs, read into a type.

msgspec checks the types; this module bounds the size and gives errors in plain words with the key, as in `card.toml:
calibration.points[3].fmr must be a rate, 0 to 1`. A key that the type does not have is an error.

Types are dataclasses or msgspec structs. A constraint has its own description: `Annotated[float, Meta(ge=0,
description="a number, 0 or more")]`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST_BYTES = 4 << 20
"""The largest document that is read: a calibration with all its points takes 20 kB."""

_MOST = sys.float_info.max

Text: TypeAlias = Annotated[str, Meta(pattern=r"\S", description="a string that is not empty")]
Count: TypeAlias = Annotated[int, Meta(ge=0, description="a whole number, 0 or more")]
Positive: TypeAlias = Annotated[int, Meta(ge=1, description="a whole number, 1 or more")]
Finite: TypeAlias = Annotated[float, Meta(ge=-_MOST, le=_MOST, description="of type float, and finite")]
Amount: TypeAlias = Annotated[float, Meta(ge=0.0, le=_MOST, description="a finite number, 0 or more")]
Rate: TypeAlias = Annotated[float, Meta(ge=0.0, le=1.0, description="a rate, 0 to 1")]
Sha256: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{64}\Z", description="64 hexadecimal digits, lower case")
]

_T = TypeVar("_T")


class BadDocument(ValueError):
    """The document cannot be used; the message names the document, the key and its place."""


def read_text(path: Path) -> str:
    """The UTF-8 text of a file of at most MOST_BYTES. Raises OSError and BadDocument."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise BadDocument(f"{path.name} is larger than {MOST_BYTES >> 20} MB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadDocument(f"{path.name} is not UTF-8 text: {error}") from error


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The top table of a TOML document; `where` names it in messages. Raises BadDocument."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadDocument(f"{where} is not valid TOML: {error}") from error


def parse_json(text: str, where: str) -> dict[str, Any]:
    """The top object of a JSON document; `where` names it in messages. Raises BadDocument."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadDocument(f"{where} is not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise BadDocument(f"{where} is not a JSON object")
    return values


def as_type(values: object, kind: type[_T], where: str) -> _T:
    """`values` as a `kind`, without conversions except int to float. Raises BadDocument, naming the first bad key."""
    try:
        found = msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise BadDocument(f"{where}: {_in_words(str(error), kind)}") from error
    for key in _unknown(values, msgspec.to_builtins(found)):
        raise BadDocument(f"{where}: {key} is not a known key")
    return found


def _in_words(message: str, kind: Any) -> str:
    complaint, _, path = message.partition(" - at `$")
    path = path.removesuffix("`").removeprefix(".")
    if missing := re.fullmatch(r"Object missing required field `(.+)`", complaint):
        return f"{path}.{missing[1]} is missing".removeprefix(".")
    got = re.search(r", got `?(\w+)`?$", complaint)
    return f"{path} must be {_wanted(kind, path)}" + (f", not {got[1]}" if got else "")


def _wanted(kind: Any, path: str) -> str:
    """The description of the type at `path`, such as `points[3].fmr`."""
    for name, index in re.findall(r"(\w+)|\[(\d+)\]", path):
        plain, _ = _unwrapped(kind)
        if name:
            kind = get_type_hints(plain, include_extras=True)[name]
        else:
            inner = get_args(plain)
            kind = inner[0] if len(inner) == 1 or inner[-1] is ... else inner[int(index)]
    plain, words = _unwrapped(kind)
    if words is not None:
        return words
    if get_origin(plain) is Literal:
        return f"one of {', '.join(get_args(plain))}"
    if plain in (bool, int, float, str):
        return f"of type {plain.__name__}"
    inner = get_args(plain)
    if inner and inner[-1] is not ...:
        return f"an array of {len(inner)} values"
    return "an array" if inner or issubclass(plain, msgspec.Struct) else "a table"


def _unwrapped(kind: Any) -> tuple[Any, str | None]:
    """The type without `| None` and annotations, and the description of its constraint."""
    words = None
    while get_origin(kind) in (Annotated, Union, UnionType):
        if get_origin(kind) is Annotated:
            words = next((meta.description for meta in kind.__metadata__ if meta.description), words)
        kind = get_args(kind)[0]
    return kind, words


def _unknown(given: object, known: object, path: str = "") -> Iterator[str]:
    """The places of keys that the type does not have: msgspec ignores them for dataclasses."""
    if isinstance(given, dict) and isinstance(known, dict):
        for key, value in given.items():
            place = f"{path}.{key}".removeprefix(".")
            if key in known:
                yield from _unknown(value, known[key], place)
            else:
                yield place
    elif isinstance(given, list) and isinstance(known, (list, tuple)):
        for number, (value, other) in enumerate(zip(given, known, strict=True)):
            yield from _unknown(value, other, f"{path}[{number}]")
