from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from faceid.errors import UnreadableImage
from faceid.evaluation.findings import NotablePair
from faceid.evaluation.report import pairs
from faceid.evaluation.report.pairs import with_thumbnails
from faceid.imaging import from_array
from faceid.recognition.detect.fake import FakeDetector, draw_face
from faceid.types import Face, Image
from sample_findings import SAMPLE

COLOUR = (208, 80, 80)
CORNER = 20
"""The gray value of the first pixel of the upright picture: too dark for a fake face."""


class UprightOnly(FakeDetector):
    """Finds upright faces only, as real detectors do."""

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        return [
            faces if (image.pixels[0, 0] == CORNER).all() else []
            for image, faces in zip(images, super().detect(images), strict=True)
        ]


def thumbnail_of(path: Path) -> bytes | None:
    pair = NotablePair(("a", "b"), (str(path), None), 0.5, (None, None))
    found = with_thumbnails(replace(SAMPLE, nearest=(pair,), farthest=()), UprightOnly)
    return found.nearest[0].thumbnails[0]


@pytest.mark.parametrize("quarters", range(4))
def test_a_face_is_shown_upright_however_the_photo_lies(tmp_path: Path, quarters: int) -> None:
    pixels = np.zeros((240, 320, 3), np.uint8)
    draw_face(pixels, COLOUR, 20, 30, 100)
    # Which way is up.
    pixels[30:50, 20:120] = 255
    pixels[0, 0] = CORNER
    path = tmp_path / "photo.png"
    Pillow.fromarray(np.rot90(pixels, quarters)).save(path)
    picture = thumbnail_of(path)
    assert picture is not None
    shown = np.asarray(Pillow.open(BytesIO(picture)))
    rows = np.flatnonzero((shown[:, shown.shape[1] // 3] > 200).all(axis=1))
    assert rows.size
    assert rows.mean() < shown.shape[0] / 2


def test_a_photo_whose_pixels_cannot_be_decoded_has_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Large(FakeDetector):
        def detect(self, images: Sequence[Image]) -> list[list[Face]]:
            raise UnreadableImage("not enough memory to decode it")

    monkeypatch.setattr(pairs, "read", lambda path: from_array(np.zeros((9, 9, 3), np.uint8), path))
    (tmp_path / "photo.png").touch()
    pair = NotablePair(("a", "b"), (str(tmp_path / "photo.png"), None), 0.5, (None, None))
    found = with_thumbnails(replace(SAMPLE, nearest=(pair,), farthest=()), Large)
    assert found.nearest[0].thumbnails == (None, None)
