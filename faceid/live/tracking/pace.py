"""Decides when to run the detector: it costs more than tracking, so it runs only as often as needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faceid.live.tracking.cells import cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WIDTH, _HEIGHT = 64, 48
_SOONER_S = 0.005
"""Frames come a little early or late: a detection that is due within this time runs now."""
_WEIGHT = 0.2
"""Weight of the last detection in the running mean of the costs."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds from one detection to the next.

    `deciding`: while a face is undecided, since a look needs a detection. `settled`: once all faces are decided.
    `nobody`: in an empty picture that changes. `still`: in an empty picture in which no cell of 64 x 48 has changed by
    more than `moved` gray levels since the last detection.
    """

    deciding: float = 0.1
    settled: float = 0.2
    nobody: float = 0.15
    still: float = 1.0
    moved: float = 8.0
    share: float = 0.5
    """Share of the time that detections may take if frames do not wait."""
    longest: float = 0.3
    """The longest pause on a slow machine: tracks end half a second after their last detection."""

    def __post_init__(self) -> None:
        if min(self.deciding, self.settled, self.nobody, self.still, self.share, self.longest) <= 0.0:
            raise ValueError(f"no way of pacing: {self}")


class Pace:
    """Decides for each frame whether a detection is due."""

    def __init__(self, intervals: Intervals | None = None) -> None:
        self._intervals = intervals or Intervals()
        self.reset()

    def reset(self) -> None:
        """Forget the earlier frames, as after the loss of a source."""
        self._detected_s: float | None = None
        self._seen: NDArray[np.int16] | None = None
        self._latest: NDArray[np.int16] | None = None
        self._cost_s = 0.0

    def due(self, gray: NDArray[np.uint8], time_s: float, *, faces: int, undecided: int) -> bool:
        """Whether to run the detector on the frame at `time_s`, (H, W) uint8; `undecided` of its `faces` are not
        decided.
        """
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
        """Record that the detector took `cost_s` seconds on the last frame; 0 for a source that waits."""
        self._cost_s = cost_s if self._seen is None else (1 - _WEIGHT) * self._cost_s + _WEIGHT * cost_s
        self._detected_s, self._seen = time_s, self._latest
