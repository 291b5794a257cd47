from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceid.recognition.align import ALIGNERS, align
from faceid.recognition.detect.mtcnn import MtcnnDetector
from faceid.recognition.quality import assess, combine
from faceid.types import Crop, Face, Image, Quality
from places import OWN_DATA

PHOTO = OWN_DATA / "cc0_face.jpg"
FACTORS = {"sharpness", "size", "resolution", "detection", "pose", "exposure"}

share = st.floats(0, 1)
six = st.tuples(*[share] * 6)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(PHOTO))[:, :, ::-1])


@pytest.fixture(scope="module")
def face(photo: np.ndarray) -> Face:
    return MtcnnDetector().detect([Image(photo, "array", "")])[0][0]


def quality(pixels: np.ndarray, face: Face, aligner: str = "dlib-150-v1") -> Quality:
    image = Image(np.ascontiguousarray(pixels), "array", "")
    return assess(image, face, align(image, face, aligner))


@pytest.mark.parametrize("aligner", sorted(ALIGNERS))
def test_a_good_photo_is_good(photo: np.ndarray, face: Face, aligner: str) -> None:
    found = quality(photo, face, aligner)
    assert found.score > 0.7
    assert set(found.factors) == FACTORS
    assert all(0 <= factor <= 1 and type(factor) is float for factor in found.factors.values())


@pytest.mark.parametrize("aligner", sorted(ALIGNERS))
def test_each_flaw_shows_in_its_factor(photo: np.ndarray, face: Face, aligner: str) -> None:
    sigma = face.size / 25
    assert quality(cv2.GaussianBlur(photo, (0, 0), sigma), face, aligner).worst == "sharpness"
    assert quality(photo // 10, face, aligner).worst == "exposure"
    assert quality(photo // 16 + 120, face, aligner).worst == "exposure"
    assert quality(np.clip(photo * 3.0, 0, 255).astype(np.uint8), face, aligner).worst == "exposure"
    assert quality(photo, replace(face, score=0.75), aligner).worst == "detection"
    tiny = replace(face, box=(*face.box[:2], face.box[0] + 22, face.box[1] + 28))
    image = Image(photo, "array", "")
    crop = align(image, face, aligner)
    assert assess(image, tiny, crop).worst == "size"
    turned = face.landmarks.copy()
    turned[2, 0] += 0.5 * (turned[1, 0] - turned[0, 0])
    assert assess(image, replace(face, landmarks=turned), crop).worst == "pose"


def test_leaning_to_a_side_does_no_harm(photo: np.ndarray, face: Face) -> None:
    turn = np.array([[0, -1], [1, 0]], dtype=np.float32)
    image = Image(photo, "array", "")
    crop = align(image, face, "dlib-150-v1")
    leaning = assess(image, replace(face, landmarks=face.landmarks @ turn), crop)
    assert leaning.factors["pose"] == pytest.approx(assess(image, face, crop).factors["pose"], abs=1e-5)


@pytest.mark.parametrize(
    ("landmarks", "box", "score"),
    [
        (np.zeros((5, 2)), (0, 0, 50, 50), 1.0),
        (np.full((5, 2), np.nan), (0, 0, 50, 50), 1.0),
        (np.ones((5, 2)), (np.nan, 0, 50, 50), 1.0),
        (np.ones((5, 2)), (50, 50, 0, 0), 1.0),
        (np.arange(10).reshape(5, 2), (0, 0, 50, 50), np.nan),
    ],
)
def test_nonsense_is_worth_nothing(landmarks: np.ndarray, box: tuple[float, ...], score: float) -> None:
    crop = Crop(np.zeros((112, 112, 3), np.uint8), "arcface-112-v1", 1.0)
    image = Image(np.zeros((60, 60, 3), np.uint8), "array", "")
    found = assess(image, Face(box, landmarks.astype(np.float32), score), crop)  # type: ignore[arg-type]
    assert found.score == 0
    assert all(0 <= factor <= 1 for factor in found.factors.values())


@given(six, six)
def test_the_score_grows_with_every_factor(one: tuple[float, ...], other: tuple[float, ...]) -> None:
    lower = dict(zip(sorted(FACTORS), map(min, one, other), strict=True))
    upper = dict(zip(sorted(FACTORS), map(max, one, other), strict=True))
    assert combine(lower) <= combine(upper) + 1e-12
    for name in FACTORS:
        assert combine(lower) <= combine({**lower, name: upper[name]}) + 1e-12


@given(six)
def test_the_score_is_between_the_worst_and_the_best(factors: tuple[float, ...]) -> None:
    score = combine(dict(zip(sorted(FACTORS), factors, strict=True)))
    assert 0 <= score <= 1
    assert min(factors) - 1e-12 <= score <= max(factors) + 1e-12


def test_one_fatal_flaw_is_not_forgiven() -> None:
    assert combine(dict.fromkeys(FACTORS, 1.0)) == 1
    assert combine({**dict.fromkeys(FACTORS, 1.0), "sharpness": 0.05}) < 0.2
    assert combine({**dict.fromkeys(FACTORS, 1.0), "sharpness": 0.0}) == 0
