"""One frame with all that is known about it: what a screen shows, a recording keeps and a program reads."""

from __future__ import annotations

from dataclasses import dataclass

from faceid.live.decision.evidence import Outcome
from faceid.live.events import LiveEvent
from faceid.live.liveness.state import Liveness
from faceid.live.source.stream import Frame, SourceLost
from faceid.live.tracking.tracks import Track


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One face of a frame: its track, who it is and, where that is looked at, whether it is live.

    `outcome` is what may be told: of a face not yet known to be live, and of a spoof, it has no name.
    """

    track: Track
    outcome: Outcome
    liveness: Liveness | None


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A frame as it was understood: its faces, left to right.

    `claim` is the name that faces are held against, None in a search. `fps` is how many frames a second were looked
    at lately. While the source is away, `lost` says why, and `frame` is the last there was.
    """

    frame: Frame
    people: tuple[Shown, ...]
    claim: str | None
    fps: float
    lost: SourceLost | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """What a frame, or something that happened to the source, led to. `view` is None before the first frame.

    `deciding` counts the faces about which nothing was decided yet, also those just out of sight: tracks end a little
    later.
    """

    view: View | None
    events: tuple[LiveEvent, ...]
    deciding: int = 0
