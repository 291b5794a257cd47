"""How long to wait before a source is opened again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Doubles from `first_s` up to `longest_s`; each wait is drawn from its upper half.

    Drawn, so that a hundred clients of one server that restarts do not all come back in the same instant.
    """

    first_s: float
    longest_s: float
    draw: Callable[[], float] = random.random
    failures: int = 0

    def next_s(self) -> float:
        """Seconds to wait now, one failure after the last call."""
        whole = min(self.longest_s, self.first_s * 2.0 ** min(self.failures, 60))
        self.failures += 1
        return whole * (0.5 + 0.5 * self.draw())

    def reset(self) -> None:
        """Begin anew: the source has been good for a while."""
        self.failures = 0
