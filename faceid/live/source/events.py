"""What happens to a source, told in order with its frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Loss: TypeAlias = Literal["unreachable", "disconnected", "stalled", "black", "frozen"]
"""Why a source gives nothing of use: it was never there, it broke off, it is silent, dark, or stands still."""


@dataclass(frozen=True, slots=True)
class SourceLost:
    """From here on no frame comes, until `SourceBack`.

    `time_s` counts as `Frame.time_s` does. `detail` is one line for people and holds no credentials.
    """

    reason: Loss
    detail: str
    time_s: float


@dataclass(frozen=True, slots=True)
class SourceBack:
    """Frames come again, `after_s` seconds after the loss."""

    after_s: float
    time_s: float


@dataclass(frozen=True, slots=True)
class SourceEnded:
    """The last thing that is told: the source gave `frames` frames, and no more will come."""

    frames: int
    time_s: float


SourceEvent: TypeAlias = SourceLost | SourceBack | SourceEnded
