"""Adds the faces of the pairs of photos that a report shows, and finds the folder that contains them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from faceid.errors import InputError
from faceid.evaluation.findings import Findings, NotablePair
from faceid.imaging import read
from faceid.ports.networks import Detector

SIDE = 128
"""Pixels of a thumbnail's sides."""


def with_thumbnails(findings: Findings, detector: Callable[[], Detector]) -> Findings:
    """`findings` with the faces of its notable pairs as JPEG; None for a photo that is missing or shows several faces.

    `detector` is called at the first photo.
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


def common_root(findings: Findings) -> str:
    """The folder that contains all files shown, with a slash at the end; empty if there is none."""
    pairs = (*findings.nearest, *findings.farthest)
    folders = [str(Path(path).parent) for pair in pairs for path in pair.paths if path is not None]
    if not folders or not all(map(os.path.isabs, folders)):
        return ""
    root = os.path.commonpath(folders)
    return root + os.sep if root.strip(os.sep) else ""


def _thumbnail(path: str, detector: Callable[[], Detector]) -> bytes | None:
    from faceid.imaging.thumbnails import thumbnail
    from faceid.recognition.turning import detect_upright

    if not Path(path).is_file():
        return None
    try:
        # Turned as the photo was when it was evaluated.
        (seen,) = detect_upright(detector(), [read(path)])
        if len(seen.faces) != 1:
            return None
        return thumbnail(seen.image, seen.faces[0].box, side=SIDE, framed=False)
    except InputError:
        return None
