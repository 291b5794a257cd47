"""Makes small pictures of faces for reports and pages."""

from __future__ import annotations

from io import BytesIO
from math import ceil

import numpy as np
from PIL import Image as Pillow

from faceid.types import Box, Image

# Margin on each side, as a share of the longer side of the box: people recognise a face by its hair and outline too.
_MARGIN = 0.25
_FRAME = (232, 232, 232)


def thumbnail(image: Image, box: Box | None, *, side: int, framed: bool) -> bytes:
    """The square around a face as a JPEG of at most `side` x `side` pixels.

    `box` is x1, y1, x2, y2 in pixels of the image; None takes the middle of the picture. The square ends at the border
    of the picture. With `framed`, gray fills the rest, and the result always has `side` x `side` pixels.
    """
    if box is None:
        extent = float(min(image.width, image.height))
        middle = image.width / 2, image.height / 2
    else:
        x1, y1, x2, y2 = box
        extent = (1 + 2 * _MARGIN) * max(x2 - x1, y2 - y1)
        middle = (x1 + x2) / 2, (y1 + y2) / 2
    # A face may extend beyond its picture, and a box may lie outside it.
    left, top = (
        min(max(0, round(centre - extent / 2)), size - 1)
        for centre, size in zip(middle, (image.width, image.height), strict=True)
    )
    right, bottom = (
        min(max(start + 1, round(centre + extent / 2)), size)
        for start, centre, size in zip((left, top), middle, (image.width, image.height), strict=True)
    )
    # Twice the size that is needed: Pillow makes the rest of the way without loss.
    pixels, factor = image.reduced(max(1, int(extent / (2 * side))))
    part = pixels[top // factor : ceil(bottom / factor), left // factor : ceil(right / factor)]
    picture = Pillow.fromarray(np.ascontiguousarray(part))
    picture.thumbnail((side, side))
    if framed:
        frame = Pillow.new("RGB", (side, side), _FRAME)
        frame.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
        picture = frame
    encoded = BytesIO()
    picture.save(encoded, "JPEG", quality=85)
    return encoded.getvalue()
