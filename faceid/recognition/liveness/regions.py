"""Which part of a picture a network for liveness sees: the face and what is around it.

As published (Silent-Face-Anti-Spoofing, `CropImage`), to the pixel: the networks learnt from these crops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceid.types import Box, Image

if TYPE_CHECKING:
    from faceid.types import Pixels


def region(box: Box, width: int, height: int, scale: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom, all included, of `scale` times the box in a picture of `width` x `height`.

    The region is scaled down where the picture is smaller, and moved where it would reach outside. Of the box
    only what is inside the picture counts; one of no area counts as one pixel.
    """
    x1, y1, x2, y2 = (
        min(max(value, 0.0), float(limit)) for value, limit in zip(box, (width, height) * 2, strict=True)
    )
    across, down = max(x2 - x1, 1.0), max(y2 - y1, 1.0)
    scale = min((width - 1) / across, (height - 1) / down, scale)
    left, right = _inside((x1 + x2) / 2, across * scale, width)
    top, bottom = _inside((y1 + y2) / 2, down * scale, height)
    return left, top, right, bottom


def region_of(image: Image, box: Box, scale: float, side: int) -> Pixels:
    """(side, side, 3) uint8 RGB: the region of `box` in `image`, brought to a square, as published."""
    left, top, right, bottom = region(box, image.width, image.height, scale)
    part = image.pixels[top : bottom + 1, left : right + 1]
    return np.asarray(cv2.resize(part, (side, side)), dtype=np.uint8)


def _inside(centre: float, length: float, limit: int) -> tuple[int, int]:
    """First and last pixel of `length` about `centre`, moved into 0 .. limit - 1."""
    first, last = centre - length / 2, centre + length / 2
    if first < 0:
        first, last = 0.0, last - first
    if last > limit - 1:
        first, last = first - (last - limit + 1), float(limit - 1)
    return max(0, int(first)), int(last)
