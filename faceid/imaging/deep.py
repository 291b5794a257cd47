"""Brings pictures of more than 8 bits a channel to 8.

Cameras of 10 to 14 bits write their values into files of 16 bits in two ways: in the high bits, which looks right, or
in the low ones, which looks nearly black. The second is told by the values, or by what a PNG says in its chunk sBIT,
and is stretched. A picture that is dark for no such reason stays dark.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow

from faceid.imaging.upright import StripReader, strips_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFile import ImageFile

    from faceid.types import Pixels

_TWELVE_BITS = 4095.0
_SIXTEEN_BITS = 65535.0
_PNG_HEADER = 33
"""Signature and IHDR chunk."""

_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def white_of(brightest: float, significant: int | None) -> float:
    """What white is in a picture of 16 bits with such a brightest value: 65535, or where all bits in use are low, less.

    `significant` is how many bits the file says are in use; without a word of it, 12.
    """
    whites = ([] if significant is None else [float(2**significant - 1)]) + [_TWELVE_BITS]
    return min((white for white in whites if brightest <= white), default=_SIXTEEN_BITS)


def significant_bits(data: bytes) -> int | None:
    """How many bits of a PNG's colours are in use, by its chunk sBIT; None where it does not say, or says nonsense."""
    at = _PNG_HEADER
    while (kind := data[at + 4 : at + 8]) not in (b"", b"PLTE", b"IDAT"):
        length = int.from_bytes(data[at : at + 4], "big")
        if kind == b"sBIT":
            # Gray and alpha, or red, green and blue and alpha.
            colours = data[at + 8 : at + 8 + min(length, 3)]
            bits = max(colours if length >= 3 else colours[:1], default=0)
            return bits if 1 <= bits <= 16 else None
        at += 12 + length
    return None


def low_bytes_mode(picture: ImageFile) -> Callable[[ImageFile], None] | None:
    """How to make Pillow decode the low bytes of the same file; None where a colour has no two bytes.

    Of two bytes a colour Pillow keeps the high one. In the other byte order the low one is taken for the high one.
    """
    raws = {_raw_mode(tile[3]) for tile in picture.tile}
    raw = raws.pop() if len(raws) == 1 else ""
    if picture.mode not in ("RGB", "RGBA") or raw[:-1] != f"{picture.mode};16" or raw[-1] not in _SWAPPED:
        return None
    swapped = raw[:-1] + _SWAPPED[raw[-1]]

    def swap(picture: ImageFile) -> None:
        picture.tile = [
            type(tile)(*tile[:3], swapped if isinstance(tile[3], str) else (swapped, *(tile[3] or ())[1:]))
            for tile in picture.tile
        ]

    return swap


def _raw_mode(arguments: object) -> str:
    """The layout of the file's bytes among what Pillow hands to its decoder; empty where there is none."""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def stretch(high: Pixels, read_low: Callable[[], Pixels], significant: int | None) -> None:
    """Stretch, in place, the high bytes of a picture of 16 bits to 8 bits where its values are all in the low bits."""
    brightest = float(high.max()) * 256
    if white_of(brightest, significant) == _SIXTEEN_BITS:
        return
    low = read_low()
    rows = [top for top, _ in strips_of((high.shape[1], high.shape[0]))] + [high.shape[0]]
    parts = [slice(top, bottom) for top, bottom in pairwise(rows)]

    def values(part: slice) -> NDArray[np.uint16]:
        return np.asarray(high[part].astype(np.uint16) << 8 | low[part], dtype=np.uint16)

    white = white_of(max(float(values(part).max()) for part in parts), significant)
    if white < _SIXTEEN_BITS:
        for part in parts:
            high[part] = (values(part) * np.float32(255 / white)).astype(np.uint8)


def deep_gray_strips(picture: Pillow.Image, significant: int | None = None) -> StripReader:
    """Strips of a gray picture of more than 8 bits (modes I;16*, I and F), scaled to 8 bits, never clipped.

    White in I;16 is as `white_of` says. The wider modes do not define white, so it is the least of 1.0 (F only), 255,
    4095 and 65535 that is not below the brightest pixel. Values that are not finite become black.

    Raises ValueError where the brightest pixel is above 65535.
    """

    def deep(top: int, bottom: int) -> NDArray[np.float32]:
        strip = np.asarray(picture.crop((0, top, picture.width, bottom)), dtype=np.float32)
        return np.where(np.isfinite(strip), strip, np.float32(0))

    brightest = max(float(deep(*bounds).max()) for bounds in strips_of(picture.size))
    if picture.mode.startswith("I;16"):
        white = white_of(brightest, significant)
    else:
        whites = (1.0, 255.0) if picture.mode == "F" else (255.0,)
        white = next((white for white in whites if brightest <= white), white_of(brightest, significant))
        if brightest > white:
            raise ValueError("gray values above 65535")

    def read(top: int, bottom: int) -> Pillow.Image:
        return Pillow.fromarray((deep(top, bottom) * (255 / white)).clip(0, 255).astype(np.uint8))

    return read
