"""Whose photo is it? The one rule that chooses the subject among the faces of a photo."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, hypot, inf, isfinite, isnan
from typing import Final, Literal, TypeAlias, get_args

from faceid.errors import FaceCountError, UsageError, not_one_face
from faceid.types import Box, Face, Image

SubjectRule: TypeAlias = Literal["largest", "centre", "only", "all"]
"""How the subject of a photo with several faces is chosen.

- `largest`: the face that is clearly the most prominent (`prominence`); none where two are about equal;
- `centre`: the face nearest to the middle, which is what the labels of LFW mean;
- `only`: no face of a photo with several;
- `all`: undecided here; enrolment takes the face that agrees with the person's other photos.
"""

RULES: Final[tuple[SubjectRule, ...]] = get_args(SubjectRule)
ONE_PHOTO: Final[tuple[SubjectRule, ...]] = ("largest", "centre", "only")
"""The rules that choose by a photo alone."""

CLEARLY = 1.5
"""The subject of a photo is more prominent than each other face by this factor."""

OFF_CENTRE = 0.5
CONFIDENCE = 4
"""The weights of place and confidence in `prominence`; scripts/studies/compare_subject_rules.py chose all three."""


def checked_rule(rule: str, known: Sequence[SubjectRule] = RULES) -> SubjectRule:
    """`rule` if it is one of `known`. Raises UsageError."""
    for one in known:
        if one == rule:
            return one
    if rule in RULES:
        raise UsageError(
            f"the subject {rule!r} needs the person's other photos, which only enrolment has",
            remedy="one_of",
            known=", ".join(known),
        )
    raise UsageError(f"unknown subject {rule!r}", remedy="one_of", known=", ".join(known))


def subjects(faces: Sequence[Face], image: Image, rule: SubjectRule) -> Sequence[Face]:
    """The faces of a photo that may be the subject's: one, none where no face can be chosen, all under `all`."""
    if len(faces) < 2 or rule == "all":
        return faces
    if rule == "only":
        return []
    if rule == "centre":
        return [min(faces, key=lambda face: _off_centre(face.box, image.width, image.height))]
    weights = [prominence(face, image.width, image.height) for face in faces]
    first, second = sorted(range(len(faces)), key=lambda index: -weights[index])[:2]
    return [faces[first]] if weights[first] > CLEARLY * weights[second] else []


def prominence(face: Face, width: int, height: int) -> float:
    """How much a face looks like the subject of a picture of `width` x `height` pixels, 0 or more.

    A photographer comes close to the subject, keeps it whole and puts it near the middle. So this is the size of the
    face in pixels, times the visible share of its box squared, times exp(-OFF_CENTRE d^2), where d is its distance from
    the middle in halves of the width and of the height. The detector's score to the power CONFIDENCE discounts what may
    be no face. A box or a score that is not finite has no prominence.
    """
    x1, y1, x2, y2 = face.box
    area = (x2 - x1) * (y2 - y1)
    if not area > 0.0:
        return 0.0
    shown = max(0.0, min(x2, width) - max(x1, 0.0)) * max(0.0, min(y2, height) - max(y1, 0.0)) / area
    across, down = (x1 + x2) / width - 1.0, (y1 + y2) / height - 1.0
    near_centre = exp(-OFF_CENTRE * (across**2 + down**2))
    weight = face.size * float(shown**2) * near_centre * face.score**CONFIDENCE
    return weight if isfinite(weight) else 0.0


def _off_centre(box: Box, width: int, height: int) -> float:
    """The distance of the middle of a box from the middle of the picture, pixels."""
    distance = hypot((box[0] + box[2] - width) / 2, (box[1] + box[3] - height) / 2)
    return inf if isnan(distance) else distance


def no_subject(found: int, path: str, rule: SubjectRule, *, dark: bool = False) -> FaceCountError:
    """The error for a photo with `found` faces of which `rule` chooses none; `dark` as in `not_one_face`."""
    if found < 2 or rule in ("only", "all"):
        return not_one_face(found, path, dark=dark)
    return FaceCountError(
        f"{found} faces, and none is clearly the subject",
        code="multiple_faces",
        remedy="choose_one_face",
        path=path,
    )
