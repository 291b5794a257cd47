"""The pause after a failed challenge: a recording passes one random order in many, so attempts must be rare."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_PAUSE_S = 4.0
LONGEST_PAUSE_S = 900.0
"""Seconds. The pause doubles from the first: three attempts in half a minute, ten in an hour, then four an hour."""


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    until_s: float


class ChallengeLockout:
    """Counts failed challenges for each name, and blocks further ones for a pause.

    A challenge that was begun and abandoned counts as failed; otherwise an attacker could leave at each movement that
    the recording does not show. A passed challenge clears the name. Only names of the gallery are kept.
    """

    def __init__(self) -> None:
        self._failures: dict[str, _Failures] = {}

    def allows(self, name: str, time_s: float) -> bool:
        """Whether a challenge for `name` may begin at `time_s`."""
        known = self._failures.get(name)
        return known is None or time_s >= known.until_s

    def failed(self, name: str, time_s: float) -> None:
        """Record a challenge for `name` that was failed, or abandoned after it had asked for a movement."""
        known = self._failures.get(name)
        count = 1 if known is None else known.count + 1
        # The power is bounded: beyond it the pause is the longest anyway.
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(count - 1, 20))
        self._failures[name] = _Failures(count, time_s + pause_s)

    def passed(self, name: str) -> None:
        """Record a challenge for `name` that was passed."""
        self._failures.pop(name, None)
