"""Sizes of pictures and faces, for every detector: the smallest face sought, shrinking, and the way back.

A picture shrunken by a whole number f has a pixel for each block of f x f pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceid.recognition.detect.boxes import Floats
from faceid.recognition.detect.looking import Candidates
from faceid.types import Face, Image

if TYPE_CHECKING:
    from faceid.types import Pixels

GROUP_PIXELS = 4_000_000
"""Pictures of one call are worked on together up to this many pixels; MTCNN's tables of sums take 12 bytes each."""

SHRINK_ABOVE_PIXELS = 16_000_000
"""MTCNN shrinks larger pictures first, as far as the smallest face sought allows."""

SHRUNKEN_FACE = 48
"""No shrinking below this many pixels for the smallest face: the O-Net would see less than it could."""


def automatic_min_face(width: int, height: int) -> float:
    """The smallest face sought by default in a picture of this size, pixels."""
    return max(40.0, max(width, height) / 50)


def shrinking(width: int, height: int, min_face: float) -> int:
    """By how much to shrink a picture before looking for faces of `min_face` pixels; 1 leaves it alone."""
    most = max(1, int(min_face // SHRUNKEN_FACE))
    for factor in range(1, most):
        if width * height <= factor**2 * SHRINK_ABOVE_PIXELS:
            return factor
    return most


def shrunken(pixels: Pixels, factor: int) -> Pixels:
    """The means of factor x factor blocks; rows and columns that do not fill a block are left out."""
    if factor == 1:
        return np.ascontiguousarray(pixels)
    height, width = pixels.shape[0] // factor, pixels.shape[1] // factor
    blocks = pixels[: height * factor, : width * factor]
    return np.asarray(cv2.resize(blocks, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def shrunken_image(image: Image, factor: int) -> Pixels:
    """The same of a whole image. Where its file can be decoded at a reduced size, that does a part of it."""
    # A power of two that divides the factor.
    pixels, reduced = image.reduced(factor & -factor)
    rest = factor // reduced
    blocks = pixels[: image.height // factor * rest, : image.width // factor * rest]
    return shrunken(blocks, rest)


def grouped(images: Sequence[Image]) -> Iterator[list[Image]]:
    """The images in order, in runs of at most GROUP_PIXELS or of one image."""
    group: list[Image] = []
    pixels = 0
    for image in images:
        size = image.width * image.height
        if group and pixels + size > GROUP_PIXELS:
            yield group
            group, pixels = [], 0
        group.append(image)
        pixels += size
    if group:
        yield group


def faces_of(
    found: Candidates, landmarks: Floats, owners: Sequence[int], factors: Sequence[int], images: int
) -> list[list[Face]]:
    """What the O-Net found as the faces of each of `images` images, left to right.

    `landmarks` are (n, 5, 2), counted from 1 as boxes are. Each picture of `found` is the image `owners[picture]`,
    shrunken by `factors[picture]`. What is not finite is no face.
    """
    faces: list[list[Face]] = [[] for _ in range(images)]
    one = np.float32(1)
    by = np.array(factors, np.float32)[found.picture, None]
    boxes = np.concatenate([(found.boxes[:, :2] - one) * by + one, found.boxes[:, 2:] * by], axis=1)
    # The centre of a pixel is that of its block.
    marks = (landmarks - one) * by[:, None] + (by[:, None] - one) / np.float32(2)
    finite = np.isfinite(boxes).all(axis=1) & np.isfinite(marks).all(axis=(1, 2))
    for row in np.flatnonzero(finite).tolist():
        x1, y1, x2, y2 = boxes[row].tolist()
        face = Face((x1, y1, x2, y2), marks[row], float(found.scores[row]))
        faces[owners[found.picture[row]]].append(face)
    return [sorted(some, key=lambda face: face.box[:2]) for some in faces]
