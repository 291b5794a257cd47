"""YuNet's published files: the same boxes as OpenCV's own detector, and as many faces as MTCNN."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from faceid.imaging import read
from faceid.recognition.detect.mtcnn import MtcnnDetector
from faceid.recognition.detect.yunet import YunetDetector
from faceid.recognition.detect.yunet_network import YunetNetwork
from places import SHARED_DATA

pytestmark = pytest.mark.slow

FILES = ("face_detection_yunet_2023mar.onnx", "yunet_n_dynamic.onnx")


@pytest.fixture(params=FILES)
def weights(request: pytest.FixtureRequest) -> Path:
    path = SHARED_DATA / "models" / request.param
    if not path.exists():
        pytest.skip(f"no {path.name} in {path.parent}; set FACEID_TEST_DATA")
    return path


def photos(folder: str, count: int) -> list[str]:
    found = sorted((SHARED_DATA / folder).rglob("*.jpg"))
    if not found:
        pytest.skip(f"no photographs in {SHARED_DATA / folder}; set FACEID_TEST_DATA")
    return [str(path) for path in found[:: max(1, len(found) // count)][:count]]


def test_boxes_are_those_of_opencv(weights: Path) -> None:
    network = YunetNetwork(weights)
    for path in photos("detection/groups_count", 6):
        pixels = read(path).pixels
        pixels = pixels[: pixels.shape[0] // 32 * 32, : pixels.shape[1] // 32 * 32]
        height, width = pixels.shape[:2]
        published = cv2.FaceDetectorYN.create(str(weights), "", (width, height), 0.6, 1.0, 5000)
        _, expected = published.detect(np.ascontiguousarray(pixels[:, :, ::-1]))
        owners, boxes, scores = network.find([pixels], 0.6)
        found = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2], scores])
        order, other = np.lexsort(found.T), np.lexsort(expected[:, [0, 1, 2, 3, 14]].T)
        assert not owners.any()
        np.testing.assert_allclose(found[order], expected[other][:, [0, 1, 2, 3, 14]], rtol=0, atol=0.02)


def test_no_photo_of_a_person_is_without_a_face(weights: Path) -> None:
    detector = YunetDetector(weights)
    images = [read(path) for path in photos("lfw/images", 60)]
    assert all(detector.detect(images))


def test_as_many_faces_of_groups_are_found_as_by_mtcnn(weights: Path) -> None:
    images = [read(path) for path in photos("detection/groups_count", 23)]
    found, expected = (
        sum(map(len, detector.detect(images))) for detector in (YunetDetector(weights), MtcnnDetector())
    )
    # Of 210 faces MTCNN finds 209 and 4 others.
    assert found >= expected - 5
