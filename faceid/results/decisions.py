"""The results of identification, verification and comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from faceid.results.policies import PolicyState
from faceid.results.problem import Problem
from faceid.types import Box, Candidate

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class FaceResult:
    """One face of an identified picture, with the decision and its evidence.

    `fmr` is the probability that a non-mated comparison is as close, and `fmr_alike` that probability among people who
    are alike, of one sex and group; `llr` is the evidence, log10 of the likelihood ratio of one person against two. All
    are None where they were not measured.

    `reason` says why a face was not compared, which is then `unknown` without candidates: its landmarks are not those
    of a face that can be brought upright (`implausible_pose`). It is None for a face that was compared.
    """

    box: Box
    landmarks: tuple[Point, ...]
    detection_score: float
    quality: float
    decision: Literal["match", "unknown", "ambiguous"]
    name: str | None
    distance: float | None
    similarity: float | None
    threshold: float
    fmr: float | None
    fmr_alike: float | None
    llr: float | None
    candidates: tuple[Candidate, ...]
    reason: Literal["implausible_pose"] | None = None


@dataclass(frozen=True, slots=True)
class IdentifyResult:
    """One picture: its faces from left to right. `timing_ms` has `read`, `detect`, `embed`, `search`, `total`.

    Pictures of one batch share its time evenly. `policy` is the policy of the decision. The picture was turned by
    `turned` degrees clockwise (0, 90, 180 or 270) to be upright, beyond what its file says; boxes and landmarks are in
    pixels of the turned picture.
    """

    path: str
    status: Literal["ok", "no_face", "unreadable"]
    faces: tuple[FaceResult, ...]
    timing_ms: dict[str, float]
    problem: Problem | None = None
    policy: PolicyState | None = None
    turned: int = 0


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """Whether one picture shows the claimed person. `fmr`, `fmr_alike` and `llr` as in FaceResult; `policy` is that
    of the decision. `box` is the face that was taken as the person's. `turned` is as in IdentifyResult.
    """

    path: str
    name: str
    decision: Literal["match", "no_match"]
    verified: bool
    distance: float
    similarity: float
    threshold: float
    fmr: float | None
    fmr_alike: float | None
    llr: float | None
    box: Box
    policy: PolicyState
    turned: int = 0


@dataclass(frozen=True, slots=True)
class CompareResult:
    """Whether two pictures show one person. `fmr`, `fmr_alike` and `llr` as in FaceResult; `policy` is that of the
    decision. `boxes` are the faces that were compared, one of each picture. `turned` is as in IdentifyResult, for each
    picture.
    """

    paths: tuple[str, str]
    decision: Literal["match", "no_match"]
    verified: bool
    distance: float
    similarity: float
    threshold: float
    fmr: float | None
    fmr_alike: float | None
    llr: float | None
    boxes: tuple[Box, Box]
    policy: PolicyState
    turned: tuple[int, int] = (0, 0)
