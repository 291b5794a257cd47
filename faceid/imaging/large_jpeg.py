"""Large JPEG files, of which no more is decoded than is asked for: libjpeg decodes at 1/2, 1/4 and 1/8 of the size."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from faceid.types import Undecoded

if TYPE_CHECKING:
    from faceid.types import Pixels

_FACTORS = (8, 4, 2)
MOST_REDUCED = max(_FACTORS)

_LEAST_PIXELS = 2_000_000
"""Smaller pictures are decoded whole: that is soon done, and most of their faces need every pixel."""

_LONGEST_SIDE = 2000
"""Pixels; no picture is reduced below it. The least face that a detector seeks by default, a fiftieth of the longer
side, then has 40 pixels or more in the reduced picture."""


_MIRRORED_ACROSS = frozenset({2, 3, 7, 8})
_MIRRORED_DOWN = frozenset({3, 4, 6, 7})
"""EXIF orientations by which the right side, or the bottom, of the stored picture becomes a first column or row."""


def reducing(width: int, height: int, orientation: int = 1) -> int:
    """By how much a JPEG of this stored size and EXIF orientation is reduced at most: 1, 2, 4 or 8.

    The stored picture may end within a block. Where its end comes first in the upright picture, all blocks would be
    shifted, so there the factor divides the size. That of cameras is a multiple of 8.
    """
    if width * height < _LEAST_PIXELS:
        return 1
    whole = [
        size
        for size, mirrored in ((width, _MIRRORED_ACROSS), (height, _MIRRORED_DOWN))
        if orientation in mirrored
    ]
    return next(
        (
            factor
            for factor in _FACTORS
            if max(width, height) >= factor * _LONGEST_SIDE and not any(size % factor for size in whole)
        ),
        1,
    )


class LargeJpeg(Undecoded):
    """A JPEG that was decoded once at a reduced size, and so is known to be whole.

    Decoding at a reduced size reads all coded data and leaves out the high frequencies of each block of 8 x 8 pixels,
    so that libjpeg refuses the same files at every size. Its pixel is not quite the mean of the pixels it stands for,
    but its centre is theirs. Where the picture ends within a block, libjpeg rounds the size up.

    Every factor is decoded at most once. What was decoded is kept, and goes with this object.
    """

    def __init__(
        self, whole: tuple[int, int], reduced: Pixels, factor: int, decode: Callable[[int], Pixels]
    ) -> None:
        """`whole` is the upright width and height; `decode` gives the upright pixels reduced by 1, 2, 4 or 8."""
        self._width, self._height = whole
        self._most = factor
        self._decode = decode
        self._decoded = {factor: reduced}
        self._lock = threading.Lock()

    @property
    def width(self) -> int:
        """As in Undecoded."""
        return self._width

    @property
    def height(self) -> int:
        """As in Undecoded."""
        return self._height

    def reduced(self, most: int) -> tuple[Pixels, int]:
        """As in Undecoded."""
        factor = next((factor for factor in _FACTORS if factor <= min(most, self._most)), 1)
        with self._lock:
            if factor not in self._decoded:
                self._decoded[factor] = self._decode(factor)
            return self._decoded[factor], factor
