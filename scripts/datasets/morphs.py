"""Face morphs for check_morphs: pictures of two people in one, which are made in memory and never written.

A morph follows the usual recipe (ISO/IEC 20059 measures what such pictures do): both photos are brought to one frame by
their landmarks, the landmarks and points on the border are triangulated (Delaunay), each triangle of both photos is
warped to the mean of its corners, and the pixels are blended in equal parts.
"""

from __future__ import annotations

from itertools import product
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid.imaging import from_array
from faceid.types import Face, Image

Pixels: TypeAlias = NDArray[np.uint8]

SIDE = 256
"""The side of a morph, pixels."""

# A frontal face in the frame: eyes, nose and corners of the mouth, in sides of the frame.
_FRAME = np.array([(0.38, 0.42), (0.62, 0.42), (0.50, 0.55), (0.40, 0.66), (0.60, 0.66)]) * SIDE
_BORDER = np.array([point for point in product((0, 0.5, 1), repeat=2) if point != (0.5, 0.5)]) * (SIDE - 1)


def morph(first: Image, face: Face, second: Image, other: Face, name: str) -> Image:
    """The morph of two faces in equal parts, SIDE x SIDE pixels."""
    photos = [_in_frame(first, face), _in_frame(second, other)]
    target = (photos[0][1] + photos[1][1]) / 2
    warped = np.stack([_warped(pixels, points, target) for pixels, points in photos])
    return from_array(np.ascontiguousarray(warped.mean(axis=0).round().astype(np.uint8)), name)


def _in_frame(image: Image, face: Face) -> tuple[Pixels, NDArray[np.float64]]:
    """The photo turned, scaled and moved into the frame, and the points in it: landmarks and border."""
    matrix, _ = cv2.estimateAffinePartial2D(face.landmarks.astype(np.float64), _FRAME, method=cv2.LMEDS)
    pixels = cv2.warpAffine(image.pixels, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT_101)
    landmarks = face.landmarks @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(pixels, np.uint8), np.concatenate([np.clip(landmarks, 1, SIDE - 2), _BORDER])


def _warped(pixels: Pixels, points: NDArray[np.float64], target: NDArray[np.float64]) -> Pixels:
    """The picture with `points` moved to `target`, triangle by triangle."""
    result = np.zeros_like(pixels)
    for corners in _triangles(target):
        matrix = cv2.getAffineTransform(
            points[corners].astype(np.float32), target[corners].astype(np.float32)
        )
        moved = cv2.warpAffine(pixels, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT_101)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillConvexPoly(mask, target[corners].round().astype(np.int32), 1)
        result[mask > 0] = moved[mask > 0]
    return result


def _triangles(points: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """The Delaunay triangles of points in the frame, as places of their corners."""
    division = cv2.Subdiv2D((0, 0, SIDE, SIDE))
    for point in points:
        division.insert((float(point[0]), float(point[1])))
    found = []
    for triangle in np.asarray(division.getTriangleList()).reshape(-1, 3, 2):
        gaps = np.linalg.norm(points[None] - triangle[:, None], axis=2)
        if gaps.min(axis=1).max() < 0.5:
            found.append(gaps.argmin(axis=1))
    return found
