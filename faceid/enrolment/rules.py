"""What an operator may ask of photos that are to be enrolled."""

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
    """The least quality that a level (`faceid.enrolment.checks.levels`) or a number 0..1 stands for. Raises
    UsageError.
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
    """What is let in.

    Photos of at least `min_quality`, 0..1. Of several faces in a photo none (`reject`), the `largest` where it clearly
    is, or the one that agrees with the person's other photos (`all`). `on_conflict`: whether faces are refused, asked
    about or accepted that are somebody else's by the gallery, or unlike the person's other ones. At most
    `max_templates` of a person are kept.
    """

    min_quality: float = QUALITY_LEVELS["standard"]
    multi_face: MultiFace = "reject"
    on_conflict: OnConflict = "refuse"
    max_templates: int = MAX_TEMPLATES


def in_question(faces: Sequence[Face], multi_face: MultiFace) -> Sequence[Face]:
    """Those of a photo's faces that may be the person's."""
    if len(faces) < 2 or multi_face == "all":
        return faces
    main = largest_face([face.size for face in faces]) if multi_face == "largest" else None
    return [] if main is None else [faces[main]]
