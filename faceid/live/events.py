"""The events of a watched stream. All have one flat shape, so a program reads them without case distinctions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

EventKind: TypeAlias = Literal[
    "appeared",
    "identified",
    "unknown",
    "accepted",
    "rejected",
    "spoof",
    "challenge",
    "left",
    "timeout",
    "source_lost",
    "source_back",
    "source_ended",
]


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One event at `time` (ISO 8601, UTC), `time_s` seconds into the stream, in frame number `frame`.

    `track` is the number of the face, None for an event of the source. `name`, `distance`, `threshold`, `fmr` and
    `fmr_alike` have the meaning that they have in `FaceResult`, for the fused looks of the track; `looks` counts them.
    `liveness` is the fused score, 0..1, None without one. `box` is [x1, y1, x2, y2], pixels. `reason` is one word: why
    a source was lost, why a face is a spoof, or which movement a challenge asks for. `detail` is one line for people.
    """

    event: EventKind
    time: str
    time_s: float
    frame: int | None = None
    track: int | None = None
    name: str | None = None
    distance: float | None = None
    threshold: float | None = None
    fmr: float | None = None
    fmr_alike: float | None = None
    looks: int | None = None
    liveness: float | None = None
    box: tuple[float, float, float, float] | None = None
    reason: str | None = None
    detail: str | None = None
