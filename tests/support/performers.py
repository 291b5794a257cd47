"""Faces that do what a challenge asks for, drawn as five landmarks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from faceid.types import Face

SELF: NDArray[np.float32] = np.array([1.0, 0.0], np.float32)
OTHER: NDArray[np.float32] = np.array([0.0, 1.0], np.float32)


def turned(similarity: float) -> NDArray[np.float32]:
    """A vector of this cosine with SELF."""
    return np.array([similarity, math.sqrt(1 - similarity**2)], np.float32)


def posed(
    action: str = "look_straight", *, scale: float = 1.0, roll: float = 0.0, at: tuple[float, float] = (0, 0)
) -> Face:
    """A face 40 `scale` pixels from eye to eye, doing `action`, leaning by `roll` radians."""
    yaw = {"turn_left": -0.35, "turn_right": 0.35}.get(action, 0.0)
    pitch = 0.72 if action == "nod" else 0.55
    size = 40.0 * scale * (1.5 if action == "approach" else 1.0)
    # A turned head is narrower.
    width = size * (0.85 if yaw else 1.0)
    points = np.array(
        [
            (-width / 2, 0),
            (width / 2, 0),
            (yaw * width, pitch * size),
            (-width / 2.4, size),
            (width / 2.4, size),
        ]
    )
    turn = np.array([(math.cos(roll), math.sin(roll)), (-math.sin(roll), math.cos(roll))])
    landmarks = (points @ turn + np.array(at) + 300.0).astype(np.float32)
    (x1, y1), (x2, y2) = landmarks.min(0), landmarks.max(0)
    return Face((float(x1), float(y1), float(x2), float(y2)), landmarks, 0.99)
