"""The rules that an operator sets for enrolment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from faceid.enrolment.checks.group import largest_face
from faceid.enrolment.checks.levels import MAX_TEMPLATES, QUALITY_LEVELS
from faceid.errors import UsageError
from faceid.types import Face

MultiFace: TypeAlias = Literal["reject", "largest", "all"]
OnConflict: TypeAlias = Literal["refuse", "ask", "accept"]


def quality_from(level: str) -> float:
    """The least quality, 0..1, that a level of `faceid.enrolment.checks.levels` or a number names.

    Raises UsageError.
    """
    if level in QUALITY_LEVELS:
        return QUALITY_LEVELS[level]
    try:
        least = float(level)
    except ValueError:
        least = -1.0
    if not 0.0 <= least <= 1.0:
        choices = ", ".join(QUALITY_LEVELS)
        raise UsageError(f"unknown quality {level!r}", remedy="quality_levels", levels=choices)
    return least


@dataclass(frozen=True, slots=True)
class EnrolmentRules:
    """Which photos are enrolled.

    - `min_quality`, 0..1: photos of lower quality are rejected.
    - `multi_face`: of a photo with several faces none is enrolled (`reject`), the clearly `largest` one, or the one
      that agrees with the person's other photos (`all`).
    - `on_conflict`: a face that matches another identity, or that is unlike the person's other photos, is refused,
      asked about or accepted.
    - `max_templates`: a person keeps at most so many templates.
    """

    min_quality: float = QUALITY_LEVELS["standard"]
    multi_face: MultiFace = "reject"
    on_conflict: OnConflict = "refuse"
    max_templates: int = MAX_TEMPLATES


def in_question(faces: Sequence[Face], multi_face: MultiFace) -> Sequence[Face]:
    """The faces of a photo that may be the person's."""
    if len(faces) < 2 or multi_face == "all":
        return faces
    main = largest_face([face.size for face in faces]) if multi_face == "largest" else None
    return [] if main is None else [faces[main]]
