"""Where YuNet looks: every image in a few sizes, the large ones in tiles, all in batches of one shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceid.recognition.detect.boxes import Floats
from faceid.recognition.detect.looking import Candidates, best, runs
from faceid.recognition.detect.yunet_network import MULTIPLE, YunetNetwork
from faceid.types import Image

if TYPE_CHECKING:
    from faceid.types import Pixels

SOUGHT = 16
"""The side that the smallest face sought has in the largest picture that YuNet sees, pixels."""

COARSER = 4
"""By how much each further picture is smaller. A face of any size is then SOUGHT to 8 SOUGHT pixels in one of them."""

COARSEST = 256
"""A picture whose longer side is at most this is the last."""

TILE, OVERLAP = 1024, 192
"""The side of tiles, and how much neighbours share. A face that no tile shows whole is seen in a smaller picture."""

BATCH_PIXELS = 1 << 18
"""The most pixels that YuNet is given at once, unless one tile has more."""

LEAST_SCORE = 0.5
"""YuNet's least score. It may be low, because the O-Net decides."""

OVERLAPPING = 0.3
"""A box goes when its intersection with a better one is more than this share of their union; FaceDetectorYN's value."""

MOST_PLACES = 2000
"""The most places of one image: the O-Net looks at each."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """(H, W, 3) pixels that YuNet looks at: the image at `owner`, smaller by `scale` (x, y), from `corner` (x, y) on.

    `inner` tells at which of the left, upper, right and lower edge the image goes on.
    """

    owner: int
    pixels: Pixels
    scale: tuple[float, float]
    corner: tuple[int, int]
    inner: tuple[bool, bool, bool, bool]

    @property
    def padded(self) -> tuple[int, int]:
        """The width and height that YuNet is given."""
        height, width = self.pixels.shape[:2]
        return -(-width // MULTIPLE) * MULTIPLE, -(-height // MULTIPLE) * MULTIPLE

    def candidates(self, boxes: Floats, scores: Floats) -> Candidates:
        """Edges in this part as boxes of the image, without those cut off by an edge where the image goes on."""
        height, width = self.pixels.shape[:2]
        beyond = np.concatenate([boxes[:, :2] < 0, boxes[:, 2:] > (width, height)], axis=1)
        whole = np.isfinite(boxes).all(axis=1) & ~(beyond & self.inner).any(axis=1)
        edges = ((boxes[whole] + np.tile(self.corner, 2)) * np.tile(self.scale, 2)).astype(np.float32)
        # The pixels between edges 0 and 1 are pixel 1: see `boxes`.
        edges[:, :2] += 1
        count = len(edges)
        return Candidates(np.full(count, self.owner), edges, scores[whole], np.zeros((count, 4), np.float32))


def find(network: YunetNetwork, images: Sequence[Image], min_faces: Sequence[float]) -> Candidates:
    """YuNet's boxes of faces of `min_faces` pixels or more in the images, each image's best first; no offsets."""
    parts = [
        part
        for owner, (image, min_face) in enumerate(zip(images, min_faces, strict=True))
        for part in _parts(owner, image, min_face)
    ]
    found: list[Candidates] = []
    for batch in _batches(parts):
        width, height = batch[0].padded
        owners, boxes, scores = network.find(
            [_padded(part.pixels, width, height) for part in batch], LEAST_SCORE
        )
        found.extend(batch[owners[one.start]].candidates(boxes[one], scores[one]) for one in runs(owners))
    joined = Candidates.joined(found)
    kept = best(joined[np.argsort(joined.picture, kind="stable")], OVERLAPPING)
    first = [np.arange(one.start, min(one.stop, one.start + MOST_PLACES)) for one in runs(kept.picture)]
    return kept[np.concatenate(first)] if first else kept


def _parts(owner: int, image: Image, min_face: float) -> Iterator[Part]:
    """The image in several sizes, and each in tiles if it is large."""
    for pixels in _sizes(image, min_face):
        height, width = pixels.shape[:2]
        scale = image.width / width, image.height / height
        for top, above, below in _tiles(height):
            for left, before, after in _tiles(width):
                tile = pixels[top : top + TILE, left : left + TILE]
                yield Part(owner, tile, scale, (left, top), (before, above, after, below))


def _sizes(image: Image, min_face: float) -> Iterator[Pixels]:
    """The image in falling sizes; in the first one, a face of `min_face` pixels has SOUGHT or a little more."""
    longer = max(image.width, image.height)
    # Larger by up to 31 pixels than needed: YuNet would be given that much black otherwise.
    side = min(longer, -(-longer * SOUGHT / min_face // MULTIPLE) * MULTIPLE)
    pixels = image.pixels
    while True:
        pixels = _resized(
            pixels, max(1, round(image.width * side / longer)), max(1, round(image.height * side / longer))
        )
        yield pixels
        if side <= COARSEST:
            return
        side = -(-side // COARSER // MULTIPLE) * MULTIPLE


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    if (height, width) == pixels.shape[:2]:
        return pixels
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _padded(pixels: Pixels, width: int, height: int) -> Pixels:
    """The pixels with black to the right and below."""
    down, across = height - pixels.shape[0], width - pixels.shape[1]
    if not down and not across:
        return pixels
    return np.asarray(cv2.copyMakeBorder(pixels, 0, down, 0, across, cv2.BORDER_CONSTANT), dtype=np.uint8)


def _tiles(length: int) -> Iterator[tuple[int, bool, bool]]:
    """Where tiles over `length` pixels begin, and whether others come before and after."""
    step = TILE - OVERLAP
    last = max(0, -(-(length - TILE) // step))
    for number in range(last + 1):
        yield number * step, number > 0, number < last


def _batches(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """The parts, those of one padded size together, up to BATCH_PIXELS."""
    of_size: dict[tuple[int, int], list[Part]] = {}
    for part in parts:
        of_size.setdefault(part.padded, []).append(part)
    for (width, height), some in of_size.items():
        at_once = max(1, BATCH_PIXELS // (width * height))
        for start in range(0, len(some), at_once):
            yield some[start : start + at_once]
