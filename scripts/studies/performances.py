"""Performances of a person in another order than the one that was filmed, made of the parts of a clip."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from faceid.imaging import from_array
from faceid.live.source.stream import Frame
from faceid.recognition.liveness.challenge import Action
from faceid.types import Image
from scripts.studies.head_turns import MOVES, longest

NEARER = 1.45


def performance(
    clip: str, shown: Sequence[Frame], order: Sequence[Action], *, fps: float | None = None
) -> list[Frame]:
    """The person of a clip doing what `order` asks for: straight for 1.2 s, a movement, straight for 1 s, and so on.

    The pictures are the clip's own, at its own pace or, thinned out, at `fps`; only coming nearer is made of enlarged
    ones. Parts that do not follow each other are faded into each other for 0.6 s: at a hard cut a challenge ends.
    """
    pace = (len(shown) - 1) / (shown[-1].time_s - shown[0].time_s)
    rest = [shown[number].image for number in range(*longest(clip))]
    there_and_back = [*rest, *rest[::-1]]

    def resting(seconds: float, done: int) -> list[Image]:
        return [
            there_and_back[(done + number) % len(there_and_back)] for number in range(round(seconds * pace))
        ]

    fading = round(0.6 * pace)
    pictures = resting(1.2, 0)
    for action in order:
        if action == "approach":
            moving = nearer(rest[0], round(3.0 * pace))
        else:
            moving = [shown[number].image for number in MOVES[clip][action]]
        pictures += [*faded(pictures[-1], moving[0], fading), *moving, *faded(moving[-1], rest[0], fading)]
        pictures += resting(1.0, 0)
    every = 1 if fps is None else pace / fps
    chosen = [pictures[round(place)] for place in np.arange(0, len(pictures) - 0.5, every)]
    return [Frame(image, number, number * every / pace) for number, image in enumerate(chosen)]


def faded(first: Image, last: Image, count: int) -> list[Image]:
    """Pictures between two of one size, in which one gives way to the other."""
    return [
        from_array(np.asarray(cv2.addWeighted(first.pixels, 1 - share, last.pixels, share, 0), np.uint8))
        for share in np.linspace(0, 1, count + 2)[1:-1].tolist()
    ]


def nearer(image: Image, count: int) -> list[Image]:
    """A picture as if the person came nearer and went back, by up to NEARER times."""
    return [
        _enlarged(image, 1.0 + (NEARER - 1.0) * float(np.sin(np.pi * number / (count - 1))))
        for number in range(count)
    ]


def _enlarged(image: Image, times: float) -> Image:
    width, height = image.width / times, image.height / times
    left, top = (image.width - width) / 2, (image.height - height) / 3
    matrix = np.array([[times, 0, -times * left], [0, times, -times * top]])
    return from_array(np.asarray(cv2.warpAffine(image.pixels, matrix, (image.width, image.height)), np.uint8))
