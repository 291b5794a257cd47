"""Chooses the faces of a frame to embed: the network costs more than everything else between two detections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

EAGER = 5
"""Looks that every track gets as soon as possible."""


@dataclass(frozen=True, slots=True)
class LookCandidate:
    """A track that could be embedded now: its `number`, and the quality of its face, 0..1."""

    number: int
    quality: float


@dataclass(frozen=True, slots=True)
class _Last:
    time_s: float
    best: float
    looks: int


class LookBudget:
    """Chooses tracks to embed; at most `per_second` looks in any second, all tracks together.

    A track gets its first `eager` looks at once, then one whenever its quality exceeds that of all looks before by
    `better`, or its last look is `every_s` seconds old. A face of a quality below `least` gets none: its template would
    be hard to compare.
    """

    def __init__(
        self,
        *,
        per_second: int = 10,
        eager: int = EAGER,
        better: float = 0.1,
        every_s: float = 1.0,
        least: float = 0.1,
    ) -> None:
        if per_second < 1 or eager < 1 or better < 0.0 or every_s <= 0.0 or not 0.0 <= least <= 1.0:
            raise ValueError("no way of choosing looks")
        self._per_second, self._eager, self._better = per_second, eager, better
        self._every_s, self._least = every_s, least
        self._last: dict[int, _Last] = {}
        self._taken: list[float] = []

    def choose(self, candidates: Iterable[LookCandidate], time_s: float) -> list[int]:
        """The numbers of the tracks to embed now, most urgent first; they count as embedded.

        Those with the fewest looks come first, then those of the best quality.
        """
        self._taken = [taken for taken in self._taken if time_s - taken < 1.0]
        wanted = sorted(
            (candidate for candidate in candidates if self._is_worth(candidate, time_s)),
            key=lambda candidate: (self._looks(candidate.number), -candidate.quality, candidate.number),
        )
        chosen = wanted[: max(0, self._per_second - len(self._taken))]
        for candidate in chosen:
            before = self._last.get(candidate.number)
            best = candidate.quality if before is None else max(before.best, candidate.quality)
            self._last[candidate.number] = _Last(time_s, best, self._looks(candidate.number) + 1)
        self._taken += [time_s] * len(chosen)
        return [candidate.number for candidate in chosen]

    def renew(self, number: int) -> None:
        """Treat the track as new: it shows another person, or its decision was withdrawn."""
        self._last.pop(number, None)

    def forget(self, ended: Iterable[int]) -> None:
        """Forget tracks that have ended."""
        for number in ended:
            self._last.pop(number, None)

    @property
    def looks(self) -> Mapping[int, int]:
        """The number of looks of each track."""
        return {number: last.looks for number, last in self._last.items()}

    def _looks(self, number: int) -> int:
        last = self._last.get(number)
        return 0 if last is None else last.looks

    def _is_worth(self, candidate: LookCandidate, time_s: float) -> bool:
        last = self._last.get(candidate.number)
        if candidate.quality < self._least:
            return False
        if last is None or last.looks < self._eager:
            return True
        return candidate.quality >= last.best + self._better or time_s - last.time_s >= self._every_s
