"""Detects pictures that show nothing: black and frozen ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from faceid.types import Pixels

_BLACK = 16
"""Black in video of limited range (ITU-R BT.601), in case it was decoded as full range."""

_BLACK_SHARE = 0.99
_STEP = 8


class PictureWatch:
    """Judges picture after picture.

    Black: of every eighth pixel both ways, 99% have no channel above 16. Frozen: equal to the one before in every
    pixel, which the noise of a working camera's sensor makes impossible.
    """

    def __init__(self, black_s: float, frozen_s: float) -> None:
        self._black_s, self._frozen_s = black_s, frozen_s
        self._last: Pixels | None = None
        self._black_since: float | None = None
        self._same_since = 0.0

    def judge(self, pixels: Pixels, time_s: float) -> Literal["black", "frozen"] | None:
        """The fault of `pixels`, (H, W, 3) uint8, shown at `time_s`; None if they are good.

        Black or equal pictures count as good until they have lasted `black_s` or `frozen_s` seconds.
        """
        if self._last is None or not _equal(self._last, pixels):
            self._same_since = time_s
        self._last = pixels
        if not _is_black(pixels):
            self._black_since = None
        elif self._black_since is None:
            self._black_since = time_s
        if self._black_since is not None and time_s - self._black_since >= self._black_s:
            return "black"
        return "frozen" if time_s - self._same_since >= self._frozen_s else None


def _is_black(pixels: Pixels) -> bool:
    return float((pixels[::_STEP, ::_STEP].max(axis=2) <= _BLACK).mean()) >= _BLACK_SHARE


def _equal(one: Pixels, other: Pixels) -> bool:
    # A few pixels first: in a moving picture, nearly always one of these changes.
    return np.array_equal(one[::_STEP, ::_STEP], other[::_STEP, ::_STEP]) and np.array_equal(one, other)
