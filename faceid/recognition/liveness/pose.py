"""The direction from which a head is seen and how near it is, from the five landmarks of a detector.

Eyes and mouth corners lie nearly in one plane, and the tip of the nose before it. Written in coordinates of that plane
(the line of the eyes, the line from the eyes to the mouth), the projected nose moves off its place by its height times
the tangent of the direction of view, whatever the roll, the size and the place in the picture (weak perspective:
Koenderink and van Doorn 1991, "Affine structure from motion"). It does not move on a flat picture, however that is
held: a flat picture that is turned gets narrower instead. Whether the proportions of the face fit the direction is
`HeadPose.misfit`.

The shape of the head was fitted once, by hand, to faces of six people who turn and nod as far as they can, so that nose
and proportions agree. `scripts/studies/check_head_turns.py` measures the angles that it gives. No camera is calibrated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The tip of the nose is so far before the plane, in distances between the eyes, and from the eyes to the mouth.
_NOSE_ACROSS, _NOSE_DOWN = 0.46, 0.58
# Its place between eyes (0) and mouth (1), seen from the front.
_NOSE_PLACE = 0.52
# Distance between the eyes over that from the eyes to the mouth, seen from the front.
_PROPORTION = 0.93


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Of one face in one picture, free of roll.

    `yaw` is below 0 for a nose that points to the left of the picture, above 0 to its right; `pitch` is above 0 for a
    head that is lowered. Degrees, -90..90, of an average head that looks into the camera at 0; people and postures
    differ by some 10 in `pitch`. `misfit` is the natural logarithm of the measured proportion of the face over that
    which a head in this direction has: beyond 0.25 either way the landmarks are no head's (0.2 in 98 % of the faces of
    heads that turn). `eyes` and `height` are the distances between the eyes and from the eyes to the mouth, pixels.
    """

    yaw: float
    pitch: float
    misfit: float
    eyes: float
    height: float

    def nearness(self, before: HeadPose) -> float:
        """How many times larger the face is than `before`: turning and nodding shrink only one of the two."""
        return max(self.eyes / before.eyes, self.height / before.height)


def head_pose(landmarks: NDArray[np.float32]) -> HeadPose | None:
    """The pose from (5, 2) landmarks as in `faceid.types.Face`; None where they make no upright face."""
    if not np.isfinite(landmarks).all():
        return None
    left_eye, right_eye, nose, left_mouth, right_mouth = (complex(x, y) for x, y in landmarks.tolist())
    between = right_eye - left_eye
    if abs(between) < 1.0:
        return None
    # With the left eye at 0 and the right one at 1: real is across the face, imaginary is down.
    mouth = ((left_mouth + right_mouth) / 2 - (left_eye + right_eye) / 2) / between
    tip = (nose - (left_eye + right_eye) / 2) / between
    if mouth.imag * abs(between) < 1.0:
        return None
    down = tip.imag / mouth.imag
    # The direction of view in coordinates of the head, for a depth of 1: to the right and downwards.
    x = (tip.real - down * mouth.real) / _NOSE_ACROSS
    y = (down - _NOSE_PLACE) / _NOSE_DOWN
    expected = _PROPORTION * math.sqrt((1.0 + y * y) / (1.0 + x * x))
    return HeadPose(
        math.degrees(math.atan(x)),
        math.degrees(math.atan(y)),
        -math.log(expected * abs(mouth)),
        abs(between),
        abs(mouth) * abs(between),
    )
