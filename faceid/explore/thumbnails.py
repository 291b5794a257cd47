"""Small pictures of faces for pages and grids."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image as Pillow

from faceid.errors import InputError
from faceid.explore.faces import Faces
from faceid.imaging import STDIN, read
from faceid.types import Box, Image

SIDE = 96
"""Pixels of a thumbnail's sides."""

# Of the face's box, on each side: what people recognise a face by.
_MARGIN = 0.25


def thumbnail(image: Image, box: Box | None) -> bytes:
    """The square around a face as a JPEG of SIDE pixels; the middle of the picture where `box` is None."""
    if box is None:
        side = float(min(image.width, image.height))
        middle = image.width / 2, image.height / 2
    else:
        x1, y1, x2, y2 = box
        side = (1 + 2 * _MARGIN) * max(x2 - x1, y2 - y1)
        middle = (x1 + x2) / 2, (y1 + y2) / 2
    # A face may reach outside its picture, and a box lie outside of it altogether.
    left, top = (
        min(max(0, round(centre - side / 2)), extent - 1)
        for centre, extent in zip(middle, (image.width, image.height), strict=True)
    )
    right, bottom = (
        min(max(start + 1, round(centre + side / 2)), extent)
        for start, centre, extent in zip((left, top), middle, (image.width, image.height), strict=True)
    )
    picture = Pillow.fromarray(np.ascontiguousarray(image.pixels[top:bottom, left:right]))
    picture.thumbnail((SIDE, SIDE))
    framed = Pillow.new("RGB", (SIDE, SIDE), (232, 232, 232))
    framed.paste(picture, ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    encoded = BytesIO()
    framed.save(encoded, "JPEG", quality=80)
    return encoded.getvalue()


def thumbnails(faces: Faces, rows: Sequence[int]) -> dict[int, bytes]:
    """JPEGs of some faces by row; those whose photo is not there any more, or has another content, are left out.

    What was kept while photos were looked at is taken; else each photo is read once.
    """
    found = {row: kept for row in rows if (kept := faces.thumbnails[row]) is not None}
    wanted: dict[str, list[int]] = {}
    for row in rows:
        # What came by standard input cannot be read again.
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
            found[row] = thumbnail(image, known)
    return found
