"""The part of a photo that any network's crop is made from: what may be kept to compute a template again."""

from __future__ import annotations

from io import BytesIO
from math import ceil, floor

import cv2
import numpy as np
from PIL import Image as Pillow

from enrollment_db.records import FaceCrop
from faceid.errors import InputError
from faceid.imaging import decode
from faceid.recognition.align import ALIGNERS, cut, extent
from faceid.types import Encoded, Face, Image

LONGEST_SIDE = 320
"""Pixels; a larger part is reduced to it."""

LOSSLESS_SIDE = 128
"""Up to this many pixels a side it is a PNG: there every pixel counts, and there are few. Above, a JPEG."""

JPEG_QUALITY = 95


def make_stored_crop(image: Image, face: Face) -> FaceCrop:
    """The upright part of `image` that every aligner looks at, as far as it lies inside, encoded.

    Raises InputError (`no_face`) for a face without extent, or outside the image.
    """
    extents = [extent(face, aligner) for aligner in ALIGNERS]
    # Beyond its crop's edge an aligner looks at pixels that it pools and interpolates.
    margin = max(ceil(1 / scale) for _, scale in extents) + 2
    left, top = (max(0, floor(min(box[axis] for box, _ in extents)) - margin) for axis in (0, 1))
    right = min(image.width, ceil(max(box[2] for box, _ in extents)) + margin)
    bottom = min(image.height, ceil(max(box[3] for box, _ in extents)) + margin)
    if left >= right or top >= bottom:
        raise InputError("the face is outside the image", code="no_face", remedy="another_photo")
    width, height = right - left, bottom - top
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    pixels = cut(image, (left, top, right, bottom), 1 / scale)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if scale < 1.0:
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    encoded = BytesIO()
    picture = Pillow.fromarray(pixels)
    if max(size) <= LOSSLESS_SIDE:
        picture.save(encoded, "PNG")
    else:
        # Colour in full resolution (4:4:4).
        picture.save(encoded, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    # A box counts from the edge of the first pixel, a landmark from its centre.
    factors = np.array(size, np.float32) / (width, height)
    corner = np.array((left, top), np.float32)
    box = (np.array(face.box, np.float32).reshape(2, 2) - corner) * factors
    landmarks = (face.landmarks - corner + 0.5) * factors - 0.5
    x1, y1, x2, y2 = (float(value) for value in box.ravel())
    return FaceCrop(encoded.getvalue(), (x1, y1, x2, y2), landmarks.astype(np.float32))


def open_stored_crop(crop: FaceCrop) -> tuple[Image, Face]:
    """The picture and the face in it, ready for `align`. Raises UnreadableImage where it is damaged."""
    return decode(Encoded.of(crop.picture), "stored crop"), Face(crop.box, crop.landmarks, 1.0)
