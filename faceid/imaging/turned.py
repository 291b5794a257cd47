"""Pictures turned by quarters, and places in them.

A picture of w x h pixels turned clockwise by 90 degrees is h x w pixels, and x, y in it comes to h - 1 - y, x.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from faceid.types import Face, Image, Undecoded

if TYPE_CHECKING:
    from faceid.types import Pixels

QUARTER = 90
"""Degrees."""


def turned_image(image: Image, degrees: int) -> Image:
    """`image` turned clockwise by a multiple of 90 degrees; source and hash stay those of the file."""
    quarters = degrees // QUARTER % 4
    if not quarters:
        return image
    return Image(_Turned(image, quarters), image.source, image.sha256)


def turned_face(face: Face, degrees: int, width: int, height: int) -> Face:
    """`face` of an image of `width` x `height` pixels, in pixels of that image turned clockwise by `degrees`.

    A box counts from the edge of the first pixel, a landmark from its centre. Left and right stay those of the upright
    face.
    """
    (x1, y1, x2, y2), marks = face.box, face.landmarks
    for _ in range(degrees // QUARTER % 4):
        x1, y1, x2, y2 = height - y2, x1, height - y1, x2
        marks = np.stack([np.float32(height - 1) - marks[:, 1], marks[:, 0]], axis=1)
        width, height = height, width
    return Face((x1, y1, x2, y2), marks, face.score)


class _Turned(Undecoded):
    """An image turned clockwise by 1 to 3 quarters, of which no more is decoded and turned than is asked for."""

    def __init__(self, image: Image, quarters: int) -> None:
        self._image = image
        self._quarters = quarters
        self._turned: dict[int, Pixels] = {}
        self._lock = threading.Lock()

    @property
    def width(self) -> int:
        """As in Undecoded."""
        return self._image.height if self._quarters % 2 else self._image.width

    @property
    def height(self) -> int:
        """As in Undecoded."""
        return self._image.width if self._quarters % 2 else self._image.height

    def reduced(self, most: int) -> tuple[Pixels, int]:
        """As in Undecoded."""
        pixels, factor = self._image.reduced(most)
        while any(side % factor for side in self._reversed_sides()):
            # The picture ends within a block, which comes first now: all blocks would be shifted.
            pixels, factor = self._image.reduced(factor - 1)
        with self._lock:
            if factor not in self._turned:
                self._turned[factor] = np.ascontiguousarray(np.rot90(pixels, -self._quarters))
            return self._turned[factor], factor

    def _reversed_sides(self) -> list[int]:
        """The sides of the picture as it was, pixels, whose end comes first."""
        return [
            *([self._image.height] if self._quarters in (1, 2) else []),
            *([self._image.width] if self._quarters in (2, 3) else []),
        ]
