"""Pictures turned by quarters, and places in them.

A picture of w x h pixels turned clockwise by 90 degrees is h x w pixels, and x, y in it comes to h - 1 - y, x.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from faceid.types import Face, Image

QUARTER = 90
"""Degrees."""


def turned_image(image: Image, degrees: int) -> Image:
    """`image` turned clockwise by a multiple of 90 degrees; source and hash stay those of the file."""
    quarters = degrees // QUARTER % 4
    if not quarters:
        return image
    return replace(image, pixels=np.ascontiguousarray(np.rot90(image.pixels, -quarters)))


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
