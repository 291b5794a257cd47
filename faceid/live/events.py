"""What a watch of a stream reports: one flat shape for all events, so that a program reads them without cases."""

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
    """Something happened at `time` (ISO 8601, UTC), `time_s` seconds of the stream, in frame number `frame`.

    `track` numbers faces, None where the event is about none. `name`, `distance`, `threshold` and `fmr` are those of
    an identification, of the fused looks at the track; `looks` is how many there were. `liveness` is the fused score,
    0..1, where there is one. `box` is [x1, y1, x2, y2], pixels. `reason` is one word: why a source was lost, why a
    face was taken for a spoof, what a challenge asks for. `detail` is one line for people.
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
    looks: int | None = None
    liveness: float | None = None
    box: tuple[float, float, float, float] | None = None
    reason: str | None = None
    detail: str | None = None
