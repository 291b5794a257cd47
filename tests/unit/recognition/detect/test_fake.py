import cv2
import numpy as np
import pytest

from faceid.recognition.align import ALIGNERS, align
from faceid.recognition.detect.fake import LEVELS, SCORE, FakeDetector, draw_face
from faceid.recognition.quality import assess
from faceid.types import Image


def drawn(*faces: tuple[tuple[int, int, int], int, int, int]) -> Image:
    canvas = np.zeros((300, 400, 3), np.uint8)
    for face in faces:
        draw_face(canvas, *face)
    return Image(canvas, "array", "")


def test_finds_what_was_drawn() -> None:
    image = drawn(((240, 80, 112), 200, 30, 90), ((80, 80, 80), 10, 50, 120), ((144, 144, 144), 350, 250, 19))
    first, second = FakeDetector().detect([image])[0]
    assert first.box == (10, 50, 130, 170)
    assert second.box == (200, 30, 290, 120)
    assert (first.score, first.size) == (SCORE, 120)
    assert len(FakeDetector(min_face=19).detect([image])[0]) == 3


def test_what_is_not_square_is_no_face() -> None:
    image = drawn(
        ((112, 112, 112), -30, 20, 100), ((112, 112, 112), 200, 20, 60), ((112, 112, 112), 240, 40, 60)
    )
    assert FakeDetector().detect([image]) == [[]]


def test_survives_compression() -> None:
    image = drawn(((112, 208, 80), 50, 60, 100))
    jpeg = cv2.imencode(".jpg", image.pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    compressed = Image(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), "array", "")
    (face,) = FakeDetector().detect([compressed])[0]
    np.testing.assert_allclose(face.box, (50, 60, 150, 160), atol=2)


@pytest.mark.parametrize("aligner", sorted(ALIGNERS))
@pytest.mark.parametrize("colour", [(80, 80, 80), (240, 240, 240), (240, 80, 144)])
@pytest.mark.parametrize("side", [80, 97, 160, 290])
def test_a_crop_shows_the_colour_and_passes_for_good(
    aligner: str, colour: tuple[int, int, int], side: int
) -> None:
    image = drawn((colour, 5, 4, side))
    (face,) = FakeDetector().detect([image])[0]
    crop = align(image, face, aligner)
    size = crop.pixels.shape[0]
    centre = crop.pixels[int(0.4 * size) : int(0.6 * size), int(0.4 * size) : int(0.6 * size)]
    median = np.median(centre.reshape(-1, 3), axis=0)
    assert tuple(min(LEVELS, key=lambda level: abs(level - value)) for value in median) == colour
    assert assess(image, face, crop).score > 0.5


def test_only_the_levels_are_colours() -> None:
    canvas = np.zeros((50, 50, 3), np.uint8)
    with pytest.raises(ValueError, match="one of"):
        draw_face(canvas, (80, 80, 81), 0, 0, 30)
    with pytest.raises(ValueError, match="pixel"):
        draw_face(canvas, (80, 80, 80), 0, 0, 0)
