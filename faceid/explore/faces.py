"""Embeddings of faces with their known origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faceid.errors import InputError
from faceid.explore.photos import NOBODY
from faceid.imaging import STDIN, read
from faceid.types import Box, Image, Metric

if TYPE_CHECKING:
    from faceid.types import Vector

Floats: TypeAlias = NDArray[np.float32]
Ints: TypeAlias = NDArray[np.int64]

THUMBNAIL_SIDE = 96
"""Pixels of a thumbnail's sides."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceRow:
    """One face: a row of `Faces`, which describes the fields."""

    vector: Vector
    name: str
    source: str
    digest: str
    box: Box
    quality: float
    outside: float
    thumbnail: bytes | None = None


@dataclass(frozen=True, eq=False)
class Faces:
    """`vectors` (n, d) float32 of unit length by the network `model`, one row per face.

    `names` are NOBODY if unknown. `sources` are the photos, `digests` the SHA-256 of their bytes; both are "" if
    unknown. `boxes` (n, 4) float32 are x1, y1, x2, y2 in pixels, `quality` (n,) float32 is 0..1, and `outside` (n,)
    float32 the share 0..1 of the box beyond the border of its picture; NaN if unknown. `thumbnails` are JPEGs, None if
    none was kept. `lost` counts photos without a face by reason code.
    """

    source: str
    kind: Literal["photos", "archive", "gallery"]
    model: str
    metric: Metric
    vectors: Floats
    names: tuple[str, ...]
    sources: tuple[str, ...]
    digests: tuple[str, ...]
    boxes: Floats
    quality: Floats
    outside: Floats
    thumbnails: tuple[bytes | None, ...]
    lost: dict[str, int]

    def __len__(self) -> int:
        return len(self.vectors)

    def at(self, rows: Ints) -> Faces:
        """The faces at `rows` (k,), in that order."""
        some = rows.tolist()
        return replace(
            self,
            vectors=self.vectors[rows],
            names=tuple(self.names[row] for row in some),
            sources=tuple(self.sources[row] for row in some),
            digests=tuple(self.digests[row] for row in some),
            boxes=self.boxes[rows],
            quality=self.quality[rows],
            outside=self.outside[rows],
            thumbnails=tuple(self.thumbnails[row] for row in some),
        )

    def identities(self) -> Ints:
        """The identity of each face (n,), numbered from 0 by name; -1 for NOBODY."""
        known = {name: number for number, name in enumerate(sorted({*self.names} - {NOBODY}))}
        return np.array([known.get(name, -1) for name in self.names], dtype=np.int64)

    def photos(self) -> Ints:
        """The photo of each face (n,), numbered from 0; a face of an unknown photo has a separate number."""
        known: dict[tuple[str, object], int] = {}
        keys = [
            ("digest", digest) if digest else ("source", source) if source else ("row", row)
            for row, (digest, source) in enumerate(zip(self.digests, self.sources, strict=True))
        ]
        return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


def face_thumbnail(image: Image, box: Box | None) -> bytes:
    """The square around a face as a JPEG of THUMBNAIL_SIDE pixels; the middle of the picture if `box` is None."""
    from faceid.imaging.thumbnails import thumbnail

    return thumbnail(image, box, side=THUMBNAIL_SIDE, framed=True)


def thumbnails(faces: Faces, rows: Sequence[int]) -> dict[int, bytes]:
    """Thumbnails (JPEG) of some faces by row.

    A thumbnail in `faces` is used. Otherwise each photo is read once. A face is left out if its photo is missing or has
    changed.
    """
    found = {row: kept for row in rows if (kept := faces.thumbnails[row]) is not None}
    wanted: dict[str, list[int]] = {}
    for row in rows:
        # Standard input cannot be read twice.
        if row not in found and faces.sources[row] not in ("", STDIN):
            wanted.setdefault(faces.sources[row], []).append(row)
    for source, theirs in wanted.items():
        try:
            image = read(source)
        except InputError:
            continue
        for row in theirs:
            if faces.digests[row] not in ("", image.sha256):
                continue
            box = faces.boxes[row]
            known = (
                None if np.isnan(box).any() else (float(box[0]), float(box[1]), float(box[2]), float(box[3]))
            )
            found[row] = face_thumbnail(image, known)
    return found
