"""The kinds of liveness check, and the factory that makes one for each track."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from faceid.live.liveness.challenge import ChallengeCheck, least_similarities
from faceid.live.liveness.passive import PassiveCheck
from faceid.live.liveness.state import LivenessCheck
from faceid.networks.liveness_rule import LIVE_THRESHOLD
from faceid.recognition.liveness.challenge import Challenge, draw_actions

if TYPE_CHECKING:
    from faceid.decision.decide import Policy
    from faceid.ports.networks import LivenessDetector
    from faceid.types import Metric

Kind: TypeAlias = Literal["off", "passive", "challenge"]

STEPS = 3
"""Movements of a challenge: 36 orders. A fourth would make it 108, and a person some five seconds slower."""

CHALLENGE_FPS = 5.0
"""Frames a second below which movements are missed: a pose must last, and looks too far apart show nothing that did."""


def check_maker(
    kind: Kind,
    detector: LivenessDetector | None,
    policy: Policy,
    metric: Metric,
    *,
    threshold: float = LIVE_THRESHOLD,
) -> Callable[[], LivenessCheck] | None:
    """A function that makes the check of a new track; None for `off`.

    `threshold` is the score, 0..1, at and above which a face counts as live.
    Raises UsageError (`not_calibrated`) for a challenge without a calibration, ValueError for `passive` without a
    detector.
    """
    if kind == "off":
        return None
    passive = None if detector is None else partial(PassiveCheck, detector, threshold)
    if kind == "passive":
        if passive is None:
            raise ValueError("nothing to look at faces with")
        return passive
    straight, turned = least_similarities(policy, metric)

    def challenge() -> ChallengeCheck:
        asked = Challenge(draw_actions(STEPS), least_similarity=straight, least_turned_similarity=turned)
        return ChallengeCheck(asked, None if passive is None else passive())

    return challenge
