"""Finds copies of a photo: the same bytes, or resized, recompressed, mirrored or slightly cropped.

There are two tests. A small difference of the perceptual hashes decides alone. For a moderate difference, as after
cropping, the faces must agree too: equally many on both photos, and each nearer to one of the other photo than faces on
two photos of one person are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os.path import realpath
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faceid.errors import InputError
from faceid.explore.clustering import numbered
from faceid.explore.perceptual import Bits, hamming, mirrored, perceptual_hash
from faceid.imaging import decode
from faceid.recognition.pipeline import Pipeline
from faceid.sources import Photo
from faceid.types import Image

Ints: TypeAlias = NDArray[np.int64]
Kind: TypeAlias = Literal["exact", "near", "mirrored"]

NEAR_BITS = 40
"""Up to this many of 255 different bits, the hash alone decides.

Of photos of three collections (`scripts/studies/check_duplicates.py`), made half as large, reduced to 64 pixels, saved
at JPEG quality 20, mirrored or brightened, all differ by less; of those without 4 % of their sides 37 to 80 %, by
collection. Of 124,750 pairs of different photos of LFW, the nearest differ by 64.
"""

RATHER_NEAR_BITS = 90
"""Up to this many different bits if the faces agree: 71 to 92 % of photos without 8 % of their sides meet both
conditions.

0.05 to 1.5 % of pairs of different photos have so similar hashes.
"""

_ROWS = 256


@dataclass(frozen=True, slots=True, eq=False)
class HashedPhoto:
    """A photo: the SHA-256 of its bytes, its hash (BITS,), its size in pixels, and the embeddings (f, d) of its faces.

    `faces` is None without face detection.
    """

    path: str
    sha256: str
    bits: Bits
    width: int
    height: int
    faces: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class Copy:
    """A photo of a group, and its difference from the first: `bits` of 255, and the cosine of the least similar face.

    `faces` is None if no faces were compared.
    """

    path: str
    kind: Kind | None
    width: int
    height: int
    bits: int
    faces: float | None


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Copies of one photo, the largest first: that is the one to keep."""

    group: int
    photos: tuple[Copy, ...]


def hash_photos(photos: Iterable[Photo], pipeline: Pipeline | None) -> Iterator[HashedPhoto | InputError]:
    """Each photo, or why it cannot be read; with the faces that `pipeline` finds, or without faces.

    A file that is named twice, or also by a link, is no copy of itself, and is processed once.
    """
    photos = _once(photos)
    if pipeline is None:
        for photo in photos:
            try:
                picture = photo.load()
                image = picture if isinstance(picture, Image) else decode(picture, photo.source)
                seen = _seen(image, photo.source, picture.sha256, None)
            except InputError as error:
                yield error
            else:
                yield seen
        return
    for analysis in pipeline.analyse(photos):
        if analysis.error is not None:
            yield analysis.error
        elif analysis.image is not None:
            vectors = [embedding.vector for embedding in analysis.embeddings]
            faces = np.stack(vectors) if vectors else np.empty((0, pipeline.embedder.model.dim), np.float32)
            yield _seen(analysis.image, analysis.source, analysis.sha256 or analysis.image.sha256, faces)


def _once(photos: Iterable[Photo]) -> Iterator[Photo]:
    seen: set[str] = set()
    for photo in photos:
        place = realpath(photo.source)
        if place not in seen:
            seen.add(place)
            yield photo


def groups_of(photos: Sequence[HashedPhoto], least_cosine: float) -> Iterator[Duplicates]:
    """The groups of two photos or more, largest first. A copy of a copy is in its group.

    Faces agree if each has a cosine of at least `least_cosine` with one of the other photo.
    """
    if not photos:
        return
    label = numbered(_joined(len(photos), _pairs(photos, least_cosine)))
    for number in range(int(label.max()) + 1):
        rows = np.flatnonzero(label == number).tolist()
        if len(rows) < 2:
            return
        rows.sort(key=lambda row: (-photos[row].width * photos[row].height, photos[row].path))
        first = photos[rows[0]]
        yield Duplicates(
            number + 1,
            (
                Copy(first.path, None, first.width, first.height, 0, None),
                *(_compared(first, photos[row]) for row in rows[1:]),
            ),
        )


def _seen(image: Image, path: str, sha256: str, faces: NDArray[np.float32] | None) -> HashedPhoto:
    return HashedPhoto(path, sha256, perceptual_hash(image), image.width, image.height, faces)


def _pairs(photos: Sequence[HashedPhoto], least_cosine: float) -> Iterator[tuple[int, int]]:
    first_with: dict[str, int] = {}
    for row, photo in enumerate(photos):
        same = first_with.setdefault(photo.sha256, row)
        if same != row:
            yield same, row
    # Only one of equal files is compared: many copies would be many pairs.
    rows = np.array(sorted(first_with.values()), np.int64)
    bits = np.stack([photos[row].bits for row in rows.tolist()])
    for start in range(0, rows.size, _ROWS):
        block = bits[start : start + _ROWS]
        least = np.minimum(hamming(block, bits), hamming(mirrored(block), bits))
        for one, other in np.argwhere(least <= RATHER_NEAR_BITS).tolist():
            if other > start + one:
                pair = int(rows[start + one]), int(rows[other])
                first, second = (photos[row] for row in pair)
                if least[one, other] <= NEAR_BITS or _faces_agree(first, second, least_cosine):
                    yield pair


def _faces_agree(one: HashedPhoto, other: HashedPhoto, least_cosine: float) -> bool:
    cosine = face_agreement(one.faces, other.faces)
    return cosine is not None and cosine >= least_cosine


def face_agreement(one: NDArray[np.float32] | None, other: NDArray[np.float32] | None) -> float | None:
    """The least cosine between a face (m, d) and the nearest of the other photo (n, d), from either side.

    None if a photo shows no face, or the numbers of faces differ.
    """
    if one is None or other is None or not len(one) or len(one) != len(other):
        return None
    cosines = one @ other.T
    return float(min(cosines.max(axis=0).min(), cosines.max(axis=1).min()))


def _compared(first: HashedPhoto, other: HashedPhoto) -> Copy:
    straight = int((first.bits != other.bits).sum())
    flipped = int((mirrored(first.bits) != other.bits).sum())
    kind: Kind = "exact" if first.sha256 == other.sha256 else "mirrored" if flipped < straight else "near"
    return Copy(
        other.path,
        kind,
        other.width,
        other.height,
        min(straight, flipped),
        face_agreement(first.faces, other.faces),
    )


def _joined(count: int, pairs: Iterable[tuple[int, int]]) -> Ints:
    """Connected components: the least row of each component, (count,)."""
    parent = list(range(count))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return np.array([root(row) for row in range(count)], np.int64)
