"""Our cascade against facenet-pytorch's, on real photographs."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from faceid.recognition.detect.mtcnn import MtcnnDetector
from faceid.types import Image
from places import SHARED_DATA

pytestmark = pytest.mark.slow

DATA = SHARED_DATA


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """facenet-pytorch is several times slower with two threads where the machine has other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def photos(folder: str, count: int) -> list[Path]:
    """`count` photographs, evenly over the folder; skips where there is none."""
    found = sorted((DATA / folder).rglob("*.jpg"))
    if not found:
        pytest.skip(f"no photographs in {DATA / folder}; set FACEID_TEST_DATA")
    return found[:: max(1, len(found) // count)][:count]


@pytest.mark.parametrize(
    ("folder", "count", "min_face"),
    [
        ("lfw/images", 30, 20),
        ("lfw/images", 30, 40),
        ("celeba_wild", 20, 24.5),
        ("detection/dlib_voc", 9, 20),
        ("detection/wider11", 11, 30),
        ("detection/noface", 13, 40),
    ],
)
def test_agrees_with_facenet_pytorch(folder: str, count: int, min_face: float) -> None:
    from facenet_pytorch import MTCNN

    published, ours = MTCNN(min_face_size=min_face, keep_all=True), MtcnnDetector(min_face=min_face)
    compared = 0
    for path in photos(folder, count):
        pixels = np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])
        boxes, scores, marks = published.detect(pixels, landmarks=True)
        (faces,) = ours.detect([Image(pixels, str(path), "")])
        assert len(faces) == (0 if boxes is None else len(boxes)), path
        if boxes is None:
            continue
        order = np.lexsort((boxes[:, 1].astype(float), boxes[:, 0].astype(float)))
        for face, row in zip(faces, order, strict=True):
            np.testing.assert_allclose(
                face.box, boxes[row].astype(float), rtol=0, atol=0.01, err_msg=str(path)
            )
            np.testing.assert_allclose(face.landmarks + 1, marks[row].astype(float), rtol=0, atol=0.01)
            assert face.score == pytest.approx(scores[row], abs=1e-4)
        compared += len(faces)
    assert compared or folder.endswith("noface")
