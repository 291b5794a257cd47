"""Enlarged pictures of small faces have little resolution, and photos have what their size promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from faceid.imaging import from_array, read
from faceid.recognition.detect.fake import FakeDetector, draw_face
from faceid.recognition.detect.mtcnn import MtcnnDetector
from faceid.recognition.resolution import resolution
from faceid.types import Face, Image
from places import OWN_DATA

SMALLEST, AMPLE = 20.0, 80.0
METHODS = {
    "nearest": Pillow.Resampling.NEAREST,
    "linear": Pillow.Resampling.BILINEAR,
    "cubic": Pillow.Resampling.BICUBIC,
    "lanczos": Pillow.Resampling.LANCZOS,
    "hamming": Pillow.Resampling.HAMMING,
}


@pytest.fixture(scope="module")
def photo() -> Image:
    return read(str(OWN_DATA / "cc0_face.jpg"))


@pytest.fixture(scope="module")
def face(photo: Image) -> Face:
    return MtcnnDetector().detect([photo])[0][0]


def measured(pixels: np.ndarray, photo: Image, face: Face) -> float:
    """Of the photo in another size."""
    image = from_array(np.ascontiguousarray(pixels))
    across, down = image.width / photo.width, image.height / photo.height
    x1, y1, x2, y2 = face.box
    moved = replace(face, box=(x1 * across, y1 * down, x2 * across, y2 * down))
    return resolution(image, moved, SMALLEST, AMPLE)


def reduced(photo: Image, face: Face, size: float) -> Pillow.Image:
    scale = size / face.size
    shape = round(photo.width * scale), round(photo.height * scale)
    return Pillow.fromarray(cv2.resize(photo.pixels, shape, interpolation=cv2.INTER_AREA))


def jpeg(picture: Pillow.Image, quality: int) -> Pillow.Image:
    file = BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Pillow.open(file).convert("RGB")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("times", [2.5, 4.0, 6.67, 8.0])
def test_an_enlarged_face_has_little(photo: Image, face: Face, method: str, times: float) -> None:
    small = reduced(photo, face, 24)
    size = round(small.width * times), round(small.height * times)
    large = small.resize(size, METHODS[method])
    assert measured(np.asarray(large), photo, face) < 0.25
    if times > 4:
        assert measured(np.asarray(jpeg(large, 75)), photo, face) < 0.25


CHANGES: dict[str, Callable[[Pillow.Image], Pillow.Image]] = {
    "as it is": lambda picture: picture,
    "saved as a JPEG": lambda picture: jpeg(picture, 50),
    "with noise": lambda picture: Pillow.fromarray(
        np.clip(np.random.default_rng(3).normal(0, 8, (*picture.size[::-1], 3)) + picture, 0, 255).astype(
            np.uint8
        )
    ),
    "enlarged twice": lambda picture: picture.resize((720, 960), Pillow.Resampling.BICUBIC),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_photo_has_all(photo: Image, face: Face, what: str) -> None:
    # The face has 218 pixels: enlarged twice, it still has more than anybody needs.
    changed = CHANGES[what](Pillow.fromarray(photo.pixels))
    assert measured(np.asarray(changed), photo, face) == 1.0


@pytest.mark.parametrize("size", [30, 48, 60, 90])
def test_a_small_face_that_nobody_enlarged_has_what_its_size_promises(
    photo: Image, face: Face, size: float
) -> None:
    assert measured(np.asarray(reduced(photo, face, size)), photo, face) > 0.9


def test_broad_stripes_are_no_pixels() -> None:
    canvas = np.zeros((300, 300, 3), np.uint8)
    draw_face(canvas, (208, 80, 80), 40, 40, 200)
    image = from_array(canvas)
    (face,) = FakeDetector().detect([image])[0]
    assert resolution(image, face, SMALLEST, AMPLE) == 1.0


@pytest.mark.parametrize(
    "box", [(900.0, 900.0, 990.0, 990.0), (np.nan, 0.0, 90.0, 90.0), (50.0, 50.0, 20.0, 20.0)]
)
def test_a_face_outside_the_picture_has_none(
    photo: Image, face: Face, box: tuple[float, float, float, float]
) -> None:
    assert resolution(photo, replace(face, box=box), SMALLEST, AMPLE) == 0.0


@pytest.mark.parametrize(
    "box", [(0.0, 0.0, 60.0, 500.0), (-300.0, 0.0, 30.0, 400.0), (0.0, 470.0, 360.0, 900.0)]
)
def test_a_face_that_is_cut_off_is_measured_all_the_same(
    photo: Image, face: Face, box: tuple[float, float, float, float]
) -> None:
    assert 0.0 <= resolution(photo, replace(face, box=box), SMALLEST, AMPLE) <= 1.0
