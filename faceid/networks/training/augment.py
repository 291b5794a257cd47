"""Augmentation: changes to crops that resemble photos of another day and camera, and keep the identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceid.networks.training.masks import Landmarks, masked
from faceid.networks.training.settings import AugmentationSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

BLUR = (0.01, 0.03)
"""Standard deviation of the Gaussian, in sides of the crop."""
JPEG_QUALITY = (10, 60)
LOW_RESOLUTION = (0.15, 0.6)
"""The side that a crop is reduced to before it is enlarged again, in sides of the crop."""
OCCLUSION = (0.2, 0.5)
"""Each side of the rectangle that is painted over, in sides of the crop."""


def augmented(
    crop: Pixels,
    settings: AugmentationSettings,
    rng: np.random.Generator,
    landmarks: Landmarks | None = None,
) -> Pixels:
    """A changed copy of a crop (S, S, 3) uint8; each change has its probability in `settings`.

    The changes are in their natural order: mirrored, a mask on the face, an object in front of it, out of focus, from
    far away, compressed. Random choices come from `rng` alone. Each change draws the same amount of numbers whether it
    is made or not, so its probability does not affect the other changes. `landmarks` are the places to which the crop's
    aligner moves them; without them, no mask is drawn.
    """
    chances, amounts = rng.random(5), rng.random((5, 4))
    (of_mask,) = rng.spawn(1)
    pixels = np.array(crop)
    if chances[0] < settings.flip:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    if landmarks is not None and of_mask.random() < settings.mask:
        pixels = masked(pixels, landmarks, of_mask)
    if chances[1] < settings.occlusion:
        pixels = occluded(pixels, rng.integers(0, 256, 3), *amounts[1])
    if chances[2] < settings.blur:
        pixels = blurred(pixels, _between(BLUR, amounts[2, 0]))
    if chances[3] < settings.low_resolution:
        pixels = reduced(pixels, _between(LOW_RESOLUTION, amounts[3, 0]))
    if chances[4] < settings.jpeg:
        pixels = compressed(pixels, round(_between(JPEG_QUALITY, amounts[4, 0])))
    return pixels


def occluded(
    pixels: Pixels, colour: NDArray[np.int64], across: float, down: float, x: float, y: float
) -> Pixels:
    """Paint a rectangle of one colour into `pixels`; its sides and place are 0..1 of their ranges."""
    side = len(pixels)
    width, height = (round(_between(OCCLUSION, amount) * side) for amount in (across, down))
    left, top = round(x * (side - width)), round(y * (side - height))
    pixels[top : top + height, left : left + width] = colour
    return pixels


def blurred(pixels: Pixels, deviation: float) -> Pixels:
    """Out of focus: a Gaussian of `deviation` sides."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), deviation * len(pixels)), dtype=np.uint8)


def reduced(pixels: Pixels, share: float) -> Pixels:
    """From far away: reduced to `share` of its sides by means of areas, and enlarged again linearly."""
    side = len(pixels)
    small = max(1, round(share * side))
    far = cv2.resize(pixels, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(far, (side, side), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def compressed(pixels: Pixels, quality: int) -> Pixels:
    """Through a JPEG of `quality` 0..100."""
    # OpenCV expects blue first, and JPEG weighs the colours by their order.
    _, encoded = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[:, :, ::-1]).astype(np.uint8, copy=False)


def _between(bounds: tuple[float, float], amount: float) -> float:
    low, high = bounds
    return low + (high - low) * float(amount)
