"""Converts a decoded picture to upright RGB, one strip at a time.

A picture of 50 megapixels is 200 MB inside Pillow and 150 MB as an array. Turning, compositing or converting it as a
whole would add as much again for each step; by strips, each step adds a few megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image as Pillow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.types import Pixels

StripReader: TypeAlias = Callable[[int, int], Pillow.Image]
"""Rows top..bottom of the stored picture, full width."""

# Small enough for the processor's cache and for memory that is used again: strips of a million pixels take seven times
# as long (720p, both measured with Pillow 13).
_STRIP_PIXELS = 1 << 17

_TURN: dict[int, Pillow.Transpose] = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""EXIF orientation -> Pillow's name of the transposition back to upright (its angles count counter-clockwise)."""


def upright_pixels(size: tuple[int, int], strips: StripReader, orientation: int) -> Pixels:
    """The stored picture of `size` (width, height), turned by EXIF `orientation`: (H, W, 3) uint8 RGB."""
    width, height = size
    sideways = lies_on_its_side(orientation)
    pixels = np.empty((width, height, 3) if sideways else (height, width, 3), dtype=np.uint8)
    for top, bottom in _strips(size):
        strip = as_rgb(strips(top, bottom))
        if orientation in _TURN:
            strip = strip.transpose(_TURN[orientation])
        # If the stored top becomes the bottom or the right side, strips are filled in from there.
        start, stop = (height - bottom, height - top) if orientation in (3, 4, 6, 7) else (top, bottom)
        if sideways:
            pixels[:, start:stop] = np.asarray(strip)
        else:
            pixels[start:stop] = np.asarray(strip)
    return pixels


def lies_on_its_side(orientation: int) -> bool:
    """Whether EXIF `orientation`, 1 to 8, exchanges width and height."""
    return orientation >= 5


def as_rgb(strip: Pillow.Image) -> Pillow.Image:
    """A strip of 8 bits a channel in Pillow's mode RGB.

    Transparency is composited onto white, as viewers show it: a face that a person cannot see must not be found. Colour
    profiles are ignored: the networks were trained on pictures decoded without them, and a profile is one more hostile
    input to parse.
    """
    if strip.has_transparency_data:
        rgba = strip.convert("RGBA")
        white = Pillow.new("RGB", strip.size, "white")
        white.paste(rgba, mask=rgba.getchannel("A"))
        return white
    return strip if strip.mode == "RGB" else strip.convert("RGB")


def deep_gray_strips(picture: Pillow.Image) -> StripReader:
    """Strips of a gray picture of more than 8 bits (modes I;16*, I and F), scaled to 8 bits, never clipped.

    I;16 spans 0..65535. The wider modes do not define white, so white is the least of 1.0 (F only), 255 and 65535 that
    is not below the brightest pixel. Values that are not finite become black.

    Raises ValueError where the brightest pixel is above 65535.
    """

    def deep(top: int, bottom: int) -> NDArray[np.float32]:
        strip = np.asarray(picture.crop((0, top, picture.width, bottom)), dtype=np.float32)
        return np.where(np.isfinite(strip), strip, np.float32(0))

    if picture.mode.startswith("I;16"):
        white = 65535.0
    else:
        brightest = max(float(deep(*bounds).max()) for bounds in _strips(picture.size))
        whites = (1.0, 255.0, 65535.0) if picture.mode == "F" else (255.0, 65535.0)
        white = next((white for white in whites if brightest <= white), 0.0)
        if not white:
            raise ValueError("gray values above 65535")

    def read(top: int, bottom: int) -> Pillow.Image:
        return Pillow.fromarray((deep(top, bottom) * (255 / white)).clip(0, 255).astype(np.uint8))

    return read


def _strips(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """(top, bottom) of the strips of a picture of `size`, from the top down."""
    width, height = size
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)
