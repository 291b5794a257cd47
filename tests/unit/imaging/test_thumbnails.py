from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Pillow

from faceid.imaging.thumbnails import thumbnail
from faceid.types import Image


def picture(width: int, height: int) -> Image:
    """Black, with a white square of 40 pixels in the middle."""
    pixels = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2 - 20, width // 2 - 20
    pixels[top : top + 40, left : left + 40] = 255
    return Image(pixels=pixels, sha256="", source="")


def opened(jpeg: bytes) -> np.ndarray:
    with Pillow.open(BytesIO(jpeg)) as found:
        assert found.format == "JPEG"
        return np.asarray(found.convert("RGB")).astype(int)


def test_a_face_is_cut_with_a_quarter_of_its_size_on_each_side() -> None:
    found = opened(thumbnail(picture(200, 120), (80, 40, 120, 80), side=60, framed=False))
    assert found.shape == (60, 60, 3)
    assert found[30, 15:45].min() > 200
    assert found[30, :5].max() < 55
    assert found[30, 55:].max() < 55


def test_a_thumbnail_ends_at_the_border_of_the_picture_or_is_framed() -> None:
    image, box = picture(200, 120), (-40.0, 0.0, 40.0, 120.0)
    bare = opened(thumbnail(image, box, side=90, framed=False))
    assert bare.shape[0] == 90
    assert bare.shape[1] < 90
    framed = opened(thumbnail(image, box, side=90, framed=True))
    assert framed.shape == (90, 90, 3)
    assert abs(framed[45, 2] - 232).max() < 12


@pytest.mark.parametrize("box", [None, (500.0, 500.0, 600.0, 600.0), (-90.0, -90.0, -80.0, -80.0)])
def test_any_box_gives_a_picture(box: tuple[float, float, float, float] | None) -> None:
    found = opened(thumbnail(picture(200, 120), box, side=96, framed=True))
    assert found.shape == (96, 96, 3)
    # Without a box it is the middle of the picture; outside it there is little but the frame.
    assert (found[48, 20].max() < 55) == (box is None)
    assert (abs(found[48, 20] - 232).max() < 12) == (box is not None)
