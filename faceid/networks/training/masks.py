"""Masks over mouth and nose, drawn on aligned crops, for networks that are trained on faces without masks.

A drawn mask covers the same area as a real one. It has no folds, and follows the mean face of the aligner instead of
the actual face.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

Landmarks: TypeAlias = Sequence[tuple[float, float]]
"""Both eyes, the nose and both corners of the mouth, left to right: their places after alignment, in crop pixels."""

# In a frame of the face: across in distances between the eyes from its middle line, down from 0 at the eyes to 1 at
# the mouth.
HALF_WIDTH = (0.85, 1.05)
NOSE = (0.25, 0.6)
"""The height at which the upper edge crosses the nose; the tip of the nose is at about 0.55."""
SAG = (0.0, 0.3)
"""The distance by which the upper edge is lower at the sides."""
CHIN = (1.45, 1.7)
SHIFT = (-0.06, 0.06)
SOFTNESS = 0.004
"""Standard deviation of the blur of the edges, in sides of the crop."""

_ROUNDNESS = 2.5
_FRACTION_BITS = 4
_STRAP = 0.012


def masked(crop: Pixels, landmarks: Landmarks, rng: np.random.Generator) -> Pixels:
    """A copy of a crop (S, S, 3) uint8 with a mask over mouth and nose.

    Shape, place, colour, weave and light depend on `rng` alone. The brightness of the mask follows that of the covered
    area, and decreases towards its sides.
    """
    eyes, mouth = _middle(landmarks[0], landmarks[1]), _middle(landmarks[3], landmarks[4])
    frame = np.array([np.subtract(landmarks[1], landmarks[0]), mouth - eyes])
    outline, ends = _outline(rng)
    cover = _filled(len(crop), eyes + outline @ frame)
    colour, light = rng.uniform(20.0, 250.0, 3), rng.uniform(0.8, 1.1)
    across = (_grid(len(crop)) - eyes) @ np.linalg.inv(frame)
    cloth = colour * (light * _weave(across, rng) * _shade(across))[:, :, None]
    cloth *= _brightness(crop, cover)
    cloth += rng.normal(0.0, 4.0, (*cover.shape, 1))
    drawn = _strapped(crop, eyes + ends @ frame, colour * 0.8) if rng.random() < 0.7 else crop
    mixed = drawn + cover[:, :, None] * (cloth - drawn)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _outline(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The edge (n, 2), and the four ends of the straps (4, 2), two on either side, in the frame of the face."""
    width, nose, sag, chin, shift = (rng.uniform(*bounds) for bounds in (HALF_WIDTH, NOSE, SAG, CHIN, SHIFT))
    x = np.linspace(-1.0, 1.0, 41)
    upper = nose + sag * x**2
    side = nose + sag
    lower = side + (chin - side) * (1.0 - np.abs(x) ** _ROUNDNESS) ** (1 / _ROUNDNESS)
    edge = np.concatenate([np.stack([x, upper], 1), np.stack([x, lower], 1)[::-1]])
    edge[:, 0] = edge[:, 0] * width + shift
    ends = np.array([[-width + shift, side], [-width - 0.6, 0.2], [width + shift, side], [width + 0.6, 0.2]])
    return edge, ends


def _filled(side: int, edge: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of each pixel inside the edge: (S, S), 0..1, blurred."""
    cover = np.zeros((side, side), np.uint8)
    places = np.rint(edge * 2**_FRACTION_BITS).astype(np.int32)
    cv2.fillPoly(cover, [places], 255, lineType=cv2.LINE_AA, shift=_FRACTION_BITS)
    soft = cv2.GaussianBlur(cover.astype(np.float64), (0, 0), max(0.3, SOFTNESS * side))
    return np.asarray(soft / 255.0, dtype=np.float64)


def _strapped(crop: Pixels, ends: NDArray[np.float64], colour: NDArray[np.float64]) -> Pixels:
    drawn = np.ascontiguousarray(crop).copy()
    places = np.rint(ends * 2**_FRACTION_BITS).astype(np.int32).tolist()
    for first, last in ((0, 1), (2, 3)):
        cv2.line(
            drawn,
            places[first],
            places[last],
            colour.tolist(),
            max(1, round(_STRAP * len(crop))),
            cv2.LINE_AA,
            _FRACTION_BITS,
        )
    return drawn


def _weave(across: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Plain, pleated, striped or checked: factors (S, S) about 1."""
    kind, period, phase = rng.integers(4), rng.uniform(0.15, 0.4), rng.uniform(0.0, 1.0)
    waves = np.sin(2 * np.pi * (across / period + phase))
    if kind == 0:
        return np.ones(across.shape[:2])
    if kind == 1:
        return np.asarray(1.0 - 0.25 * (waves[..., 1] > 0.9))
    if kind == 2:
        return np.asarray(1.0 + 0.25 * waves[..., 0])
    return np.asarray(1.0 + 0.25 * np.sign(waves[..., 0] * waves[..., 1]))


def _shade(across: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shading of the cloth: darker towards the sides and under the chin."""
    return np.asarray(1.0 - 0.35 * across[..., 0] ** 2 - 0.15 * np.clip(across[..., 1] - 1.0, 0.0, None))


def _brightness(crop: Pixels, cover: NDArray[np.float64]) -> float:
    """The brightness of the photo under the mask: 0.3..1.2, 1 for skin in a well-lit photo."""
    there = float((crop.mean(2) * cover).sum() / max(cover.sum(), 1e-9))
    return float(np.clip(there / 128.0, 0.3, 1.2))


def _grid(side: int) -> NDArray[np.float64]:
    """The places (S, S, 2) of the pixels."""
    line = np.arange(side, dtype=np.float64)
    return np.stack(np.meshgrid(line, line), 2)


def _middle(one: tuple[float, float], other: tuple[float, float]) -> NDArray[np.float64]:
    return np.asarray(np.mean([one, other], axis=0), dtype=np.float64)
