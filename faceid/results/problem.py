"""The reason for a failure, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal, TypeAlias

from faceid.errors import FaceIDError

Reason: TypeAlias = Literal[
    "unreadable",
    "no_face",
    "multiple_faces",
    "face_too_small",
    "low_quality",
    "too_dark",
    "implausible_pose",
    "identity_conflict",
    "morph_suspected",
    "atypical",
]
ReembedReason: TypeAlias = Literal[
    "source_gone", "source_changed", "unreadable", "no_face", "multiple_faces", "implausible_pose"
]


@dataclass(frozen=True, slots=True)
class Problem:
    """The reason for a failure.

    `code` is a stable word for programs, `message` one sentence, `remedy` the key under which an interface finds its
    advice. `facts` and `path` are the values that the advice may quote. The JSON of the command line has `code`,
    `message` and `hint`: the command line puts the other fields into words.
    """

    code: str
    message: str
    _: KW_ONLY
    remedy: str | None = None
    path: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, error: FaceIDError) -> Problem:
        """The problem that `error` describes."""
        return cls(
            error.code,
            str(error),
            remedy=error.remedy,
            path=error.path,
            facts=error.facts,
        )
