"""Labels on plates, drawn once and cached: the same labels occur frame after frame."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from faceid.live.screen.fonts import text_mask

if TYPE_CHECKING:
    from faceid.types import Pixels

Colour: TypeAlias = tuple[int, int, int]
"""RGB, 0..255."""

DARK: Colour = (16, 16, 16)
WHITE: Colour = (255, 255, 255)


@lru_cache(256)
def label(text: str, size: int, ink: Colour, ground: Colour, max_width: int) -> Pixels:
    """`text` in `ink` on a plate of `ground`: (h, w, 3) RGB uint8, read-only, w at most `max_width` where that has
    room for one character. `size` is the em in pixels.
    """
    padding = max(1, size // 5)
    mask = text_mask(text, size, max_width - 2 * padding)
    share = np.pad(mask, ((0, 0), (padding, padding))).astype(np.float32)[..., None] / 255.0
    front, back = (np.array(colour, np.float32) for colour in (ink, ground))
    plate: Pixels = (back + share * (front - back) + 0.5).astype(np.uint8)
    plate.setflags(write=False)
    return plate


def stacked(parts: list[Pixels], ground: Colour) -> Pixels:
    """Plates one below the other, flush left, filled up with `ground` to one width."""
    width = max(part.shape[1] for part in parts)
    block = np.empty((sum(part.shape[0] for part in parts), width, 3), np.uint8)
    block[:] = ground
    y = 0
    for part in parts:
        block[y : y + part.shape[0], : part.shape[1]] = part
        y += part.shape[0]
    return block
