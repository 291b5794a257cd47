"""Computes a perceptual hash that recognises a picture after it was resized, recompressed or mirrored.

The signs of the low frequencies of a small gray copy (DCT; after Zauner 2010, with 0 for the median). Mirroring inverts
the sign of every odd horizontal frequency, so the hash of the mirror image costs nothing: libraries that threshold at
the median must decode and transform twice.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from faceid.types import Image

Bits: TypeAlias = NDArray[np.bool_]

SIDE = 32
"""Pixels of the gray copy."""

KEPT = 16
"""Frequencies of each axis; all but the constant one are a bit. With 8, other photos come as near as cropped copies."""

BITS = KEPT * KEPT - 1

_CELLS = np.arange(SIDE)
_COSINES = np.cos(np.pi * np.outer(np.arange(KEPT), 2 * _CELLS + 1) / (2 * SIDE))
_FLIPPED = np.tile(np.arange(KEPT) % 2 == 1, KEPT)[1:]


def perceptual_hash(image: Image) -> Bits:
    """(BITS,) bool of an upright picture of any size."""
    pixels, _ = image.reduced(max(1, min(image.width, image.height) // (8 * SIDE)))
    gray = Pillow.fromarray(pixels).convert("L").resize((SIDE, SIDE), Pillow.Resampling.BOX)
    frequencies = _COSINES @ np.asarray(gray, np.float64) @ _COSINES.T
    return np.asarray(frequencies.ravel()[1:] > 0)


def mirrored(bits: Bits) -> Bits:
    """The hash of the mirror image (left and right swapped), from hashes (..., BITS)."""
    return np.asarray(bits ^ _FLIPPED)


def hamming(first: Bits, second: Bits) -> NDArray[np.int64]:
    """How many bits differ: (m, n) for hashes (m, BITS) and (n, BITS)."""
    # As a product of signs, which is exact: sums of so few ones are integers in float32.
    signs, others = (np.where(bits, np.float32(1), np.float32(-1)) for bits in (first, second))
    different: NDArray[np.int64] = ((first.shape[1] - signs @ others.T) / 2).astype(np.int64)
    return different
