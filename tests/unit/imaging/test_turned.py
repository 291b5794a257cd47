"""Turned pictures, and places in them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL.JpegImagePlugin import JpegImageFile

from faceid.imaging import decode, from_array
from faceid.imaging.turned import turned_face, turned_image
from faceid.types import Encoded, Face, Image

TURNS = (0, 90, 180, 270)


@pytest.mark.parametrize("degrees", [*TURNS, -90, 450])
def test_a_picture_is_turned_clockwise(degrees: int) -> None:
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    turned = turned_image(from_array(pixels, "x.png"), degrees)
    clockwise = Pillow.fromarray(pixels).rotate(-degrees, expand=True)
    np.testing.assert_array_equal(turned.pixels, np.asarray(clockwise))
    assert turned.pixels.flags.c_contiguous
    assert (turned.width, turned.height) == clockwise.size
    assert turned.source == "x.png"


@pytest.mark.parametrize("degrees", TURNS)
def test_places_turn_with_the_pixels(degrees: int) -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    marks = np.array([(10, 5), (20, 6), (15, 12), (11, 20), (19, 21)], np.float32)
    for number, (x, y) in enumerate(marks.astype(int).tolist(), start=1):
        pixels[y, x, 0] = number
    pixels[3:25, 8:24, 1] = 200
    face = turned_face(Face((8.0, 3.0, 24.0, 25.0), marks, 0.5), degrees, 60, 40)
    turned = turned_image(from_array(pixels), degrees).pixels
    assert [turned[y, x, 0] for x, y in face.landmarks.astype(int).tolist()] == [1, 2, 3, 4, 5]
    x1, y1, x2, y2 = map(int, face.box)
    assert (turned[y1:y2, x1:x2, 1] == 200).all()
    assert (turned[..., 1] == 200).sum() == (x2 - x1) * (y2 - y1)
    assert face.score == 0.5


@given(
    st.sampled_from(TURNS),
    st.integers(1, 9000),
    st.integers(1, 9000),
    st.lists(st.floats(-50, 9050, width=32), min_size=14, max_size=14),
)
def test_turning_back_undoes_a_turn(degrees: int, width: int, height: int, places: list[float]) -> None:
    face = Face(
        (places[0], places[1], places[2], places[3]), np.array(places[4:], np.float32).reshape(5, 2), 1.0
    )
    there = turned_face(face, degrees, width, height)
    sides = (height, width) if degrees % 180 else (width, height)
    back = turned_face(there, -degrees, *sides)
    assert back.box == pytest.approx(face.box, abs=1e-6)
    np.testing.assert_allclose(back.landmarks, face.landmarks, atol=0.01)


def large(width: int, height: int) -> Image:
    """A JPEG whose red grows to the right and green down."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    ramps = np.stack([x * 255 / width, y * 255 / height, np.full(x.shape, 128)], axis=-1).astype(np.uint8)
    buffer = io.BytesIO()
    Pillow.fromarray(ramps).save(buffer, "JPEG", quality=95)
    return decode(Encoded.of(buffer.getvalue()), "photo")


def test_a_large_photo_is_turned_without_decoding_it_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    image = large(4000, 800)
    decoded: list[int] = []
    load = JpegImageFile.load

    def counted(picture: JpegImageFile) -> object:
        decoded.append(picture.width)
        return load(picture)

    monkeypatch.setattr(JpegImageFile, "load", counted)
    turned = turned_image(image, 90)
    pixels, factor = turned.reduced(2)
    assert factor == 2
    assert pixels.shape == (2000, 400, 3)
    assert not any(width > 2000 for width in decoded)
    np.testing.assert_array_equal(pixels, np.rot90(image.reduced(2)[0], -1))
    np.testing.assert_array_equal(turned.pixels, np.rot90(image.pixels, -1))


@pytest.mark.parametrize(("degrees", "factor"), [(90, 1), (180, 1), (270, 2)])
def test_blocks_that_would_be_shifted_are_not_made(degrees: int, factor: int) -> None:
    # An odd height: the last row of blocks is half a block, and comes first where the picture is turned.
    image = large(4000, 801)
    assert image.reduced(2)[1] == 2
    pixels, found = turned_image(image, degrees).reduced(2)
    assert found == factor
    np.testing.assert_array_equal(pixels, np.rot90(image.reduced(factor)[0], -degrees // 90))
