"""Image + Face -> how much detail the face has for its size: an enlarged small face has little.

Enlarging a picture adds pixels and no detail. Two traces are left, whatever the method, and also where the result was
saved as JPEG:

- The rows and columns of the result are mixtures of the few rows and columns of the small picture. So the matrix of the
  gray values has as few independent components as the small picture has columns; the others hold noise.
- Methods that repeat pixels leave blocks: the gray values change at regular places only.

The first finds every method that treats rows and columns apart (nearest, linear, cubic, Lanczos), the second those
whose blocks JPEG has blurred. `scripts/studies/check_resolution.py` measures both.
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

_EMPTY, _RICH = 39.0, 33.0
"""The weighted drops, dB, where a face has no detail beyond 24 pixels, and where it has all that one can expect."""

_BLOCKY = 0.3
"""From this depth on, gray values change regularly: photos reach 0.2, and 0.3 to 2 where pixels were repeated."""

_FREQUENCIES = 512
"""Frequencies a pixel."""

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
    pixels, factor = image.reduced(max(1, floor(face.size / _ACROSS)))
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
    depths = np.sqrt(_depths(gray, across) * _depths(gray.T, across))
    first, last = (round(blocks / across * _FREQUENCIES) for blocks in (_FEWEST, _MOST))
    looked_for = depths[first : last + 1]
    if not looked_for.size:
        return None
    deepest = first + int(looked_for.argmax())
    # Broader stripes, which are a pattern and no pixels, swing at multiples of their number.
    fewer = max(depths[round(deepest / overtone)] for overtone in (2, 3))
    if depths[deepest] < _BLOCKY or fewer > _OVERTONE * depths[deepest]:
        return None
    return deepest / _FREQUENCIES * across


def _depths(gray: NDArray[np.uint8], across: float) -> NDArray[np.float64]:
    """How deep the mean change from column to column swings, by frequency: 0, 1, ... of _FREQUENCIES cycles a pixel."""
    mean = cv2.reduce(cv2.absdiff(gray[:, 1:], gray[:, :-1]), 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
    around = cv2.blur(mean, (max(9, floor(across / 6) | 1), 1), borderType=cv2.BORDER_REFLECT)
    swing = np.asarray(mean / (around + 0.1) - 1.0)[0, : 2 * _FREQUENCIES]
    window = np.hanning(swing.size + 2)[1:-1]
    waves = np.abs(np.fft.rfft(window * swing, 2 * _FREQUENCIES))[::2]
    return np.asarray(waves * (2.0 / window.sum()), dtype=np.float64)


def _drop(gray: NDArray[np.uint8], across: float) -> float:
    """How far the level of the principal components of the columns falls at 24 pixels across the face, dB.

    The drop from coarse detail to what is beyond 24 pixels, and to the finest up to there, less the drop from beyond
    to the last. Where a photo is soft, detail fades out evenly; where it was enlarged, the level falls to that of noise
    and stays there.
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
