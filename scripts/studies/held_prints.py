"""Prints of a face, moved before a camera by computer: turned, tilted, bent and brought nearer."""

from __future__ import annotations

import math

import cv2
import numpy as np

from faceid.imaging import from_array
from faceid.types import Image

_DISTANCE = 2.5
"""Of the camera, in widths of the print."""


def held(image: Image, degrees: float, *, tilted: bool = False, bend: float = 0.0) -> Image:
    """`image` as a print that is turned about its vertical axis, or `tilted` about the horizontal one.

    Its right side, or its upper one, comes nearer for positive angles. With `bend` it is part of a cylinder around that
    axis with a radius of 1 / `bend` widths of the print, its middle towards the camera. A pinhole camera, and gray
    around.
    """
    pixels = image.pixels.swapaxes(0, 1) if tilted else image.pixels
    height, width = pixels.shape[:2]
    across = np.linspace(-0.5, 0.5, 2 * width)
    if bend > 0.0:
        x, z = np.sin(across * bend) / bend, (np.cos(across * bend) - 1.0) / bend
    else:
        x, z = across, np.zeros_like(across)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    near = _DISTANCE / (_DISTANCE - (x * sine + z * cosine))
    shown = (x * cosine - z * sine) * near
    # Where a bent print turns its back, later places hide earlier ones.
    visible = np.maximum.accumulate(shown) <= shown
    wanted = (np.arange(width) + 0.5) / width - 0.5
    u = np.interp(wanted, shown[visible], across[visible], left=-9.0, right=9.0)
    scale = np.interp(wanted, shown[visible], near[visible])
    rows = (np.arange(height)[:, None] - height / 2) / scale[None, :] + height / 2
    columns = np.broadcast_to((u + 0.5) * width - 0.5, rows.shape)
    seen = cv2.remap(
        np.ascontiguousarray(pixels),
        columns.astype(np.float32),
        rows.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(128, 128, 128),
    )
    return from_array(np.ascontiguousarray(seen.swapaxes(0, 1) if tilted else seen).astype(np.uint8))
