"""Liveness of a track by presentation attack detection on single pictures, fused over its looks.

A single picture is wrong too often to act on: of 52 single looks at two recordings on a screen, three networks take 5
for live, and the rule below takes neither recording. Of 48 tracks in clips of live people it calls 3 a spoof with the
two networks of one publisher, and one with three: a face printed on a shirt (docs/results/liveness.md).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from faceid.live.liveness.state import Liveness, State

if TYPE_CHECKING:
    from faceid.ports.networks import LivenessDetector
    from faceid.types import Face, Image, Vector

LOOKS, FIRST = 5, 3
"""The score of a track is the mean of its last LOOKS; before it has FIRST, it is `checking`."""


class PassiveCheck:
    """Fuses the scores of `detector` for each look at one track.

    `live` as soon as the fused score reaches `threshold`, and `spoof` where LOOKS looks do not get it there. A live
    track becomes a spoof when the fused score falls below, and a spoof becomes live only after LOOKS looks in a row
    that each reach the threshold.
    """

    every_detection = False

    def __init__(self, detector: LivenessDetector, threshold: float) -> None:
        self._detector, self._threshold = detector, threshold
        self._scores: deque[float] = deque(maxlen=LOOKS)
        self._state: State = "checking"

    def update(self, image: Image, face: Face | None, vector: Vector | None, time_s: float) -> Liveness:
        """Process one frame; a frame without the face changes nothing."""
        if face is not None:
            (score,) = self._detector.scores(image, [face]).tolist()
            self._scores.append(score)
            self._state = self._judged()
        fused = fused_score(self._scores)
        return Liveness(self._state, fused, reason="low_score" if self._state == "spoof" else None)

    def _judged(self) -> State:
        fused, full = fused_score(self._scores), len(self._scores) == LOOKS
        if fused is None:
            return "checking"
        if self._state == "spoof":
            return "live" if min(self._scores) >= self._threshold else "spoof"
        if fused >= self._threshold:
            return "live"
        return "spoof" if full else self._state


def fused_score(scores: Sequence[float]) -> float | None:
    """The mean of the last LOOKS of `scores`, each 0..1; None below FIRST of them."""
    return fmean(list(scores)[-LOOKS:]) if len(scores) >= FIRST else None


def clip_score(scores: Sequence[float]) -> float | None:
    """The highest threshold at which a track with these scores, 0..1, is ever accepted as live.

    None below FIRST looks: such a track never gets beyond `checking`.
    """
    if len(scores) < FIRST:
        return None
    early = [fmean(scores[:count]) for count in range(FIRST, min(LOOKS, len(scores)) + 1)]
    late = [min(scores[end - LOOKS : end]) for end in range(LOOKS + 1, len(scores) + 1)]
    return max(early + late)
