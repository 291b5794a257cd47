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
    action: str = "look_straight",
    *,
    scale: float = 1.0,
    roll: float = 0.0,
    at: tuple[float, float] = (0, 0),
    yaw: float | None = None,
    pitch: float | None = None,
    nose: float = 0.5,
) -> Face:
    """A rigid head 40 `scale` pixels from eye to eye, doing `action`, leaning by `roll` radians.

    `yaw` and `pitch`, degrees, replace those of the action: to the right of the picture, and down. The tip of the nose
    is `nose` distances of the eyes before the face: 0 is a flat picture.
    """
    yaw = {"turn_left": -35.0, "turn_right": 35.0}.get(action, 0.0) if yaw is None else yaw
    pitch = (30.0 if action == "nod" else 0.0) if pitch is None else pitch
    size = 40.0 * scale * (1.5 if action == "approach" else 1.0)
    # Right, down, and towards the camera.
    head = size * np.array([(-0.5, 0, 0), (0.5, 0, 0), (0, 0.56, nose), (-0.42, 1.075, 0), (0.42, 1.075, 0)])
    across, down = math.radians(yaw), math.radians(pitch)
    x = head[:, 0] * math.cos(across) + head[:, 2] * math.sin(across)
    z = head[:, 2] * math.cos(across) - head[:, 0] * math.sin(across)
    points = np.stack([x, head[:, 1] * math.cos(down) + z * math.sin(down)], axis=1)
    turn = np.array([(math.cos(roll), math.sin(roll)), (-math.sin(roll), math.cos(roll))])
    landmarks = (points @ turn + np.array(at) + 300.0).astype(np.float32)
    (x1, y1), (x2, y2) = landmarks.min(0), landmarks.max(0)
    return Face((float(x1), float(y1), float(x2), float(y2)), landmarks, 0.99)
