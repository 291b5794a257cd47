"""One frame with the results for its faces: the input of screens and recordings, and of programs."""

from __future__ import annotations

from dataclasses import dataclass

from faceid.live.decision.evidence import Outcome
from faceid.live.events import LiveEvent
from faceid.live.liveness.state import Liveness
from faceid.live.source.stream import Frame, SourceLost
from faceid.live.tracking.tracks import Track


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One face of a frame: its track, the decision about it and, with a liveness check, whether it is live.

    `outcome` has no name while liveness is open, and none for a spoof.
    """

    track: Track
    outcome: Outcome
    liveness: Liveness | None


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A processed frame: its faces, left to right.

    `claim` is the claimed name, None in a search. `fps` is the number of frames processed per second, over the last two
    seconds. While the source is lost, `lost` holds the reason, and `frame` is the last frame.
    """

    frame: Frame
    people: tuple[Shown, ...]
    claim: str | None
    fps: float
    lost: SourceLost | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """The result of one frame, or of an event of the source. `view` is None before the first frame.

    `deciding` counts the faces that are still undecided. It includes faces that have just left the picture: their
    tracks end up to half a second later.
    """

    view: View | None
    events: tuple[LiveEvent, ...]
    deciding: int = 0
