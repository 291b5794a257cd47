"""Photos that lie on a side or upside down, although their files say nothing of it or something wrong.

A detector finds upright faces. In a photo that lies on a side it finds none, or takes something for a face with low
certainty and landmarks that no face has. Such a photo is tried in the three other turns, and is turned where these show
faces with clearly more evidence. Photos with faces that are upright beyond doubt are not tried, so they cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log10

import cv2
import numpy as np

from faceid.imaging.turned import QUARTER, turned_image
from faceid.ports.networks import Detector
from faceid.recognition.plausible import is_plausible
from faceid.types import Face, Image

SURE = 0.995
"""The detection score of a face that needs no other turn: 98 % of upright faces reach it, 2 % of those upside down."""

ENOUGH = 0.5
"""No other turn is tried where sure and plausible faces have this share of the prominence of all."""

LEAST_SCORE = 0.98
"""Faces with a lower score are no evidence for another turn."""

LEAST_EVIDENCE = 1 / 8
"""The least evidence for another turn, in longer sides of the picture: most false faces are small."""

CLEARLY = 1.25
"""How many times the evidence of the picture as it is."""

CERTAIN = 6.0
"""The certainty of a face, -log10(1 - score), counts up to this."""

TRIED_SIDE = 640
"""A larger picture is tried reduced: its longer side is then this or up to twice as many pixels."""

_OTHERS = (QUARTER, 2 * QUARTER, 3 * QUARTER)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """An upright image and the faces in it. `turned` is by how many degrees clockwise: 0, 90, 180 or 270."""

    image: Image
    faces: list[Face]
    turned: int = 0


def detect_upright(
    detector: Detector, images: Sequence[Image], finder: Callable[[], Detector] | None = None
) -> list[Seen]:
    """Detect faces, and turn the images that lie on a side or upside down.

    `finder` gives a detector that chooses its smallest face by the size of the image, for the tries in other turns; it
    is `detector` itself by default. The tries of all images are detected together.
    """
    seen = [Seen(image, faces) for image, faces in zip(images, detector.detect(images), strict=True)]
    doubtful = [place for place, one in enumerate(seen) if not _is_upright(one.faces)]
    if not doubtful:
        return seen
    best = _best_turns([seen[place] for place in doubtful], detector if finder is None else finder())
    turned = {
        place: turned_image(seen[place].image, degrees)
        for place, degrees in zip(doubtful, best, strict=True)
        if degrees
    }
    if turned:
        degrees_of = dict(zip(doubtful, best, strict=True))
        for (place, image), faces in zip(turned.items(), detector.detect([*turned.values()]), strict=True):
            # At its full size the picture may show another face, or none.
            if any(is_plausible(face) for face in faces):
                seen[place] = Seen(image, faces, degrees_of[place])
    return seen


def _best_turns(doubtful: Sequence[Seen], trial: Detector) -> list[int]:
    """By how many degrees clockwise each image should be turned; 0 where no turn is clearly better."""
    reduced = [_reduced(one.image) for one in doubtful]
    tries = [turned_image(image, degrees) for image in reduced for degrees in _OTHERS]
    found = [
        _evidence(faces, image, LEAST_SCORE) for image, faces in zip(tries, trial.detect(tries), strict=True)
    ]
    turns = []
    for number, one in enumerate(doubtful):
        theirs = found[len(_OTHERS) * number : len(_OTHERS) * (number + 1)]
        least = max(LEAST_EVIDENCE, CLEARLY * _evidence(one.faces, one.image, 0.0))
        turns.append(_OTHERS[theirs.index(max(theirs))] if max(theirs) >= least else 0)
    return turns


def _is_upright(faces: Sequence[Face]) -> bool:
    """Whether most of what was found, by size and score, is faces that are sure and plausible."""
    weights = [face.size * face.score**4 for face in faces]
    sure = [
        weight
        for face, weight in zip(faces, weights, strict=True)
        if face.score >= SURE and is_plausible(face)
    ]
    return bool(sure) and sum(sure) >= ENOUGH * sum(weights)


def _evidence(faces: Sequence[Face], image: Image, least: float) -> float:
    """The sum of size times certainty over plausible faces of a score of at least `least`, in longer sides."""
    longer = max(image.width, image.height)
    return sum(
        face.size / longer * min(CERTAIN, -log10(max(1.0 - face.score, 10.0**-CERTAIN)))
        for face in faces
        if face.score >= least and is_plausible(face)
    )


def _reduced(image: Image) -> Image:
    """The image with a longer side of TRIED_SIDE or up to twice as many pixels; itself where it is not larger."""
    factor = max(image.width, image.height) // TRIED_SIDE
    if factor < 2:
        return image
    pixels, done = image.reduced(factor)
    factor //= done
    size = tuple(max(1, side // factor) for side in (pixels.shape[1], pixels.shape[0]))
    return replace(image, pixels=np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)))
