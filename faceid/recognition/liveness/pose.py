"""Where a head points and how near it is, from the five landmarks of a detector. No camera is calibrated for it.

Measured with MTCNN on 86 photos of six people (CCtwelve, three-quarter views to either side): `yaw` is within 0.05 of 0
in all 48 frontal ones, whatever the expression, and beyond 0.24 in all 38 others, each to its own side.
`pitch` of frontal ones differs between people (0.41 .. 0.62), and by expression up to 0.07 within one person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Of one face in one picture, free of roll.

    `yaw` is how far the nose is beside the middle of the face, in distances of the eyes: below 0 to the left of
    the picture, above 0 to its right. `pitch` is how far down it is between eyes (0) and mouth (1): more for a head
    that nods. `eyes` and `height` are the distances between the eyes and from the eyes to the mouth, pixels.
    """

    yaw: float
    pitch: float
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
    height = mouth.imag * abs(between)
    if height < 1.0:
        return None
    return HeadPose(tip.real - mouth.real / 2, tip.imag / mouth.imag, abs(between), height)
