"""Arithmetic on boxes, as the MATLAB original of MTCNN and its ports do it.

Boxes are (n, 4) float32 rows x1, y1, x2, y2 in pixels counted from 1, both ends included, so that a box is
x2 - x1 + 1 wide; `windows` is where they become ranges of array indices, and only the detector's last step
counts from 0. float32 throughout, in the order of the published operations: results agree with it to the last
bits, and a coordinate is not truncated to another pixel.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


def squared(boxes: Floats, share: float = 1.0) -> Floats:
    """Squares about the centres of the boxes, whose side is `share` of the box's longer one."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    side = np.maximum(width, height) * np.float32(share)
    half = np.float32(0.5)
    left = boxes[:, 0] + width * half - side * half
    top = boxes[:, 1] + height * half - side * half
    return np.stack([left, top, left + side, top + side], axis=1)


def corrected(boxes: Floats, offsets: Floats, *, inclusive: bool = True) -> Floats:
    """The boxes, corrected by a network's (n, 4) offsets, which are in box sides.

    P-Net's offsets were trained with sides that do not count the last pixel (`inclusive=False`).
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    if inclusive:
        sides = sides + np.float32(1)
    return boxes + offsets * np.tile(sides, 2)


def windows(boxes: Floats, sizes: Indices) -> Indices:
    """The pixels of each box inside its picture, as (n, 4) array indices x1, y1, x2, y2, with x2, y2 excluded.

    `sizes` are (n, 2) widths and heights of the pictures.

    A window of a box outside the picture is empty: x2 <= x1 or y2 <= y1.
    """
    corners = boxes.astype(np.int64)
    first = np.maximum(corners[:, :2], 1) - 1
    last = np.minimum(corners[:, 2:], sizes)
    return np.concatenate([first, last], axis=1)


def suppressed(boxes: Floats, scores: Floats, threshold: float) -> Indices:
    """Greedy non-maximum suppression by intersection over union: the rows kept, best score first.

    A box goes when it overlaps a better one by more than `threshold`; among equal scores the earlier is better.
    OpenCV's routine gives what torchvision's gives, without the import.
    """
    rectangles = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(np.float64)
    # OpenCV's stubs ask for lists; arrays are taken as well, and faster.
    kept = cv2.dnn.NMSBoxes(rectangles, scores, 0.0, threshold)  # type: ignore[arg-type]
    return np.asarray(kept, dtype=np.int64).reshape(-1)


def without_nested(boxes: Floats, scores: Floats, threshold: float) -> Indices:
    """Greedy suppression by intersection over the smaller box: the rows kept, best score first.

    Removes a second box inside, or around, that of the same face, which intersection over union spares.
    For the few boxes of the last stage. Two of them may show the same pixels and have equal scores; which goes
    first is then left to NumPy's default sort, because the published code leaves it so.
    """
    sides = boxes[:, 2:] - boxes[:, :2] + np.float32(1)
    areas = sides[:, 0] * sides[:, 1]
    waiting = np.argsort(scores)[::-1]
    kept = []
    while waiting.size:
        best, rest = waiting[0], waiting[1:]
        kept.append(best)
        corner = np.maximum(boxes[best, :2], boxes[rest, :2])
        overlap = np.maximum(np.minimum(boxes[best, 2:], boxes[rest, 2:]) - corner + np.float32(1), 0)
        shared = overlap[:, 0] * overlap[:, 1] / np.minimum(areas[best], areas[rest])
        waiting = rest[shared <= threshold]
    return np.asarray(kept, dtype=np.int64)
