"""From whatever a decoder holds to upright RGB, one strip at a time.

A picture of 50 megapixels is 200 MB inside Pillow and 150 MB as an array. Turning, compositing and converting
it as a whole would add as much again for each step; done by strips they add a few megabytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image as Pillow

if TYPE_CHECKING:
    from faceid.types import Pixels

StripReader: TypeAlias = Callable[[int, int], Pillow.Image]
"""Rows top..bottom of the stored picture, full width."""

_STRIP_PIXELS = 1 << 20

_TURN: dict[int, Pillow.Transpose] = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""EXIF orientation -> what Pillow calls the way back to upright (its angles count against the clock)."""


def upright_pixels(size: tuple[int, int], strips: StripReader, orientation: int) -> Pixels:
    """The stored picture of `size` (width, height), turned by EXIF `orientation`: (H, W, 3) uint8 RGB."""
    width, height = size
    lies_on_its_side = orientation >= 5
    pixels = np.empty((width, height, 3) if lies_on_its_side else (height, width, 3), dtype=np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = as_rgb(strips(top, bottom))
        if orientation in _TURN:
            strip = strip.transpose(_TURN[orientation])
        # Where the stored top ends up at the bottom or on the right, strips are filled in from there.
        start, stop = (height - bottom, height - top) if orientation in (3, 4, 6, 7) else (top, bottom)
        if lies_on_its_side:
            pixels[:, start:stop] = np.asarray(strip)
        else:
            pixels[start:stop] = np.asarray(strip)
    return pixels


def as_rgb(strip: Pillow.Image) -> Pillow.Image:
    """A strip of 8 bits a channel in Pillow's mode RGB.

    Transparency is composited onto white, as viewers show it: what a person cannot see in a picture must not
    be found in it. Colour profiles are ignored: the networks were trained on pictures decoded without them,
    and a profile is one more hostile input to parse.
    """
    if strip.has_transparency_data:
        rgba = strip.convert("RGBA")
        white = Pillow.new("RGB", strip.size, "white")
        white.paste(rgba, mask=rgba.getchannel("A"))
        return white
    return strip if strip.mode == "RGB" else strip.convert("RGB")


def deep_gray_strips(picture: Pillow.Image) -> StripReader:
    """Strips of a gray picture of more than 8 bits (modes I;16*, I and F), scaled to 8 bits, never clipped.

    I;16 spans 0..65535. The wider modes do not say what white is, so it is the least of 1.0 (F only), 255 and
    65535 that is not below the brightest pixel. Raises ValueError where that is above 65535.
    """
    factor = _gray_factor(picture)

    def read(top: int, bottom: int) -> Pillow.Image:
        deep = np.asarray(picture.crop((0, top, picture.width, bottom)))
        # Not-a-number and below black are black.
        values = np.nan_to_num(deep.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0) * factor
        return Pillow.fromarray(values.clip(0, 255).astype(np.uint8))

    return read


def _gray_factor(picture: Pillow.Image) -> float:
    if picture.mode.startswith("I;16"):
        return 255 / 65535
    _, brightest = picture.getextrema()
    whites = (1.0, 255.0, 65535.0) if picture.mode == "F" else (255.0, 65535.0)
    for white in whites:
        if float(brightest) <= white:  # type: ignore[arg-type]
            return 255 / white
    raise ValueError("gray values above 65535")
