"""When the detector should look: as seldom as nobody would notice, for it costs more than following faces does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faceid.live.tracking.cells import cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WIDTH, _HEIGHT = 64, 48
_SOONER_S = 0.005
"""Frames come a little early or late: one that is due within this time is due."""
_WEIGHT = 0.2
"""Of the last detection in the running mean of what one costs."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds from one detection to the next, by what there is to see.

    While a face is to be named it is looked at often, for looks are only taken where it was detected. Once all are,
    and where nobody is, it is enough to notice who comes. In a picture that stands still (`moved` gray levels at most
    in any of 64 x 48 cells since the last detection) nobody does.
    """

    deciding: float = 0.1
    settled: float = 0.2
    nobody: float = 0.15
    still: float = 1.0
    moved: float = 8.0
    share: float = 0.5
    """Of the time that detections may take, where frames do not wait."""
    longest: float = 0.3
    """For a machine too slow for that: tracks end half a second after their last detection."""

    def __post_init__(self) -> None:
        if min(self.deciding, self.settled, self.nobody, self.still, self.share, self.longest) <= 0.0:
            raise ValueError(f"no way of pacing: {self}")


class Pace:
    """Says of each frame whether a detection is due."""

    def __init__(self, intervals: Intervals | None = None) -> None:
        self._intervals = intervals or Intervals()
        self.reset()

    def reset(self) -> None:
        """Forget the frames before, as after a source was lost."""
        self._detected_s: float | None = None
        self._seen: NDArray[np.int16] | None = None
        self._latest: NDArray[np.int16] | None = None
        self._cost_s = 0.0

    def due(self, gray: NDArray[np.uint8], time_s: float, *, faces: int, undecided: int) -> bool:
        """Whether the frame at `time_s`, (H, W) uint8, is to be detected; `undecided` of its `faces` are not named."""
        self._latest = cells(gray, _WIDTH, _HEIGHT).astype(np.int16)
        if self._detected_s is None or self._seen is None:
            return True
        intervals = self._intervals
        if undecided:
            wait = intervals.deciding
        elif faces:
            wait = intervals.settled
        else:
            changed = float(np.abs(self._latest - self._seen).max())
            wait = intervals.nobody if changed > intervals.moved else intervals.still
        affordable = min(self._cost_s / intervals.share, intervals.longest)
        return time_s - self._detected_s >= max(wait, affordable) - _SOONER_S

    def detected(self, time_s: float, cost_s: float = 0.0) -> None:
        """The frame that `due` was asked about was detected, which took `cost_s`: 0 where nobody waits for it."""
        self._cost_s = cost_s if self._seen is None else (1 - _WEIGHT) * self._cost_s + _WEIGHT * cost_s
        self._detected_s, self._seen = time_s, self._latest
