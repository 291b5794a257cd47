"""The liveness of a track, and the interface of its checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from faceid.types import Face, Image, Vector

State: TypeAlias = Literal["checking", "live", "spoof"]


@dataclass(frozen=True, slots=True)
class Liveness:
    """`checking` until there is enough evidence for `live` or `spoof`.

    `score` is the passive detector's, 0..1, fused over the looks; None without one. `asked` is the movement that a
    challenge waits for, None if it asks for none. `reason` is one word why the track is a spoof, else None.
    """

    state: State
    score: float | None = None
    asked: str | None = None
    reason: str | None = None


class LivenessCheck(Protocol):
    """Decides on the liveness of one track, frame by frame."""

    @property
    def every_detection(self) -> bool:
        """Whether it needs every detection of the track, embedded; otherwise it gets the looks only."""
        ...

    def update(self, image: Image, face: Face | None, vector: Vector | None, time_s: float) -> Liveness:
        """Process one frame of the track: its detected face, None if the face is not visible, and the unit vector (d,)
        if the face was embedded.
        """
        ...
