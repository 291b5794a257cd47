"""Follows a face from one frame to the next without the detector, by optical flow around its five landmarks.

The median flow of Kalal, Mikolajczyk and Matas (2010), "Forward-backward error": pyramidal Lucas-Kanade flow moves
points forward and back, points that do not return to their start are dropped, and the face moves by the median of the
others and grows by the median of the changes in their distances.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.types import Box

    Gray = NDArray[np.uint8]
    Floats = NDArray[np.float32]

# The part of the picture that flow is computed in is scaled until a face is this wide: the cost and the reach in faces
# do not depend on the size of the picture.
_SIDE = 48.0
_MARGIN = 0.5
_WINDOW, _LEVELS = (13, 13), 2
# In faces: about a pixel at _SIDE. A point may miss its start by so much.
_RETURNS = 0.03
_LEAST_POINTS = 3
# Between two detections the sizes of faces changed 1.22 times at most (`faceid.live.tracking.tracks`). Flow that went
# astray, with few frames a second, says more.
_MOST_GROWTH = 1.3
# Corner points between the landmarks: the middle of the eyes, both cheeks, the middle of the mouth.
_BETWEEN = ((0, 1), (0, 3), (1, 4), (3, 4), (0, 2), (1, 2))


def follow(before: Gray, after: Gray, box: Box, landmarks: Floats) -> tuple[Box, Floats] | None:
    """The place in `after` of the face that has `box` and `landmarks` (5, 2) in `before`; None if it is lost.

    Both are (H, W) uint8 pictures of one stream, one soon after the other. The model is motion and growth without
    rotation, which is enough between two detections.
    """
    region = _region(box, before.shape)
    if region is None or before.shape != after.shape:
        return None
    left, top, right, bottom = region
    side = min(box[2] - box[0], box[3] - box[1])
    scale = min(1.0, _SIDE / side)
    size = (max(8, round((right - left) * scale)), max(8, round((bottom - top) * scale)))
    parts = [
        np.asarray(
            cv2.resize(gray[top:bottom, left:right], size, interpolation=cv2.INTER_AREA), dtype=np.uint8
        )
        for gray in (before, after)
    ]
    ratio = np.array([size[0] / (right - left), size[1] / (bottom - top)], dtype=np.float32)
    between = np.array([(landmarks[a] + landmarks[b]) / 2 for a, b in _BETWEEN], dtype=np.float32)
    points = (np.concatenate([landmarks, between]) - np.array([left, top], dtype=np.float32)) * ratio
    points = np.ascontiguousarray(points, dtype=np.float32)
    moved = _moved(parts[0], parts[1], points)
    if moved is None:
        return None
    back = _moved(parts[1], parts[0], moved)
    if back is None:
        return None
    kept = np.linalg.norm(back - points, axis=1) <= max(0.5, _RETURNS * side * scale)
    if kept.sum() < _LEAST_POINTS:
        return None
    first, second = points[kept] / ratio, moved[kept] / ratio
    grown = _growth(first, second)
    if not 1.0 / _MOST_GROWTH <= grown <= _MOST_GROWTH:
        return None
    shift = np.median(second - first, axis=0)
    centre = np.median(first, axis=0)
    return _grown_box(box, centre, shift, grown), ((landmarks - centre) * grown + centre + shift).astype(
        np.float32
    )


def _region(box: Box, shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """The part of the box with a margin that lies inside the picture; None if it is too small."""
    width, height = box[2] - box[0], box[3] - box[1]
    left, top = max(0, int(box[0] - _MARGIN * width)), max(0, int(box[1] - _MARGIN * height))
    right, bottom = (
        min(shape[1], int(box[2] + _MARGIN * width) + 1),
        min(shape[0], int(box[3] + _MARGIN * height) + 1),
    )
    return (left, top, right, bottom) if right - left >= 8 and bottom - top >= 8 else None


def _moved(before: Gray, after: Gray, points: Floats) -> Floats | None:
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        points[:, None],
        None,  # type: ignore[call-overload]  # OpenCV's stubs know no call without a first guess.
        winSize=_WINDOW,
        maxLevel=_LEVELS,
    )
    if found is None or status is None or status.sum() < _LEAST_POINTS:
        return None
    # A point that was not found gets a place from which it cannot return.
    return np.where(status.reshape(-1, 1) > 0, found[:, 0], np.float32(-1e6)).astype(np.float32)


def _growth(first: Floats, second: Floats) -> float:
    pairs = np.array(list(combinations(range(len(first)), 2)))
    lengths = [
        np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1) for points in (first, second)
    ]
    return float(np.median(lengths[1] / np.maximum(lengths[0], 1e-3)))


def _grown_box(box: Box, centre: Floats, shift: Floats, grown: float) -> Box:
    x, y = float(centre[0]), float(centre[1])
    dx, dy = float(shift[0]), float(shift[1])
    return (
        (box[0] - x) * grown + x + dx,
        (box[1] - y) * grown + y + dy,
        (box[2] - x) * grown + x + dx,
        (box[3] - y) * grown + y + dy,
    )
