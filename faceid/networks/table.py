"""Typed reading of TOML: a value of the right kind, or a BadCard that names the key."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import TypeGuard, TypeVar

from faceid.networks.errors import BadCard

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_Choice = TypeVar("_Choice", bound=str)


class Table:
    """A TOML table of which each key is taken once, by kind; `where` names it in messages."""

    def __init__(self, values: Mapping[str, object], where: str) -> None:
        self._values = dict(values)
        self._where = where

    def text(self, key: str) -> str:
        """A string that is not blank."""
        value = self._take(key)
        if not isinstance(value, str) or not value.strip():
            raise self.bad(key, "must be a string that is not empty")
        return value

    def choice(self, key: str, choices: tuple[_Choice, ...]) -> _Choice:
        """One of `choices`."""
        value = self._take(key)
        for choice in choices:
            if value == choice:
                return choice
        raise self.bad(key, f"must be one of {', '.join(choices)}")

    def integer(self, key: str, *, least: int = 0) -> int:
        """A whole number, `least` or more."""
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self.bad(key, f"must be a whole number, {least} or more")
        return value

    def number(self, key: str) -> float:
        """A finite number, 0 or more."""
        value = self._take(key)
        if not _is_number(value) or value < 0.0:
            raise self.bad(key, "must be a number, 0 or more")
        return float(value)

    def triple(self, key: str) -> tuple[float, float, float]:
        """Three finite numbers."""
        value = self._take(key)
        if not isinstance(value, list) or len(value) != 3 or not all(_is_number(item) for item in value):
            raise self.bad(key, "must be three numbers")
        return float(value[0]), float(value[1]), float(value[2])

    def optional_text(self, key: str) -> str | None:
        """The string, or None where the key is absent."""
        return self.text(key) if key in self._values else None

    def boolean(self, key: str) -> bool:
        """True or false."""
        value = self._take(key)
        if not isinstance(value, bool):
            raise self.bad(key, "must be true or false")
        return value

    def optional_number(self, key: str) -> float | None:
        """The number, or None where the key is absent."""
        return self.number(key) if key in self._values else None

    def pairs(self, key: str) -> list[tuple[float, float]]:
        """An array of two finite numbers each; empty where the key is absent."""
        value = self._values.pop(key, [])
        if not isinstance(value, list):
            raise self.bad(key, "must be an array of pairs")
        pairs = []
        for item in value:
            if not isinstance(item, list) or len(item) != 2 or not all(_is_number(number) for number in item):
                raise self.bad(key, "must be an array of two numbers each")
            pairs.append((float(item[0]), float(item[1])))
        return pairs

    def table(self, key: str) -> Table:
        """The table at `key`."""
        value = self._take(key)
        if not isinstance(value, dict):
            raise self.bad(key, "must be a table")
        return Table(value, f"{self._where}: {key}")

    def optional_table(self, key: str) -> Table | None:
        """The table, or None where the key is absent."""
        return self.table(key) if key in self._values else None

    def tables(self, key: str) -> list[Table]:
        """An array of tables; empty where the key is absent."""
        value = self._values.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.bad(key, "must be an array of tables")
        return [Table(item, f"{self._where}: {key}[{number}]") for number, item in enumerate(value)]

    def expect_nothing_else(self) -> None:
        """Raise BadCard where a key was not taken: most likely a slip of the pen."""
        for key in self._values:
            raise self.bad(key, "is not a known key")

    def bad(self, key: str, complaint: str) -> BadCard:
        """An error about `key`, to be raised."""
        return BadCard(f"{self._where}: {key} {complaint}", hint="correct the model card")

    def _take(self, key: str) -> object:
        if key not in self._values:
            raise self.bad(key, "is missing")
        return self._values.pop(key)


def parse(text: str, where: str) -> Table:
    """The top table of a TOML document. Raises BadCard where it is not TOML."""
    try:
        return Table(tomllib.loads(text), where)
    except tomllib.TOMLDecodeError as error:
        raise BadCard(f"{where} is not valid TOML: {error}", hint="correct the model card") from error


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
