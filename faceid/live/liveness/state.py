"""What is known about whether a track shows a live face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from faceid.types import Face, Image, Vector

State: TypeAlias = Literal["checking", "live", "spoof"]


@dataclass(frozen=True, slots=True)
class Liveness:
    """`checking` until there is enough to say `live` or `spoof`.

    `score` is the passive detector's, 0..1, fused over the looks; None without one. `asked` is the movement a
    challenge waits for, None where it asks for nothing. `reason` says in one word why it is a spoof, else None.
    """

    state: State
    score: float | None = None
    asked: str | None = None
    reason: str | None = None


class LivenessCheck(Protocol):
    """Judges one track, look by look."""

    @property
    def every_look(self) -> bool:
        """Whether it wants every detected frame, with its vector, rather than those that are embedded anyway."""
        ...

    def look(self, image: Image, face: Face | None, vector: Vector | None, time_s: float) -> Liveness:
        """Take in one frame of the track: its face as detected in it, None where the track has gone out of sight,
        and the unit vector (d,) where it was embedded.
        """
        ...
