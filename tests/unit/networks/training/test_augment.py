"""What augmentation does to a crop, and that it hangs on its generator alone."""

from __future__ import annotations

import numpy as np
import pytest

from faceid.networks.training.augment import augmented, blurred, compressed, occluded, reduced
from faceid.networks.training.settings import AugmentationSettings

OFF = dict.fromkeys(("flip", "blur", "jpeg", "low_resolution", "occlusion"), 0.0)
CROP = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def changed(seed: int = 0, **chances: float) -> np.ndarray:
    return augmented(CROP, AugmentationSettings(**(OFF | chances)), np.random.default_rng(seed))


def test_nothing_is_done_where_nothing_is_asked_for() -> None:
    before = CROP.copy()
    assert np.array_equal(changed(), CROP)
    for name in OFF:
        assert not np.array_equal(changed(**{name: 1.0}), CROP)
    assert np.array_equal(CROP, before)


def test_a_flip_turns_left_to_right() -> None:
    assert np.array_equal(changed(flip=1.0), CROP[:, ::-1])


def test_changes_happen_as_often_as_asked_for() -> None:
    flipped = [np.array_equal(changed(seed, flip=0.3), CROP[:, ::-1]) for seed in range(300)]
    assert 60 < sum(flipped) < 120


def test_the_same_seed_gives_the_same_and_one_change_leaves_the_others() -> None:
    everything = dict.fromkeys(OFF, 0.5)
    assert np.array_equal(changed(5, **everything), changed(5, **everything))
    occlusion = np.flatnonzero((changed(5, occlusion=1.0) != CROP).any((1, 2)))
    flipped_too = np.flatnonzero((changed(5, occlusion=1.0, flip=1.0) != CROP[:, ::-1]).any((1, 2)))
    assert np.array_equal(occlusion, flipped_too)


@pytest.mark.parametrize("seed", range(20))
def test_a_change_keeps_the_shape_and_the_type(seed: int) -> None:
    pixels = changed(seed, **dict.fromkeys(OFF, 0.7))
    assert (pixels.shape, pixels.dtype) == (CROP.shape, np.uint8)
    assert pixels.flags.c_contiguous


def test_what_is_in_front_of_a_face_has_one_colour_and_stays_inside() -> None:
    colour = np.array([1, 2, 3])
    for amount in (0.0, 1.0):
        pixels = occluded(CROP.copy(), colour, amount, amount, amount, amount)
        hidden = (pixels == colour).all(2)
        side = round((0.2 + 0.3 * amount) * 64)
        assert hidden.sum() == side * side
        assert np.array_equal(pixels[~hidden], CROP[~hidden])


def test_blur_and_low_resolution_take_detail_away_and_leave_the_mean() -> None:
    for pixels in (blurred(CROP, 0.03), reduced(CROP, 0.2)):
        assert pixels.std() < CROP.std() / 2
        assert pixels.mean() == pytest.approx(CROP.mean(), abs=1.0)


def test_compression_keeps_colours_in_their_order() -> None:
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 200
    assert np.abs(compressed(red, 30).astype(int) - red).max() < 12
