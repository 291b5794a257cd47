"""Image + Face -> how much detail the face has for its size: a small face that somebody enlarged has little.

Enlarging a picture adds pixels and no detail. Two traces are left, whatever the method, and also where the result was
saved as JPEG:

- The rows and columns of the result are mixtures of the few rows and columns of the small picture. So the matrix of the
  gray values has as few independent components as the small picture has columns; the others hold noise.
- Methods that repeat pixels leave blocks: the gray values change at regular places only.

The first finds every method that treats rows and columns alike (nearest, linear, cubic, Lanczos), the second those whose
blocks JPEG has blurred. `scripts/studies/check_resolution.py` chose the constants and measures both.
"""

from __future__ import annotations

from math import ceil, floor, isfinite, log

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid.types import Face, Image

_ACROSS = 96
"""A face is thinned to this many pixels across, or up to twice as many: every n-th row and column."""

_COLUMNS = 64
"""The columns of a face that are compared: as many, or fewer in a smaller face."""

_LEAST = 40
"""A face with fewer pixels across is not examined: its size tells enough."""

# Ranges of components, of _COLUMNS: coarse detail, the finest that a face of 24 pixels has, what is beyond, the last.
_COARSE, _FINE, _BEYOND, _LAST = (4, 16), (18, 24), (27, 33), (44, 56)

_TO_FINE, _TO_LAST = 1.2, 0.5
"""The weights of two drops of the level, beside that from coarse detail to what is beyond."""

_EMPTY, _RICH = 38.3, 32.5
"""The weighted drops, dB, where a face has no detail beyond 24 pixels, and where it has all that one can expect."""

_BLOCKY = 0.3
"""From this depth on, the changes of gray values are regular: photos reach 0.2, enlarged by repeated pixels 0.3 to 2."""

_FEWEST, _MOST = 12, 34
"""Blocks across a face that are looked for."""

_OVERTONE = 0.7
"""A depth is an overtone if that of half or a third as many blocks is at least this share of it."""

_ROUNDING = 0.03
"""Variance of gray values; less is rounding."""


def resolution(image: Image, face: Face, smallest: float, ample: float) -> float:
    """The share 0..1 of the detail that a face of its size should have; 0 for a face outside the image.

    Blocks count as pixels: 0 for `smallest` or fewer across the face, 1 for `ample` or more, by the logarithm between.
    A face under 40 pixels across has 1.
    """
    if not all(isfinite(edge) for edge in face.box) or face.size < 1:
        return 0.0
    gray, across = _thinned(image, face)
    if not gray.size:
        return 0.0
    if across < _LEAST or min(gray.shape) < _LEAST / 2:
        return 1.0
    blocks = _blocks(gray, across)
    if blocks is not None:
        return min(1.0, max(0.0, log(blocks / smallest) / log(ample / smallest)))
    return min(1.0, max(0.0, (_EMPTY - _drop(gray, across)) / (_EMPTY - _RICH)))


def _thinned(image: Image, face: Face) -> tuple[NDArray[np.uint8], float]:
    """The gray values of what the box shows of the image, thinned, and the box's shorter side in their pixels."""
    pixels, factor = image.pixels, 1
    across = face.size / factor
    step = max(1, floor(across / _ACROSS))
    x1, y1, x2, y2 = (edge / factor for edge in face.box)
    rows = slice(max(0, floor(y1)), max(0, ceil(y2)), step)
    columns = slice(max(0, floor(x1)), max(0, ceil(x2)), step)
    part = pixels[rows, columns]
    if not part.size:
        return np.zeros((0, 0), np.uint8), across
    gray = cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY)
    return np.asarray(gray, dtype=np.uint8), across / step


def _blocks(gray: NDArray[np.uint8], across: float) -> float | None:
    """How many blocks of equal pixels there are across the face; None where there are no blocks.

    At the edges of blocks the gray values change, and not between. So the mean change from column to column, over that
    of the neighbourhood, swings regularly: the depth is how far, as a share of its mean. Rows must swing alike.
    """
    changes = [cv2.absdiff(plane[:, 1:], plane[:, :-1]) for plane in (gray, gray.T)]

    def depth(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sqrt(np.prod([_depths(some, blocks / across, across) for some in changes], axis=0))

    looked_for = np.arange(_FEWEST, min(_MOST, across / 2) + 0.5, 0.5)
    found = depth(looked_for)
    deepest = int(found.argmax())
    if found[deepest] < _BLOCKY:
        return None
    # Broader stripes, which are a pattern and no pixels, swing at multiples of their number.
    fewer = depth(looked_for[deepest] / np.array([2.0, 3.0]))
    return None if fewer.max() > _OVERTONE * found[deepest] else float(looked_for[deepest])


def _depths(changes: NDArray[np.uint8], each: NDArray[np.float64], across: float) -> NDArray[np.float64]:
    """How deep the mean of (h, w) changes swings at `each` frequency, in cycles a pixel."""
    mean = cv2.reduce(changes, 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
    around = cv2.blur(mean, (max(9, floor(across / 6) | 1), 1), borderType=cv2.BORDER_REFLECT)
    swing = (mean / (around + 0.1) - 1.0)[0]
    window = np.hanning(swing.size + 2)[1:-1]
    waves = np.exp(-2j * np.pi * each[:, None] * np.arange(swing.size))
    return np.abs(waves @ (window * swing)) * 2.0 / window.sum()


def _drop(gray: NDArray[np.uint8], across: float) -> float:
    """How far the level of the principal components of the columns falls at 24 pixels across the face, dB.

    The drop from coarse detail to what is beyond 24 pixels, and to the finest up to there, less the drop from beyond to
    the last. Where a photo is soft, detail fades out evenly; where it was enlarged, the level falls to that of noise and
    stays there.
    """
    if gray.shape[1] > gray.shape[0]:
        gray = gray.T
    shown = min(1.0, gray.shape[1] / across)
    columns = min(gray.shape[1], round(_COLUMNS * shown))
    rows = max(columns, round(gray.shape[0] * columns / gray.shape[1]))
    small = cv2.resize(gray, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean()
    variances = np.linalg.eigvalsh(small.T @ small / rows)[::-1]
    kept = np.zeros(_COLUMNS)
    kept[:columns] = np.maximum(variances, 0.0)
    levels = 10.0 * np.log10(kept + _ROUNDING)
    coarse, fine, beyond, last = (
        float(levels[round(start * shown) : round(stop * shown)].mean())
        for start, stop in (_COARSE, _FINE, _BEYOND, _LAST)
    )
    return coarse - beyond + _TO_FINE * (coarse - fine) - _TO_LAST * (beyond - last)
