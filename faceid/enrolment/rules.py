"""The rules that an operator sets for enrolment."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from typing import Literal, TypeAlias

from faceid.enrolment.checks.levels import MAX_TEMPLATES, QUALITY_LEVELS
from faceid.errors import UsageError
from faceid.recognition.subject import SubjectRule, checked_rule

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
    - `subject`: which face of a photo with several is enrolled (`faceid.recognition.subject`); with `all` the one that
      agrees with the person's other photos. `multi_face` is its former name, with `reject` for `only`.
    - `on_conflict`: a face that matches another identity, or that is unlike the person's other photos, is refused,
      asked about or accepted.
    - `max_templates`: a person keeps at most so many templates.

    Raises UsageError for an unknown subject.
    """

    min_quality: float = QUALITY_LEVELS["standard"]
    subject: SubjectRule = "largest"
    on_conflict: OnConflict = "refuse"
    max_templates: int = MAX_TEMPLATES
    multi_face: InitVar[Literal["reject", "largest", "all"] | None] = None

    def __post_init__(self, multi_face: Literal["reject", "largest", "all"] | None) -> None:
        if multi_face is not None:
            object.__setattr__(self, "subject", "only" if multi_face == "reject" else multi_face)
        checked_rule(self.subject)
