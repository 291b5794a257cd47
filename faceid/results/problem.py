"""Why something could not be done, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Reason: TypeAlias = Literal[
    "unreadable", "no_face", "multiple_faces", "face_too_small", "low_quality", "identity_conflict"
]
ReembedReason: TypeAlias = Literal["source_gone", "source_changed", "unreadable", "no_face", "multiple_faces"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something could not be done: a reason code, one line for people, and what to do."""

    code: str
    message: str
    hint: str | None = None
