import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch

from faceid.errors import DeviceError
from faceid.recognition.detect.mtcnn import MtcnnDetector
from faceid.recognition.detect.sizes import automatic_min_face, shrinking
from faceid.types import Face, Image
from places import OWN_DATA

PHOTO = OWN_DATA / "cc0_face.jpg"


def image(pixels: np.ndarray) -> Image:
    return Image(np.ascontiguousarray(pixels), "array", "")


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(PHOTO))[:, :, ::-1])


@pytest.fixture(scope="module")
def detector() -> MtcnnDetector:
    return MtcnnDetector()


def assert_same(found: Sequence[Face], expected: Sequence[Face], tolerance: float) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.box, other.box, rtol=0, atol=tolerance)
        np.testing.assert_allclose(one.landmarks, other.landmarks, rtol=0, atol=tolerance)
        assert one.score == pytest.approx(other.score, abs=1e-4)


@pytest.mark.parametrize("min_face", [20, 33.3, 79])
def test_agrees_with_facenet_pytorch(photo: np.ndarray, min_face: float) -> None:
    from facenet_pytorch import MTCNN

    boxes, scores, marks = MTCNN(min_face_size=min_face, keep_all=True).detect(photo, landmarks=True)
    published = [
        Face(tuple(box.tolist()), np.float32(places) - 1, float(score))
        for box, score, places in zip(boxes.astype(float), scores, marks, strict=True)
    ]
    found = MtcnnDetector(min_face=min_face).detect([image(photo)])[0]
    assert len(found) >= 1
    assert_same(found, sorted(published, key=lambda face: face.box[:2]), tolerance=0.01)


def test_batches_of_mixed_sizes_give_what_single_images_give(
    detector: MtcnnDetector, photo: np.ndarray
) -> None:
    half = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    pair = np.hstack([photo, photo[:, ::-1]])
    images = [
        image(some) for some in (photo, np.zeros((9, 300, 3), np.uint8), half, photo[:, ::-1], pair, half)
    ]
    together = detector.detect(images)
    assert [len(faces) for faces in together] == [1, 0, 1, 1, 2, 1]
    for one, faces in zip(images, together, strict=True):
        assert_same(faces, detector.detect([one])[0], tolerance=1e-3)
    left, right = together[4]
    assert left.box[0] < right.box[0]


def test_faces_lie_where_they_are_in_a_shrunken_picture(photo: np.ndarray) -> None:
    large = cv2.resize(photo, None, fx=10, fy=10, interpolation=cv2.INTER_LINEAR)
    assert shrinking(3600, 4800, 500) == 2
    found = MtcnnDetector(min_face=500).detect([image(large)])[0]
    expected = MtcnnDetector(min_face=50).detect([image(photo)])[0]
    assert len(found) == len(expected) == 1
    # From pixel centres to pixel centres: (x + 1/2) * 10 - 1/2. The pixels differ a little, hence 2 %.
    side = found[0].size
    np.testing.assert_allclose(found[0].landmarks, expected[0].landmarks * 10 + 4.5, rtol=0, atol=0.02 * side)
    np.testing.assert_allclose(found[0].box, np.array(expected[0].box) * 10 + 4.5, rtol=0, atol=0.02 * side)


@pytest.mark.parametrize(
    ("width", "height", "min_face", "factor"),
    [
        (250, 250, 40, 1),
        (4000, 4000, 1000, 1),
        (4001, 4000, 1000, 2),
        (8660, 5773, automatic_min_face(8660, 5773), 2),
        (40_000, 30_000, automatic_min_face(40_000, 30_000), 9),
        (8660, 5773, 20, 1),
        (40_000, 40_000, 96, 2),
    ],
)
def test_only_large_pictures_are_shrunk_and_no_further_than_the_face_allows(
    width: int, height: int, min_face: float, factor: int
) -> None:
    assert shrinking(width, height, min_face) == factor


def test_the_smallest_face_follows_the_picture() -> None:
    assert automatic_min_face(250, 250) == 40
    assert automatic_min_face(3000, 4000) == 80


def test_a_small_face_is_found_when_asked_for(detector: MtcnnDetector, photo: np.ndarray) -> None:
    small = cv2.resize(photo, None, fx=0.07, fy=0.07, interpolation=cv2.INTER_AREA)
    canvas = np.full((300, 400, 3), 128, np.uint8)
    canvas[100 : 100 + small.shape[0], 150 : 150 + small.shape[1]] = small
    assert detector.detect([image(canvas)]) == [[]]
    assert len(MtcnnDetector(min_face=14).detect([image(canvas)])[0]) == 1


@pytest.mark.parametrize("min_face", [11.9, 0, -1, float("nan"), float("inf")])
def test_no_window_is_smaller_than_the_networks(min_face: float) -> None:
    with pytest.raises(ValueError, match="min_face"):
        MtcnnDetector(min_face=min_face)


def test_senseless_options_are_refused() -> None:
    with pytest.raises(ValueError, match="thresholds"):
        MtcnnDetector(thresholds=(0.6, 0.7, 1.7))
    with pytest.raises(ValueError, match="threads"):
        MtcnnDetector(threads=0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_an_error() -> None:
    with pytest.raises(DeviceError):
        MtcnnDetector(device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_the_gpu_agrees_with_the_cpu(detector: MtcnnDetector, photo: np.ndarray) -> None:
    images = [image(photo), image(np.hstack([photo, photo]))]
    for found, expected in zip(
        MtcnnDetector(device="cuda").detect(images), detector.detect(images), strict=True
    ):
        assert_same(found, expected, tolerance=0.1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_threads_with_streams_of_their_own_find_the_same(detector: MtcnnDetector, photo: np.ndarray) -> None:
    images = [image(photo), image(np.hstack([photo, photo]))]
    shared = MtcnnDetector(device="cuda")
    allowed = torch.backends.cudnn.allow_tf32

    def work(_: int) -> list[list[Face]]:
        with torch.cuda.stream(torch.cuda.Stream()):
            return shared.detect(images)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(12)))
    assert torch.backends.cudnn.allow_tf32 == allowed
    for result in results:
        for found, expected in zip(result, detector.detect(images), strict=True):
            assert_same(found, expected, tolerance=0.1)


def test_the_callers_threads_are_left_alone(detector: MtcnnDetector, photo: np.ndarray) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        detector.detect([image(photo)])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_neither_torchvision_nor_facenet_pytorch_is_imported() -> None:
    code = (
        "import sys; from faceid.recognition.detect.mtcnn import MtcnnDetector; MtcnnDetector();"
        "sys.exit(bool({'torchvision', 'facenet_pytorch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
