"""Which faces of the moment are worth embedding: the network costs more than all the rest between two detections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

EAGER = 5
"""Looks that every track is worth, as soon as they can be had."""


@dataclass(frozen=True, slots=True)
class Glance:
    """A track that could be embedded now: its `number`, and the quality of its face, 0..1."""

    number: int
    quality: float


@dataclass(frozen=True, slots=True)
class _Last:
    time_s: float
    best: float
    looks: int


class Worth:
    """Chooses tracks to embed; at most `per_second` looks in any second, all tracks together.

    A track is worth a look for its first `eager` ones, when its quality is `better` than at any look before, and when
    the last one is `every_s` seconds ago. Faces of a quality under `least` never are: hardly anything of
    them can be compared.
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

    def choose(self, glances: Iterable[Glance], time_s: float) -> list[int]:
        """The numbers of the tracks to embed now, most urgent first; they count as embedded.

        Those with the fewest looks come first, then those of the best quality.
        """
        self._taken = [taken for taken in self._taken if time_s - taken < 1.0]
        wanted = sorted(
            (glance for glance in glances if self._is_worth(glance, time_s)),
            key=lambda glance: (self._looks(glance.number), -glance.quality, glance.number),
        )
        chosen = wanted[: max(0, self._per_second - len(self._taken))]
        for glance in chosen:
            before = self._last.get(glance.number)
            best = glance.quality if before is None else max(before.best, glance.quality)
            self._last[glance.number] = _Last(time_s, best, self._looks(glance.number) + 1)
        self._taken += [time_s] * len(chosen)
        return [glance.number for glance in chosen]

    def renew(self, number: int) -> None:
        """Treat the track as new: it was seen to show another person, or nobody in particular."""
        self._last.pop(number, None)

    def forget(self, ended: Iterable[int]) -> None:
        """Drop what is known about tracks that are over."""
        for number in ended:
            self._last.pop(number, None)

    @property
    def looks(self) -> Mapping[int, int]:
        """How many looks each track that goes on was given."""
        return {number: last.looks for number, last in self._last.items()}

    def _looks(self, number: int) -> int:
        last = self._last.get(number)
        return 0 if last is None else last.looks

    def _is_worth(self, glance: Glance, time_s: float) -> bool:
        last = self._last.get(glance.number)
        if glance.quality < self._least:
            return False
        if last is None or last.looks < self._eager:
            return True
        return glance.quality >= last.best + self._better or time_s - last.time_s >= self._every_s
