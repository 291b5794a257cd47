"""Resized pictures and crops, exactly, from one integral image.

MTCNN was published with area interpolation: pixel i of n in a window of length L is the mean of the pixels
from floor(i L / n) up to, and not including, ceil((i+1) L / n). Such bins have integer edges, so that each is
four look-ups in a table of sums (Crow 1984; Viola and Jones 2001), whatever its size. One table serves every
level of the pyramid and every crop of every candidate, enlarged or reduced, without a loop over either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceid.runtime.devices import moved

if TYPE_CHECKING:
    from faceid.types import Pixels

WINDOW = 12
"""Side of the P-Net's window: a face as small as `min_face` is brought to this size."""

FACTOR = 0.709
"""From one level of the pyramid to the next: about half the area."""


@dataclass(frozen=True, slots=True)
class Level:
    """One size of a picture: `scale` is level pixels per picture pixel."""

    scale: float
    height: int
    width: int


def levels(height: int, width: int, min_face: float) -> Iterator[Level]:
    """From the largest to the smallest level in which a face of `min_face` pixels or more fills a window."""
    scale = WINDOW / min_face
    # The shorter side is carried along, rather than recomputed, to stop where the published code stops.
    shorter = min(height, width) * scale
    while shorter >= WINDOW:
        yield Level(scale, int(height * scale + 1), int(width * scale + 1))
        scale *= FACTOR
        shorter *= FACTOR


@dataclass(frozen=True, slots=True, eq=False)
class SummedImage:
    """A picture as sums: `sums[y, x]` is that of all pixels above y and left of x, (H+1, W+1, 3) int32.

    The sums wrap around beyond 2^31, harmlessly: differences are taken modulo 2^32, and the sum of a single
    bin stays below 2^31 up to 8 million pixels, 24x24 and more of which make a picture.
    """

    sums: Tensor

    @classmethod
    def of(cls, pixels: Pixels, device: torch.device) -> SummedImage:
        """Sum up (H, W, 3) uint8, on the CPU; the table is kept on `device`: 12 bytes a pixel."""
        return cls(moved(torch.from_numpy(cv2.integral(pixels)), device))

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.sums.shape[0] - 1

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.sums.shape[1] - 1

    def rows_of(self, level: Level, top: int, bottom: int) -> Tensor:
        """Rows top..bottom-1 of a level: (bottom - top, level.width, 3) float32 in -1..1."""
        device, stream = self.sums.device, _stream(self.sums.device)
        above, below = (edge[top:bottom] for edge in _edges(self.height, level.height, device, stream))
        left, right = _edges(self.width, level.width, device, stream)
        strips = self.sums.index_select(0, below).sub_(self.sums.index_select(0, above))
        bins = strips.index_select(1, right).sub_(strips.index_select(1, left))
        return _normalised(bins, (below - above)[:, None] * (right - left))

    def crops(self, windows: NDArray[np.int64], size: int) -> Tensor:
        """Each of (n, 4) windows (x1, y1, x2, y2; x2, y2 excluded) as (n, size, size, 3) float32 in -1..1."""
        x1, y1, x2, y2 = torch.from_numpy(windows).to(self.sums.device)[:, :, None].unbind(1)
        step = torch.arange(size, device=self.sums.device)
        left, right = x1 + (x2 - x1) * step // size, x1 - (x1 - x2) * (step + 1) // size
        above, below = y1 + (y2 - y1) * step // size, y1 - (y1 - y2) * (step + 1) // size
        bins = self._look_up(below, right).sub_(self._look_up(above, right))
        bins.sub_(self._look_up(below, left)).add_(self._look_up(above, left))
        return _normalised(bins, (below - above)[:, :, None] * (right - left)[:, None, :])

    def _look_up(self, y: Tensor, x: Tensor) -> Tensor:
        """Sums at all pairs of each row of (n, s) y and (n, s) x: (n, s, s, 3)."""
        places = (y * (self.width + 1))[:, :, None] + x[:, None, :]
        return self.sums.view(-1, 3).index_select(0, places.view(-1)).view(*places.shape, 3)


def _stream(device: torch.device) -> int:
    """The queue of `device` that this thread works in."""
    return int(torch.cuda.current_stream(device).cuda_stream) if device.type == "cuda" else 0


@lru_cache(maxsize=128)
def _edges(length: int, bins: int, device: torch.device, stream: int) -> tuple[Tensor, Tensor]:
    """Where each of `bins` over `length` pixels begins and ends. Remembered: albums and videos repeat sizes.

    For each `stream` anew: one may not read what another has yet to write.
    """
    index = torch.arange(bins, device=device)
    return index * length // bins, -((index + 1) * -length // bins)


def _normalised(sums: Tensor, areas: Tensor) -> Tensor:
    """Means of bins in the range that the networks were trained with: (mean - 127.5) / 128."""
    return sums.to(torch.float32).mul_((1 / (areas * 128.0))[..., None]).sub_(127.5 / 128)
