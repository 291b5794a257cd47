"""What was seen and decided, as the results that users get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from faceid.decision.decide import Policy
from faceid.errors import not_one_face
from faceid.policies.stored import state_of
from faceid.recognition.pipeline import Look, Observation
from faceid.results import FaceResult, IdentifyResult, Problem
from faceid.types import ClaimDecision, Decision


def said(
    decision: ClaimDecision,
) -> tuple[Literal["match", "no_match"], bool, float, float, float, float | None, float | None]:
    """What results of a comparison begin with: verdict, verified, distance, similarity, threshold, fmr, llr."""
    return (
        decision.verdict,
        decision.verified,
        decision.distance,
        decision.similarity,
        decision.threshold,
        decision.fmr,
        decision.llr,
    )


def identified(
    look: Look[Any], decisions: Sequence[Decision], policy: Policy, timing: dict[str, float], top: int
) -> IdentifyResult:
    """The result of a search for all faces of one picture, with `top` candidates a face."""
    state = state_of(policy)
    if look.error is not None:
        problem = Problem.of(look.error)
        return IdentifyResult(look.source, "unreadable", (), timing, problem, state)
    if not look.observations:
        error = not_one_face(0, look.source)
        problem = Problem.of(error)
        return IdentifyResult(look.source, "no_face", (), timing, problem, state)
    faces = tuple(
        _face_result(observation, decision, top)
        for observation, decision in zip(look.observations, decisions, strict=True)
    )
    return IdentifyResult(look.source, "ok", faces, timing, policy=state)


def _face_result(observation: Observation, decision: Decision, top: int) -> FaceResult:
    face = observation.face
    return FaceResult(
        box=face.box,
        landmarks=tuple((float(x), float(y)) for x, y in face.landmarks),
        detection_score=face.score,
        quality=observation.quality.score,
        decision=decision.verdict,
        name=decision.name,
        distance=decision.distance,
        similarity=decision.similarity,
        threshold=decision.threshold,
        fmr=decision.fmr,
        llr=decision.llr,
        candidates=decision.candidates[:top],
    )
