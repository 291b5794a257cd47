"""Image + Face + Crop -> how well the face can be compared, 0..1, and why.

Six factors that a person can act on, each from 0 (useless) to 1 (nothing to gain). The constants were read off
the 1, 5 and 50 % quantiles over 311 photographs of LFW and 260 of CelebA in the wild, and over the same
photographs of LFW blurred, reduced, darkened and overexposed, three-quarter views (CCtwelve) and profiles
(UMIST). Nothing is learnt: a learnt quality would belong to one network, and this one serves all.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, log, prod, sqrt
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from faceid.recognition.plausible import has_shape_of_face
from faceid.recognition.resolution import resolution
from faceid.types import Crop, Face, Image, Quality

# Face sizes in pixels: at 20 the eyes are about 9 pixels apart; from 80 on, LFW's own size, more does not help.
_SMALLEST, _AMPLE = 20.0, 80.0

# The share of fine detail: LFW 0.15, 0.17, 0.22 (1, 5, 50 %); blurred by a Gaussian of 2 px 0.12, of 3 px 0.09,
# of 4 px 0.08 (medians; the faces are 93 px); reduced to 28 px 0.15.
_BLURRED, _SHARP = 0.09, 0.20

# The detector keeps what scores 0.7; LFW 0.991 (1 %), darkened to a seventh 0.994 (50 %) and 0.90 (1 %).
_BARELY, _SURELY = 0.7, 1.0

# Nose off the middle, in eye distances: LFW 0.09 (50 %), 0.28 (95 %), 0.47 (99 %); three-quarter views 0.32 to
# 0.46; profiles 0.41, 0.61, 0.71 (50, 95, 99 %).
_FRONTAL, _PROFILE = 0.10, 0.65

# Height of the nose between eyes (0) and mouth (1): LFW 0.31, 0.53, 0.77 (1, 50, 99 %); three-quarter views,
# mostly turned down as well, 0.28.
_NOSE_UP, _NOSE_DOWN = (0.10, 0.40), (0.68, 0.95)

# Luminance: LFW has mean 40, 81, 128 (1, 5, 50 %) and deviation 22, 25, 37; darkened to a seventh 18 and 6.
_BLACK, _LIT = 10.0, 60.0
_FLAT, _CONTRASTED = 3.0, 20.0

# A face of lower mean luminance is called dark: 1 % of LFW. A picture is nearly black where 99 % of its pixels are
# darker than an eighth of white: of 69 photos of LFW and CelebA, MTCNN found no face in none as they are, 6 darkened to
# a seventh (99 % below 36), 19 to a tenth (25), 52 to a fourteenth (18), all to a twentieth.
_DARK, _NEARLY_BLACK = 40.0, 32.0

# Share of pixels at either end: LFW none at 75 %, 0.02 at 95 %; overexposed 2.2 times 0.52 (median).
_CLIPPED = 0.6

_SIDE = 112
"""Sharpness is measured at this size, for it to mean the same with every aligner."""


def assess(image: Image, face: Face, crop: Crop) -> Quality:
    """The quality of `face` in `image`, of which `crop` was taken, with the factors

    - `sharpness`: fine detail in the crop as the network sees it (blur, compression);
    - `size`: the shorter side of the face in the image;
    - `resolution`: the detail that a face of this size should have; an enlarged picture of a small face lacks it;
    - `detection`: the detector's own confidence;
    - `pose`: turned or tilted away; roll does no harm, because alignment removes it;
    - `exposure`: too dark, too flat or clipped.
    """
    luminance = np.asarray(cv2.cvtColor(crop.pixels, cv2.COLOR_RGB2GRAY), dtype=np.float32)
    factors = {
        "sharpness": _rise(_fine_detail(luminance), _BLURRED, _SHARP),
        "size": _rise(log(max(face.size, 1.0)), log(_SMALLEST), log(_AMPLE)) if isfinite(face.size) else 0.0,
        "resolution": resolution(image, face, _SMALLEST, _AMPLE),
        "detection": _rise(face.score, _BARELY, _SURELY),
        "pose": _pose(face.landmarks.astype(np.float64)),
        "exposure": _exposure(_inner(luminance)),
    }
    return Quality(combine(factors), MappingProxyType(factors))


def is_dark(crop: Crop) -> bool:
    """Whether the face in `crop` is so dark that light is what it lacks."""
    luminance = np.asarray(cv2.cvtColor(crop.pixels, cv2.COLOR_RGB2GRAY), dtype=np.float32)
    return float(_inner(luminance).mean()) < _DARK


def nearly_black(image: Image) -> bool:
    """Whether `image` shows something of which hardly anything is brighter than an eighth of white.

    A picture of one shade shows nothing, with more light or less.
    """
    pixels, _ = image.reduced(8)
    # A sample is enough, and a large picture has many pixels.
    step = max(1, min(pixels.shape[:2]) // 256)
    luminance = cv2.cvtColor(np.ascontiguousarray(pixels[::step, ::step]), cv2.COLOR_RGB2GRAY)
    darkest, brightest = np.quantile(luminance, (0.01, 0.99))
    return bool(darkest < brightest < _NEARLY_BLACK)


def combine(factors: Mapping[str, float]) -> float:
    """One score from factors in 0..1: the geometric mean of the worst and of the geometric mean of all.

    It grows with every factor, is 0 where one is 0 and 1 where all are 1. A mean alone would hide one fatal flaw
    behind four good factors; the minimum alone would not tell one flaw from five. `size` and `resolution` are both
    about how many pixels show the face: only the lower one counts. So the score of a photo that nobody enlarged is
    that of versions which did not measure `resolution`, and stored scores stay comparable.
    """
    counted = dict(factors)
    counted["size"] = min(counted["size"], counted.pop("resolution"))
    mean = prod(counted.values()) ** (1 / len(counted))
    return sqrt(min(counted.values()) * mean)


def _rise(value: float, nothing: float, full: float) -> float:
    """From 0 at `nothing` to 1 at `full`, linearly; 0 for NaN."""
    share = (value - nothing) / (full - nothing)
    return min(share, 1.0) if share > 0 else 0.0


def _inner(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """The middle of a crop, 70 % across: the face, without background or what lies outside the image."""
    margin = round(0.15 * plane.shape[0])
    return plane[margin : plane.shape[0] - margin, margin : plane.shape[1] - margin]


def _fine_detail(luminance: NDArray[np.float32]) -> float:
    """Deviation of detail finer than a pixel or so, over that of detail up to four: free of contrast."""
    scaled = cv2.resize(luminance, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    fine, coarse = (
        _inner(np.asarray(scaled - cv2.GaussianBlur(scaled, (0, 0), sigma), dtype=np.float32))
        for sigma in (1.0, 4.0)
    )
    # One gray level keeps the noise of a flat crop from passing for detail.
    return float(fine.std() / (coarse.std() + 1.0))


def _pose(landmarks: NDArray[np.float64]) -> float:
    """From the nose's place between eyes and mouth, along and across the line of the eyes."""
    if not has_shape_of_face(landmarks):
        return 0.0
    left_eye, right_eye, nose, left_mouth, right_mouth = (complex(x, y) for x, y in landmarks)
    eyes = right_eye - left_eye
    if eyes == 0:
        return 0.0
    # With the left eye at 0 and the right one at 1: real is across the face, imaginary is down.
    middle = ((left_mouth + right_mouth) / 2 - (left_eye + right_eye) / 2) / eyes
    tip = (nose - (left_eye + right_eye) / 2) / eyes
    if middle.imag <= 0:
        return 0.0
    turned = abs(tip.real - middle.real / 2)
    height = tip.imag / middle.imag
    level = min(_rise(height, *_NOSE_UP), _rise(-height, -_NOSE_DOWN[1], -_NOSE_DOWN[0]))
    return _rise(-turned, -_PROFILE, -_FRONTAL) * level


def _exposure(luminance: NDArray[np.float32]) -> float:
    """The worst of brightness, contrast and clipping. Too bright shows as clipped."""
    clipped = float(((luminance <= 5) | (luminance >= 250)).mean())
    return min(
        _rise(float(luminance.mean()), _BLACK, _LIT),
        _rise(float(luminance.std()), _FLAT, _CONTRASTED),
        _rise(-clipped, -_CLIPPED, 0.0),
    )
