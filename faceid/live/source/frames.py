"""What a source of moving pictures gives."""

from __future__ import annotations

from dataclasses import dataclass

from faceid.types import Image


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a stream.

    `number` counts from 0 what the source gave, `time_s` is seconds since the source began (media time for files,
    monotonic for cameras). `image.source` is the stream's public name, and `image.sha256` is empty: nobody hashes
    frames.
    """

    image: Image
    number: int
    time_s: float
