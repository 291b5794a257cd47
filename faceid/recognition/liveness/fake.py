"""A liveness detector for tests, without a network: a copy is a fake face with a dim frame around it.

Fake faces (faceid/recognition/detect/fake.py) are bright squares on black. What shows a copy in a photograph, the edge
of the paper or screen, is here a frame too dim for the fake detector to see.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from faceid.types import Face, Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.types import Pixels

LIVE_SCORE, COPY_SCORE = 0.95, 0.05

_FRAME, _DIM = 4, 16


def frame_copy(canvas: Pixels, x: int, y: int, side: int) -> None:
    """Make the fake face of `side` at x, y, already drawn into the (H, W, 3) `canvas`, a copy.

    What lies outside the canvas is cut off.
    """
    inside = canvas[max(0, y) : max(0, y + side), max(0, x) : max(0, x + side)].copy()
    canvas[max(0, y - _FRAME) : max(0, y + side + _FRAME), max(0, x - _FRAME) : max(0, x + side + _FRAME)] = (
        _DIM
    )
    canvas[max(0, y) : max(0, y + side), max(0, x) : max(0, x + side)] = inside


class FakeLivenessDetector:
    """COPY_SCORE for what `frame_copy` framed, LIVE_SCORE for any other face; satisfies the port."""

    def scores(self, image: Image, faces: Sequence[Face]) -> NDArray[np.float32]:
        """(n,) float32, 0..1, for `faces` of `image`, in their order."""
        return np.array([self._score(image, face) for face in faces], np.float32)

    def _score(self, image: Image, face: Face) -> float:
        x1, y1, x2, y2 = (round(value) for value in face.box)
        middle = min(max((y1 + y2) // 2, 0), image.height - 1)
        beside = [x for x in (x1 - 2, x2 + 1) if 0 <= x < image.width]
        framed = any(abs(int(image.pixels[middle, x].max()) - _DIM) <= 4 for x in beside)
        return COPY_SCORE if framed else LIVE_SCORE
