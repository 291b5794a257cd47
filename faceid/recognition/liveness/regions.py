"""Which part of a picture a network for liveness sees: the face and what is around it.

Detectors give boxes that are higher than wide. The networks see a square, and a face whose sides are squeezed is less
like a live one to them (docs/results/liveness.md), so the region is a square too. Each publisher has its own way where
a region would reach outside the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceid.networks.card import LivenessCard
from faceid.types import Box, Image

if TYPE_CHECKING:
    from faceid.types import Pixels


def region_of(image: Image, box: Box, card: LivenessCard) -> Pixels:
    """(S, S, 3) uint8 RGB: what the network of `card` sees of the face with `box`."""
    if card.region == "mirrored":
        return _mirrored(image.pixels, box, card.scale, card.input_size)
    left, top, right, bottom = region(square_of(box), image.width, image.height, card.scale)
    part = image.pixels[top : bottom + 1, left : right + 1]
    return np.asarray(cv2.resize(part, (card.input_size, card.input_size)), dtype=np.uint8)


def square_of(box: Box) -> Box:
    """The square with the middle and the area of `box`."""
    x1, y1, x2, y2 = box
    half = (max(x2 - x1, 0.0) * max(y2 - y1, 0.0)) ** 0.5 / 2
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return x - half, y - half, x + half, y + half


def region(box: Box, width: int, height: int, scale: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom, all included, of `scale` times the box in a picture of `width` x `height`.

    The region is scaled down where the picture is smaller, and moved where it would reach outside. Of the box only what
    is inside the picture counts; one of no area counts as one pixel. As in Silent-Face-Anti-Spoofing (`CropImage`).
    """
    x1, y1, x2, y2 = (
        min(max(value, 0.0), float(limit)) for value, limit in zip(box, (width, height) * 2, strict=True)
    )
    across, down = max(x2 - x1, 1.0), max(y2 - y1, 1.0)
    scale = min((width - 1) / across, (height - 1) / down, scale)
    left, right = _inside((x1 + x2) / 2, across * scale, width)
    top, bottom = _inside((y1 + y2) / 2, down * scale, height)
    return left, top, right, bottom


def _inside(centre: float, length: float, limit: int) -> tuple[int, int]:
    """First and last pixel of `length` about `centre`, moved into 0 .. limit - 1."""
    first, last = centre - length / 2, centre + length / 2
    if first < 0:
        first, last = 0.0, last - first
    if last > limit - 1:
        first, last = first - (last - limit + 1), float(limit - 1)
    return max(0, int(first)), int(last)


def _mirrored(pixels: Pixels, box: Box, scale: float, side: int) -> Pixels:
    """`scale` times the longer side of the box about its middle; outside, the mirrored picture.

    As in face-antispoof-onnx (`crop` and `preprocess`), to the pixel.
    """
    height, width = pixels.shape[:2]
    # No detector gives larger boxes; a bound keeps the picture that is made here small.
    x1, y1, x2, y2 = (
        min(max(value, -limit / 4), 1.25 * limit)
        for value, limit in zip(box, (width, height) * 2, strict=True)
    )
    longest = max(x2 - x1, y2 - y1)
    length = max(1, int(longest * scale))
    left, top = int((x1 + x2 - longest * scale) / 2), int((y1 + y2 - longest * scale) / 2)
    # Only what is seen, so that mirroring copies no large picture. At least one pixel of it is inside.
    first_x, first_y = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    last_x, last_y = max(min(left + length, width), first_x + 1), max(min(top + length, height), first_y + 1)
    part = cv2.copyMakeBorder(
        pixels[first_y:last_y, first_x:last_x],
        max(0, first_y - top),
        max(0, top + length - last_y),
        max(0, first_x - left),
        max(0, left + length - last_x),
        cv2.BORDER_REFLECT_101,
    )[:length, :length]
    how = cv2.INTER_LANCZOS4 if length < side else cv2.INTER_AREA
    return np.asarray(cv2.resize(part, (side, side), interpolation=how), dtype=np.uint8)
