"""A detector for tests, without a network: faces are coloured squares on black.

A fake face is an axis-aligned square of one base colour, each channel one of LEVELS, with a faint checker
texture; `draw_face` draws one, `FakeDetector` finds it, and `faceid.recognition.embed.fake` tells people apart by
colour. All three are deterministic, so that a test of everything after the pixels needs neither photographs nor
weights, and knows the right answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceid.config import Runtime
from faceid.types import Face, Image

if TYPE_CHECKING:
    from faceid.types import Pixels

LEVELS = (80, 112, 144, 176, 208, 240)
"""What a channel of a base colour can be."""

SCORE = 0.999
"""The detection score of every fake face."""

# Where the landmarks of a frontal face lie in an aligned crop, in sides: the crop is then the square itself.
_LANDMARKS = np.array(
    [(0.31, 0.30), (0.67, 0.30), (0.49, 0.51), (0.33, 0.69), (0.65, 0.69)], dtype=np.float32
)

# Halfway between black and the darkest texture, so that lossy compression adds and removes no face.
_DARKEST = 32


def draw_face(canvas: Pixels, colour: tuple[int, int, int], x: int, y: int, side: int) -> None:
    """Draw a fake face of (R, G, B) `colour` into the (H, W, 3) `canvas`, its upper left pixel at x, y.

    The texture has cells of a tenth of the side: +16, -16 and, between them, the base colour, which is thereby
    the median of any part of the face that is two cells or more across. What lies outside the canvas is cut
    off, and what is not square any more is no face. Raises ValueError for a channel that is not in LEVELS or a
    side under 1.
    """
    if not set(colour) <= set(LEVELS):
        raise ValueError(f"each channel of a fake face is one of {LEVELS}, not {colour}")
    if side < 1:
        raise ValueError(f"a fake face is at least one pixel wide, not {side}")
    cell = np.arange(side) // max(1, round(side / 10)) % 2
    texture = 16 * (cell[None, :] - cell[:, None])
    face = np.clip(np.array(colour) + texture[:, :, None], 0, 255).astype(np.uint8)
    top, left = max(0, -y), max(0, -x)
    visible = canvas[max(0, y) : max(0, y + side), max(0, x) : max(0, x + side)]
    visible[:] = face[top : top + visible.shape[0], left : left + visible.shape[1]]


class FakeDetector:
    """Finds fake faces of `min_face` pixels or more; satisfies `faceid.ports.networks.Detector`."""

    def __init__(self, min_face: float = 20) -> None:
        self._min_face = min_face

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        """The fake faces of each image, left to right: squares, at most a twentieth off, nine tenths full."""
        return [self._detect_one(image.pixels) for image in images]

    def _detect_one(self, pixels: Pixels) -> list[Face]:
        lit = (pixels.max(axis=2) > _DARKEST).astype(np.uint8)
        _, _, statistics, _ = cv2.connectedComponentsWithStats(lit, connectivity=4)
        faces = []
        for x, y, width, height, area in statistics[1:].tolist():
            side = min(width, height)
            square = max(width, height) <= 1.05 * side
            if side >= self._min_face and square and area >= 0.9 * width * height:
                corner = np.array((x, y), dtype=np.float32)
                landmarks = corner + _LANDMARKS * np.array((width - 1, height - 1), dtype=np.float32)
                faces.append(
                    Face((float(x), float(y), float(x + width), float(y + height)), landmarks, SCORE)
                )
        return sorted(faces, key=lambda face: face.box[:2])


def open_detector(*, device: str, min_face: float | None, runtime: Runtime) -> FakeDetector:
    """The fake, as the registry of detectors opens it. It runs no network, so it ignores `device` and `runtime`."""
    return FakeDetector(min_face=min_face or 40)
