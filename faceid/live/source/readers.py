"""The interface of readers of a video source, and the reader of a directory of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from faceid.errors import InputError, UnreadableImage
from faceid.imaging import read, walk
from faceid.live.source.addresses import Address
from faceid.types import Image

PICTURES_PER_SECOND = 25.0
"""The assumed frame rate of the pictures in a directory."""


@dataclass(frozen=True, slots=True, eq=False)
class Grabbed:
    """A picture and its media time in seconds; None for a live source.

    `passed_over` counts pictures between the last one and this that were not decoded, because newer ones had arrived or
    they were damaged.
    """

    image: Image
    media_s: float | None
    passed_over: int = 0


class Reader(Protocol):
    """An open source. Used by one thread; every call returns within the reader's time limits."""

    def read(self) -> Grabbed | None:
        """The next picture, None at the end. Raises InputError if the source breaks off or cannot be decoded."""
        ...

    def close(self) -> None:
        """Release open resources."""
        ...


Opener: TypeAlias = Callable[[Address], Reader]


class PictureReader:
    """The pictures of a directory; `image.source` is the path of each. Those that cannot be decoded are skipped.

    `read` raises InputError (`no_images`, or the refusal of the first) if none can be decoded.
    """

    def __init__(self, directory: str) -> None:
        self._paths: Iterator[str] = walk([directory])
        self._number = 0
        self._given = 0

    def read(self) -> Grabbed | None:
        """The next picture that can be decoded."""
        refusal: InputError | None = None
        passed_over = 0
        for path in self._paths:
            media_s = self._number / PICTURES_PER_SECOND
            self._number += 1
            try:
                image = read(path)
            except UnreadableImage as error:
                refusal = refusal or error
                passed_over += 1
                continue
            self._given += 1
            return Grabbed(image, media_s, passed_over)
        if refusal is not None and not self._given:
            raise refusal
        return None

    def close(self) -> None:
        """Do nothing: no resource is open."""
