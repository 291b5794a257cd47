"""Liveness of a track by a challenge, combined with the passive check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceid.decision.decide import VERIFY_FMR, Policy
from faceid.decision.scores import similarity_from_distance
from faceid.decision.thresholds import threshold_at_fmr
from faceid.errors import UsageError
from faceid.live.liveness.state import Liveness, LivenessCheck

if TYPE_CHECKING:
    from faceid.recognition.liveness.challenge import Challenge
    from faceid.types import Face, Image, Metric, Vector

TURNED_FMR = 10 * VERIFY_FMR
"""FMR of one comparison between a turned face and the frontal face at the start of the challenge.

Turned faces are less like their front. CCtwelve's six people, 304 pairs of one person's frontal and turned photo: at
1e-3 0.3 % of them are lost with dlib-resnet and none with mobilefacenet, at VERIFY_FMR 6.3 % and 0.3 %, at 1e-2 none.
Straight ones keep VERIFY_FMR: none of 168 pairs is lost with either, nor any of 863 straight looks of eight clips; in a
ninth, where a hand covers the mouth, some are. The six were photographed alike in one studio, where non-mated pairs
pass far more often than at that rate: 16 % and 4 % of single turned looks at 1e-3, 54 % and 24 % at 1e-2.
"""


class ChallengeCheck:
    """`live` when the challenge is passed and the `passive` check, if there is one, reports live too.

    Both, because they miss different things: a recording that happens to fit the order looks like a screen, and a copy
    that deceives the detector does not turn its head. After a failed or timed-out challenge the track is a spoof to its
    end; the result of the passive check may change. `asked` is an action, or `look_straight`.
    """

    def __init__(self, challenge: Challenge, passive: LivenessCheck | None = None) -> None:
        self._challenge, self._passive = challenge, passive

    @property
    def every_detection(self) -> bool:
        """True until the challenge is over; afterwards the regular looks verify that the person stays the same."""
        return self._challenge.progress.state == "running"

    def update(self, image: Image, face: Face | None, vector: Vector | None, time_s: float) -> Liveness:
        """Process one frame. Raises ValueError if `time_s` goes back."""
        beside = self._passive.update(image, face, vector, time_s) if self._passive is not None else None
        progress = self._challenge.update(time_s, face, vector)
        score = beside.score if beside is not None else None
        if progress.state in ("failed", "timeout"):
            return Liveness("spoof", score, reason=progress.reason or "timeout")
        if beside is not None and beside.state == "spoof":
            return Liveness("spoof", score, progress.asked, beside.reason)
        if progress.state == "passed" and (beside is None or beside.state == "live"):
            return Liveness("live", score)
        return Liveness("checking", score, progress.asked)


def least_similarities(policy: Policy, metric: Metric) -> tuple[float, float]:
    """The cosines that a straight and a turned face must have with the first look.

    They come from the calibration and not from the policy's threshold, which in a search grows stricter with the
    gallery: this compares with one face. If the calibration does not reach the rates, its strictest point counts.
    Raises UsageError (`not_calibrated`) without one.
    """
    calibration = policy.calibration
    if calibration is None:
        raise UsageError(
            "a challenge compares the looks with each other, and this model has no calibration to do that by",
            code="not_calibrated",
            remedy="challenge_not_calibrated",
        )
    reached = calibration.points[0].fmr
    straight, turned = (
        threshold_at_fmr(calibration, max(rate, reached)) for rate in (VERIFY_FMR, TURNED_FMR)
    )
    return similarity_from_distance(straight, metric), similarity_from_distance(turned, metric)
