"""The fake embedder: colours are people, photos of one person are near, people are far apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from faceid.networks.calibration import CalibrationPoint
from faceid.recognition.detect.fake import draw_face
from faceid.recognition.embed.fake import CALIBRATION, LEVELS, FakeEmbedder
from faceid.types import Crop

PEOPLE = list(itertools.product(LEVELS, repeat=3))


def photo(colour: tuple[int, int, int], *, noise: int = 0, shift: int = 0) -> Crop:
    canvas = np.zeros((150, 150, 3), np.uint8)
    draw_face(canvas, colour, -shift, shift, 150)
    grain = np.random.default_rng(noise).integers(-noise, noise + 1, canvas.shape)
    return Crop(np.clip(canvas + grain, 0, 255).astype(np.uint8), "dlib-150-v1", 1.0)


def test_two_photos_of_a_person_are_near() -> None:
    for colour in PEOPLE[::5]:
        crops = [
            photo(colour),
            photo(colour, noise=6),
            photo(colour, shift=7),
            photo(colour, noise=3, shift=-4),
        ]
        vectors = FakeEmbedder().embed(crops)
        cosines = (vectors @ vectors.T)[np.triu_indices(len(crops), 1)]
        assert cosines.min() > 0.95
        assert cosines.max() < 1.0


@pytest.fixture(scope="module")
def non_mated() -> np.ndarray:
    """The cosines of all pairs of people."""
    vectors = FakeEmbedder().embed([photo(colour) for colour in PEOPLE])
    return (vectors @ vectors.T)[np.triu_indices(len(PEOPLE), 1)]


def test_people_are_far_apart(non_mated: np.ndarray) -> None:
    assert abs(float(non_mated.mean())) < 0.01
    assert float(non_mated.std()) == pytest.approx(1 / 8, rel=0.1)
    assert non_mated.max() < 0.6


@pytest.mark.parametrize("point", CALIBRATION.points[2:])
def test_its_calibration_is_true(point: CalibrationPoint, non_mated: np.ndarray) -> None:
    expected = point.fmr * non_mated.size
    found = int((1.0 - non_mated <= point.distance).sum())
    assert abs(found - expected) <= 4 * expected**0.5 + 1


def test_the_vectors_are_the_same_everywhere() -> None:
    vector = FakeEmbedder().embed([photo((80, 112, 240))])[0]
    np.testing.assert_allclose(vector[:3], (-0.04696548, -0.21786691, -0.21320374), atol=1e-6)
