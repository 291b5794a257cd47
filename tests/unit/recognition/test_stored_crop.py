"""What is kept of a photo: enough for every aligner, and no more than that."""

from __future__ import annotations

import numpy as np
import pytest

from faceid.errors import InputError
from faceid.imaging import from_array
from faceid.recognition.align import ALIGNERS, align, extent
from faceid.recognition.stored_crop import LONGEST_SIDE, LOSSLESS_SIDE, make_stored_crop, open_stored_crop
from faceid.types import Face, Image


def scene(width: int, height: int) -> Image:
    """Smooth colours, so that a pixel in the wrong place shows and a lossy code does not."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    waves = [np.sin(x / 17), np.sin(y / 13), np.sin((x + y) / 23)]
    return from_array(np.stack([127 + 120 * wave for wave in waves], axis=2).astype(np.uint8))


def face(x: float, y: float, size: float, turn: float = 0.0) -> Face:
    """A face whose box begins at x, y, turned in the plane by `turn` radians."""
    places = np.array([(0.31, 0.40), (0.67, 0.40), (0.49, 0.60), (0.33, 0.77), (0.65, 0.77)]) - 0.5
    rotation = np.array([(np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))])
    landmarks = (places @ rotation.T + 0.5) * size + (x, y)
    return Face((x, y, x + 0.8 * size, y + size), landmarks.astype(np.float32), 0.9)


@pytest.mark.parametrize("aligner", ALIGNERS)
@pytest.mark.parametrize(
    "seen",
    [face(200, 150, 60), face(200, 150, 130, turn=0.6), face(150, 90, 400), face(-20, -10, 100), face(560, 420, 130)],
    ids=["small", "turned", "large", "cut off above", "cut off below"],
)  # fmt: skip
def test_an_aligner_sees_what_it_saw_in_the_photo(aligner: str, seen: Face) -> None:
    photo = scene(640, 520)
    kept = make_stored_crop(photo, seen)
    image, again = open_stored_crop(kept)
    assert max(image.width, image.height) <= LONGEST_SIDE
    expected, found = align(photo, seen, aligner).pixels, align(image, again, aligner).pixels
    # Reducing moves the edge of the photo, black outside, by parts of a pixel; the rest must be the same.
    difference = np.abs(expected.astype(int) - found).max(axis=2)
    assert np.median(difference) <= 3
    assert np.quantile(difference, 0.95) <= 12


def test_a_small_face_is_kept_without_loss() -> None:
    photo, seen = scene(300, 300), face(100, 100, 50)
    image, again = open_stored_crop(make_stored_crop(photo, seen))
    assert max(image.width, image.height) <= LOSSLESS_SIDE
    for aligner in ALIGNERS:
        np.testing.assert_array_equal(
            align(image, again, aligner).pixels, align(photo, seen, aligner).pixels, err_msg=aligner
        )


def test_what_is_kept_is_not_enlarged_more_than_the_photo_would_be() -> None:
    photo, seen = scene(640, 520), face(150, 90, 260)
    _, again = open_stored_crop(make_stored_crop(photo, seen))
    for aligner in ALIGNERS:
        assert extent(again, aligner)[1] <= max(1.0, extent(seen, aligner)[1])


def test_the_rest_of_the_photo_is_not_kept() -> None:
    photo, seen = scene(640, 520), face(300, 200, 80)
    image, _ = open_stored_crop(make_stored_crop(photo, seen))
    assert max(image.width, image.height) < 3 * 80


@pytest.mark.parametrize(
    "nowhere", [face(2000, 2000, 80), Face((5, 5, 5, 5), np.zeros((5, 2), np.float32), 0.9)]
)
def test_a_face_that_is_not_there_is_refused(nowhere: Face) -> None:
    with pytest.raises(InputError) as caught:
        make_stored_crop(scene(100, 100), nowhere)
    assert caught.value.code == "no_face"
