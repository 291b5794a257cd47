"""How often a name may be tried by challenge: a recording fits one order in many, each time it is tried."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_PAUSE_S = 4.0
LONGEST_PAUSE_S = 900.0
"""Doubling from the first: three tries in half a minute, ten in an hour, four an hour after that."""


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    until_s: float


class Tries:
    """Counts challenges that were not passed, a name at a time, and says how long nobody may try to be that person.

    One that was begun and left counts: who walks away at a movement that a recording does not show, and comes back,
    would have as many tries as he likes. Passing one clears the name. Only names of the gallery are kept.
    """

    def __init__(self) -> None:
        self._failures: dict[str, _Failures] = {}

    def may(self, name: str, time_s: float) -> bool:
        """Whether a challenge to be `name` may begin."""
        known = self._failures.get(name)
        return known is None or time_s >= known.until_s

    def failed(self, name: str, time_s: float) -> None:
        """A challenge to be `name` was failed, or left after it had asked for a movement."""
        known = self._failures.get(name)
        count = 1 if known is None else known.count + 1
        # The power is bounded: beyond it the pause is the longest anyway.
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(count - 1, 20))
        self._failures[name] = _Failures(count, time_s + pause_s)

    def passed(self, name: str) -> None:
        """A challenge to be `name` was passed."""
        self._failures.pop(name, None)
