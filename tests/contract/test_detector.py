"""What every detector promises (faceid/ports/networks.py), asked of each."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

from faceid.recognition.detect.fake import FakeDetector, draw_face
from faceid.recognition.detect.mtcnn import MtcnnDetector
from faceid.recognition.detect.yunet import YunetDetector
from faceid.types import Image
from places import SHARED_DATA

if TYPE_CHECKING:
    from faceid.ports.networks import Detector


def of_protocol(detector: "Detector") -> "Detector":
    """For the type checker: the argument satisfies the Protocol."""
    return detector


def yunet(file: str, min_face: float | None = None) -> "Detector":
    weights = SHARED_DATA / "models" / file
    if not weights.exists():
        pytest.skip(f"no {file} in {SHARED_DATA / 'models'}; set FACEID_TEST_DATA")
    return YunetDetector(weights, min_face=min_face)


@pytest.fixture(
    scope="module",
    params=[
        MtcnnDetector,
        lambda: MtcnnDetector(min_face=12),
        lambda: yunet("face_detection_yunet_2023mar.onnx"),
        lambda: yunet("yunet_n_dynamic.onnx", min_face=12),
        FakeDetector,
    ],
    ids=["mtcnn", "mtcnn-12", "yunet", "yunet-n-12", "fake"],
)
def detector(request: pytest.FixtureRequest) -> "Detector":
    return of_protocol(request.param())


def image(pixels: np.ndarray) -> Image:
    return Image(pixels, "array", "")


def test_no_images_give_no_lists(detector: "Detector") -> None:
    assert detector.detect([]) == []


@pytest.mark.parametrize(
    "shape", [(1, 1), (11, 13), (12, 12), (13, 12), (40, 40), (3000, 2), (2, 3000), (1, 200), (60, 97)]
)
def test_any_size_of_nothing_has_no_faces(detector: "Detector", shape: tuple[int, int]) -> None:
    black, white = (image(np.full((*shape, 3), value, np.uint8)) for value in (0, 10))
    assert detector.detect([black, white]) == [[], []]


@pytest.mark.parametrize("shape", [(1, 1), (12, 12), (64, 80)])
def test_no_pixels_raise(detector: "Detector", shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    noise = image(random.integers(0, 256, (*shape, 3), dtype=np.uint8))
    white = image(np.full((*shape, 3), 255, np.uint8))
    assert len(detector.detect([noise, white])) == 2


def test_a_large_image_is_no_trouble() -> None:
    pixels = np.zeros((2500, 7000, 3), np.uint8)
    draw_face(pixels, (112, 144, 176), 3000, 700, 900)
    for detector in (MtcnnDetector(), FakeDetector()):
        assert len(detector.detect([image(pixels)])) == 1


def test_faces_are_ordered_and_of_the_promised_types(detector: "Detector") -> None:
    pixels = np.zeros((300, 500, 3), np.uint8)
    for x, y in ((350, 20), (20, 150), (20, 10), (200, 100)):
        draw_face(pixels, (112, 144, 176), x, y, 100)
    (faces,) = detector.detect([image(pixels)])
    assert [face.box[:2] for face in faces] == sorted(face.box[:2] for face in faces)
    for face in faces:
        assert all(type(value) is float for value in (*face.box, face.score))
        assert (face.landmarks.shape, face.landmarks.dtype) == ((5, 2), np.float32)
        assert 0 <= face.score <= 1
