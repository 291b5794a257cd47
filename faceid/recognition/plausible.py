"""Face -> whether its landmarks can be those of a face that an aligner brings upright.

MTCNN was trained on upright faces. On a face that lies on a side it gives landmarks that are wrong, often with a high
score, and a crop made by them shows no face. The limits are far outside of what faces have in any pose: see
`scripts/studies/check_turning.py`.
"""

from __future__ import annotations

from math import atan2, degrees, isfinite

import numpy as np
from numpy.typing import ArrayLike

from faceid.recognition.align import ALIGNERS, fit_similarity
from faceid.types import Face

MOST_ROLL = 55.0
"""Degrees. Heads lean by 40 in photos; beyond 45 the photo is nearer to upright after a quarter turn."""

MOST_MISFIT = 0.4
"""The deviation of the landmarks from a frontal face, root mean square, in its eye distances. Profiles: 0.35."""

MOST_SKEW = 40.0
"""Degrees between the eyes and the mouth, and between their line and the line across. Three-quarter views reach 23."""

SPACING = (0.25, 1.6)
"""The distance of the eyes over that of eyes and mouth. Profiles reach 0.37, faces that look down 1.2."""

NOSE_HEIGHT = (0.0, 1.05)
"""The height of the nose between the eyes (0) and the mouth (1), along the line between them."""

BOX_SIDES = (0.45, 1.8)
"""The width of ArcFace's crop over the longer side of the box: 0.66 to 1.3 for faces."""

_TEMPLATE = ALIGNERS["arcface-112-v1"]
_EYE_DISTANCE = 35.24
"""Of the template, pixels."""


def is_plausible(face: Face) -> bool:
    """Whether the landmarks have the shape of a face, fit the box, and are upright within MOST_ROLL degrees."""
    x1, y1, x2, y2 = face.box
    side = max(x2 - x1, y2 - y1)
    if not isfinite(side) or side < 1 or not has_shape_of_face(face.landmarks):
        return False
    lean = roll(face.landmarks)
    fitted = fit_similarity(face.landmarks, _template())
    if lean is None or fitted is None or abs(lean) > MOST_ROLL:
        return False
    return BOX_SIDES[0] * side <= _TEMPLATE.size / fitted.scale <= BOX_SIDES[1] * side


def roll(landmarks: ArrayLike) -> float | None:
    """By how many degrees clockwise, -180..180, (5, 2) landmarks lean; None where they determine no pose."""
    fitted = fit_similarity(_template(), landmarks)
    return None if fitted is None else degrees(atan2(fitted.factor.imag, fitted.factor.real))


def turn_of(face: Face) -> int:
    """By how many degrees clockwise, a multiple of 90, the picture is turned for the face to be upright.

    As a detector finds them, faces that lean by up to MOST_ROLL are upright.
    """
    lean = roll(face.landmarks)
    return 0 if lean is None or abs(lean) <= MOST_ROLL else round(-lean / 90) % 4 * 90


def has_shape_of_face(landmarks: ArrayLike) -> bool:
    """Whether (5, 2) landmarks can be those of a face in any pose, whatever its roll.

    Not so where they are not finite, in one place, mirrored, upside down against each other or far from their places.
    """
    fitted = fit_similarity(_template(), landmarks)
    if fitted is None:
        return False
    places = np.asarray(landmarks, dtype=np.float64) @ (1, 1j)
    targets = np.asarray(_template()) @ (1, 1j)
    misfit = np.abs(places - fitted.factor * targets - fitted.shift)
    left_eye, right_eye, nose, left_mouth, right_mouth = places.tolist()
    across, mouth = right_eye - left_eye, right_mouth - left_mouth
    down = (left_mouth + right_mouth - left_eye - right_eye) / 2
    if 0 in (across, mouth, down):
        return False
    height = ((nose - (left_eye + right_eye) / 2) / down).real
    return bool(
        np.sqrt(np.mean(misfit**2)) <= MOST_MISFIT * _EYE_DISTANCE * fitted.scale
        and SPACING[0] <= abs(across) / abs(down) <= SPACING[1]
        and NOSE_HEIGHT[0] <= height <= NOSE_HEIGHT[1]
        and _angle(down / (across * 1j)) <= MOST_SKEW
        and _angle(mouth / across) <= MOST_SKEW
    )


def _template() -> tuple[tuple[float, float], ...]:
    assert _TEMPLATE.template is not None
    return _TEMPLATE.template


def _angle(turn: complex) -> float:
    """Degrees, 0..180."""
    return abs(degrees(atan2(turn.imag, turn.real)))
