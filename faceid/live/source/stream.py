"""The items of a video source, in order: frames, and the events that interrupt or end them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from faceid.types import Image


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a stream.

    `number` counts the source's frames from 0, `time_s` is seconds since the source began (media time for files,
    monotonic for cameras). `image.source` is the stream's public name, and `image.sha256` is empty: frames are not
    hashed.
    """

    image: Image
    number: int
    time_s: float


Loss: TypeAlias = Literal["unreachable", "disconnected", "stalled", "black", "frozen"]
"""Why a source is lost: it does not open, breaks off, sends no frames, or sends black or frozen ones."""


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
    """The last event: the source gave `frames` frames, and no more will come."""

    frames: int
    time_s: float


SourceEvent: TypeAlias = SourceLost | SourceBack | SourceEnded
