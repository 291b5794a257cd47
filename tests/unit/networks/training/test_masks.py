"""Drawn masks: where they are, what they leave, and that they hang on their generator alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faceid.networks.errors import BadSettings
from faceid.networks.training.augment import augmented
from faceid.networks.training.batches import Batches
from faceid.networks.training.masks import masked
from faceid.networks.training.settings import AugmentationSettings
from faceid.recognition.align import ALIGNERS
from tiny_training import job, settings

ALIGNED = [name for name, aligner in ALIGNERS.items() if aligner.template is not None]


def crop_of(aligner: str) -> np.ndarray:
    side = ALIGNERS[aligner].size
    return np.random.default_rng(0).integers(90, 170, (side, side, 3), dtype=np.uint8)


def hidden(aligner: str, seed: int) -> np.ndarray:
    crop = crop_of(aligner)
    return (masked(crop, ALIGNERS[aligner].template, np.random.default_rng(seed)) != crop).any(2)


@pytest.mark.parametrize("aligner", ALIGNED)
def test_a_mask_hides_the_mouth_and_leaves_the_eyes(aligner: str) -> None:
    landmarks = ALIGNERS[aligner].template
    assert landmarks is not None
    left, right, _, *mouth = landmarks
    apart = right[0] - left[0]
    for seed in range(40):
        changed = hidden(aligner, seed)
        for x, y in mouth:
            around = changed[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4]
            assert around.mean() > 0.9
        brows_and_eyes = changed[: round(left[1] + 0.1 * apart), round(left[0]) : round(right[0]) + 1]
        assert not brows_and_eyes.any()
        assert 0.15 < changed.mean() < 0.55


def test_masks_differ_by_seed_alone() -> None:
    crop, landmarks = crop_of("dlib-150-v1"), ALIGNERS["dlib-150-v1"].template
    before = crop.copy()
    drawn = [masked(crop, landmarks, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert np.array_equal(crop, before)
    assert [(one.shape, one.dtype) for one in drawn] == [(crop.shape, np.dtype(np.uint8))] * 3


def test_a_mask_is_as_dark_as_its_photo() -> None:
    landmarks = ALIGNERS["dlib-150-v1"].template
    means = []
    for level in (30, 180):
        crop = np.full((150, 150, 3), level, np.uint8)
        drawn = masked(crop, landmarks, np.random.default_rng(3))
        means.append(drawn[100:110, 60:90].mean())
    assert means[0] < means[1] / 2


def test_masks_follow_the_size_of_the_crop() -> None:
    landmarks = ALIGNERS["dlib-150-v1"].template
    assert landmarks is not None
    twice = [(2 * x + 0.5, 2 * y + 0.5) for x, y in landmarks]
    for seed in range(5):
        small, large = (
            (masked(np.full((side, side, 3), 128, np.uint8), places, np.random.default_rng(seed)) != 128)
            .any(2)
            .mean()
            for side, places in ((150, landmarks), (300, twice))
        )
        assert small == pytest.approx(large, abs=0.03)


def test_augmentation_draws_masks_as_often_as_asked_for_and_leaves_the_rest_as_it_was() -> None:
    crop, landmarks = crop_of("dlib-150-v1"), ALIGNERS["dlib-150-v1"].template
    off = AugmentationSettings(flip=0.0, blur=0.0, jpeg=0.0, low_resolution=0.0, occlusion=0.0, mask=0.3)
    drawn = [
        (augmented(crop, off, np.random.default_rng(seed), landmarks) != crop).any() for seed in range(200)
    ]
    assert 40 < sum(drawn) < 80
    for seed in range(10):
        plain = augmented(crop, AugmentationSettings(), np.random.default_rng(seed))
        told = augmented(crop, AugmentationSettings(), np.random.default_rng(seed), landmarks)
        assert np.array_equal(plain, told)
    both = AugmentationSettings(flip=1.0, blur=0.0, jpeg=0.0, low_resolution=0.0, occlusion=0.0, mask=1.0)
    turned = augmented(crop, both, np.random.default_rng(7), landmarks)
    upper = slice(0, 40)
    assert np.array_equal(turned[upper], crop[upper, ::-1])
    assert (turned[100:110, 60:90] != crop[100:110, ::-1][:, 60:90]).any()


def test_batches_draw_masks_where_they_are_told_the_landmarks_and_refuse_without(tmp_path: Path) -> None:
    asked = settings(
        augmentation={
            **dict.fromkeys(("flip", "blur", "jpeg", "low_resolution", "occlusion"), 0.0),
            "mask": 1.0,
        }
    )
    trained = job(tmp_path, asked)
    with pytest.raises(BadSettings, match="does not go by landmarks"):
        Batches(trained.training, asked)
    landmarks = [(5.0, 5.0), (11.0, 5.0), (8.0, 8.0), (6.0, 11.0), (10.0, 11.0)]
    batch = Batches(trained.training, asked, landmarks)[0]
    clean = trained.training.crops(batch.places.tolist())
    changed = (batch.pixels.numpy() != clean).any(3)
    assert changed[:, 10:12, 6:11].mean() > 0.9
    assert not changed[:, :4].any()
