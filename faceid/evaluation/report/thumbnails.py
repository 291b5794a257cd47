"""Small pictures of the faces in the pairs that a report shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from PIL import Image as Pillow

from faceid.errors import InputError
from faceid.evaluation.report.findings import Findings, NotablePair
from faceid.imaging import read
from faceid.ports.networks import Detector

SIDE = 128
"""Pixels."""

# Of the face's box, on each side: what people recognise a face by.
_MARGIN = 0.25


def with_thumbnails(findings: Findings, detector: Callable[[], Detector]) -> Findings:
    """`findings` with the faces of its notable pairs, JPEG; None for a photo that is not there or shows several.

    The detector is made when the first photo is looked at.
    """
    found: dict[str, bytes | None] = {}

    def face(path: str | None) -> bytes | None:
        if path is None:
            return None
        if path not in found:
            found[path] = _thumbnail(path, detector)
        return found[path]

    def pictured(pairs: tuple[NotablePair, ...]) -> tuple[NotablePair, ...]:
        return tuple(replace(pair, thumbnails=(face(pair.paths[0]), face(pair.paths[1]))) for pair in pairs)

    return replace(findings, nearest=pictured(findings.nearest), farthest=pictured(findings.farthest))


def _thumbnail(path: str, detector: Callable[[], Detector]) -> bytes | None:
    if not Path(path).is_file():
        return None
    try:
        image = read(path)
    except InputError:
        return None
    (faces,) = detector().detect([image])
    if len(faces) != 1:
        return None
    x1, y1, x2, y2 = faces[0].box
    reach = _MARGIN * max(x2 - x1, y2 - y1)
    left, top = round(max(0, x1 - reach)), round(max(0, y1 - reach))
    right, bottom = round(min(image.width, x2 + reach)), round(min(image.height, y2 + reach))
    picture = Pillow.fromarray(image.pixels[top:bottom, left:right])
    picture.thumbnail((SIDE, SIDE))
    encoded = BytesIO()
    picture.save(encoded, "JPEG", quality=85)
    return encoded.getvalue()
