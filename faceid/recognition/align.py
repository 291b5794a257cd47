"""Image + Face -> Crop: every face in the pose, size and framing that its network was trained with.

An aligner is named in a model's card, and so are the vectors made with it: what an existing name does never
changes; a better way gets a new name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor
from types import MappingProxyType
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from faceid.errors import InputError, ModelError
from faceid.types import Box, Crop, Face, Image

if TYPE_CHECKING:
    from faceid.types import Pixels


@dataclass(frozen=True, slots=True)
class Aligner:
    """How crops of `size` pixels a side are made.

    With a `template`, five places in the crop, by the similarity transform that brings the landmarks nearest to
    them. Without, from the upright box, with a margin of `margin` crop pixels in all, half on each side.
    """

    size: int
    template: tuple[tuple[float, float], ...] | None = None
    margin: int = 0


ALIGNERS: Mapping[str, Aligner] = MappingProxyType(
    {
        # The mean places of MTCNN's landmarks in the crops that dlib's own aligner makes, 3 % farther from the
        # middle. Of 0.94 to 1.09 times, 1.03 was best on pairsDevTrain of LFW (99.3 %, 1.00 times 99.1 %), and better
        # than 1.00 at every FMR on all pairs of View 1 and of another collection (CelebA, unaligned).
        "dlib-150-v1": Aligner(
            150, ((46.22, 43.75), (101.38, 43.82), (73.15, 77.12), (49.37, 104.63), (97.73, 104.62))
        ),
        # Deng et al.: ArcFace, CVPR 2019; the template published with its code.
        "arcface-112-v1": Aligner(
            112,
            (
                (38.2946, 51.6963),
                (73.5318, 51.5014),
                (56.0252, 71.7366),
                (41.5493, 92.3655),
                (70.7299, 92.2041),
            ),
        ),
        # facenet-pytorch's extract_face with image_size 160 and margin 14, as in its evaluation on LFW.
        "facenet-160-v1": Aligner(160, margin=14),
    }
)
"""Every aligner by name."""

REDUCED_PIXELS = 1.25
"""A crop is cut from a reduced picture that has so many pixels or more for each of its own."""

PLAUSIBLE_SIDE = (1 / 8, 8.0)
"""How many box sides a crop may show; landmarks that ask for less or more are taken for degenerate."""


@dataclass(frozen=True, slots=True)
class Similarity:
    """x, y -> scale * rotation * (x, y) + shift, as the complex z -> factor * z + shift."""

    factor: complex
    shift: complex

    @property
    def scale(self) -> float:
        """By how much lengths grow."""
        return abs(self.factor)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The same as a 2x3 matrix."""
        a, b = self.factor.real, self.factor.imag
        return np.array([[a, -b, self.shift.real], [b, a, self.shift.imag]])

    def inverse(self, place: complex) -> complex:
        """The point that is brought to `place`."""
        return (place - self.shift) / self.factor


def align(image: Image, face: Face, aligner: str) -> Crop:
    """The crop of `face` that the networks of `aligner` take.

    What lies outside the image is black, as in dlib's and ArcFace's training crops (`facenet-160-v1` stays
    inside the image instead). Landmarks that determine no pose (not finite, in one place, or at odds with the size of
    the box) are passed over in favour of the box. Raises InputError (`no_face`) where the box is
    of no use either, and ModelError (`unknown_aligner`) for a name that is not in ALIGNERS.
    """
    spec = _find(aligner)
    if spec.template is None:
        pixels, scale = _cut_out(image, face, spec)
        return Crop(pixels, aligner, scale)
    pose = _pose(face, spec.template, spec.size)
    return Crop(_transformed(image, pose, spec.size), aligner, pose.scale)


def cut(image: Image, box: tuple[int, int, int, int], smaller: float) -> Pixels:
    """The pixels inside `box` (left, top, right, bottom), of which a crop `smaller` times as small is to be made.

    Where a reduced picture has enough of them for the crop, it is enlarged here: a large face in a phone photo has many
    times the pixels of its crop, and decoding them all would take most of the time. Embeddings then differ by a cosine
    distance of at most 0.001 from those of the whole picture; half a pixel in the landmarks makes a larger difference.
    """
    left, top, right, bottom = box
    pixels, factor = image.reduced(max(1, int(smaller / REDUCED_PIXELS)))
    if factor == 1:
        return pixels[top:bottom, left:right]
    # Two pixels more on each side for the interpolation.
    x1, y1 = max(0, left // factor - 2), max(0, top // factor - 2)
    part = pixels[y1 : ceil(bottom / factor) + 2, x1 : ceil(right / factor) + 2]
    size = (part.shape[1] * factor, part.shape[0] * factor)
    # Linear interpolation would blur: ten times that difference.
    enlarged = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    return enlarged[top - y1 * factor : bottom - y1 * factor, left - x1 * factor : right - x1 * factor]


def extent(face: Face, aligner: str) -> tuple[Box, float]:
    """The upright rectangle that `align` looks at, which may reach outside the image, and the scale of its crop.

    Raises as `align` does.
    """
    spec = _find(aligner)
    if spec.template is None:
        x1, y1, x2, y2 = _usable_box(face)
        more = spec.margin / (spec.size - spec.margin) / 2
        dx, dy = more * (x2 - x1), more * (y2 - y1)
        return (x1 - dx, y1 - dy, x2 + dx, y2 + dy), (spec.size - spec.margin) / max(x2 - x1, y2 - y1)
    pose = _pose(face, spec.template, spec.size)
    corners = [pose.inverse(complex(x, y)) for x in (0, spec.size - 1) for y in (0, spec.size - 1)]
    xs, ys = [corner.real for corner in corners], [corner.imag for corner in corners]
    return (min(xs), min(ys), max(xs), max(ys)), pose.scale


def crop_size(aligner: str) -> int:
    """The side of the crops that `aligner` makes, pixels. Raises ModelError (`unknown_aligner`)."""
    return _find(aligner).size


def fit_similarity(places: ArrayLike, targets: ArrayLike) -> Similarity | None:
    """The similarity without reflection that brings (n, 2) places nearest to targets, in least squares.

    Umeyama: Least-squares estimation of transformation parameters between two point patterns, IEEE TPAMI 13
    (1991). In the plane, with points as complex numbers, it is a linear regression. None where the places
    coincide or are not finite, or where no turn is better than another.
    """
    points = np.asarray(places, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if not all(np.isfinite(some).all() for some in points):
        return None
    z, w = (some @ (1, 1j) for some in points)
    spread = z - z.mean()
    energy = float(np.vdot(spread, spread).real)
    # Far below a thousandth of a pixel, where float32 landmarks of a large photograph are noise.
    if energy < 1e-6:
        return None
    factor = complex(np.vdot(spread, w - w.mean()) / energy)
    if factor == 0:
        return None
    return Similarity(factor, complex(w.mean() - factor * z.mean()))


def _find(aligner: str) -> Aligner:
    if aligner not in ALIGNERS:
        raise ModelError(
            f"there is no aligner {aligner!r}",
            code="unknown_aligner",
            remedy="one_of",
            known=", ".join(ALIGNERS),
        )
    return ALIGNERS[aligner]


def _pose(face: Face, template: tuple[tuple[float, float], ...], size: int) -> Similarity:
    """What brings the face to the template; from the upright box where the landmarks are of no use."""
    x1, y1, x2, y2 = _usable_box(face)
    side = max(x2 - x1, y2 - y1)
    fitted = fit_similarity(face.landmarks, template)
    least, most = PLAUSIBLE_SIDE
    if fitted is not None and least * side <= size / fitted.scale <= most * side:
        return fitted
    scale = size / side
    middle = complex(size - 1, size - 1) / 2
    return Similarity(complex(scale), middle - scale * complex(x1 + x2, y1 + y2) / 2)


def _usable_box(face: Face) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = face.box
    if not (np.isfinite(face.box).all() and x2 - x1 >= 1 and y2 - y1 >= 1):
        raise InputError("the face has no extent", code="no_face", remedy="another_photo")
    return face.box


def _transformed(image: Image, pose: Similarity, size: int) -> Pixels:
    """The size x size pixels whose places `pose` gives, interpolated linearly."""
    corners = [pose.inverse(complex(x, y)) for x in (0, size - 1) for y in (0, size - 1)]
    factor = max(1, min(floor(1 / pose.scale), image.width, image.height))
    # One pixel more on each side for the interpolation, and a block where pixels are pooled first.
    x1, x2 = _span([corner.real for corner in corners], factor + 1, image.width)
    y1, y2 = _span([corner.imag for corner in corners], factor + 1, image.height)
    if x1 >= x2 or y1 >= y2:
        return np.zeros((size, size, 3), dtype=np.uint8)
    region = _pooled(cut(image, (x1, y1, x2, y2), 1 / pose.scale), factor)
    # From places in the region, where the centre of a block lies (factor - 1) / 2 pixels in, to the crop.
    first = complex(x1, y1) + complex(factor - 1, factor - 1) / 2
    matrix = Similarity(pose.factor * factor, pose.shift + pose.factor * first).matrix
    return np.asarray(cv2.warpAffine(region, matrix, (size, size), flags=cv2.INTER_LINEAR), dtype=np.uint8)


def _pooled(region: Pixels, factor: int) -> Pixels:
    """The means of factor x factor blocks.

    Linear interpolation looks at two pixels a direction; of a face over twice the crop's size it would pass
    over most pixels, and alias.
    """
    if factor == 1:
        return region
    height, width = ceil(region.shape[0] / factor), ceil(region.shape[1] / factor)
    below, right = height * factor - region.shape[0], width * factor - region.shape[1]
    whole = cv2.copyMakeBorder(region, 0, below, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _span(places: list[float], margin: int, length: int) -> tuple[int, int]:
    """The pixels from the least to the greatest place and `margin` around, as far as there are any."""
    return max(0, floor(min(places)) - margin), min(length, ceil(max(places)) + margin + 1)


def _cut_out(image: Image, face: Face, spec: Aligner) -> tuple[Pixels, float]:
    """The box with its margin, inside the image, squeezed into a square."""
    x1, y1, x2, y2 = _usable_box(face)
    margin_x = spec.margin * (x2 - x1) / (spec.size - spec.margin) / 2
    margin_y = spec.margin * (y2 - y1) / (spec.size - spec.margin) / 2
    left, right = int(max(x1 - margin_x, 0)), int(min(x2 + margin_x, image.width))
    top, bottom = int(max(y1 - margin_y, 0)), int(min(y2 + margin_y, image.height))
    if left >= right or top >= bottom:
        raise InputError("the face is outside the image", code="no_face", remedy="another_photo")
    smaller = min(right - left, bottom - top) / spec.size
    region = cut(image, (left, top, right, bottom), smaller)
    crop = cv2.resize(region, (spec.size, spec.size), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, dtype=np.uint8), spec.size / max(right - left, bottom - top)
