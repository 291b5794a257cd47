from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from faceid.config import Runtime
from faceid.errors import DeviceError, ModelError
from faceid.recognition.detect import yunet_search
from faceid.recognition.detect.mtcnn import MtcnnDetector
from faceid.recognition.detect.yunet import YunetDetector, open_detector
from faceid.recognition.detect.yunet_network import YunetNetwork
from faceid.recognition.detect.yunet_search import OVERLAP, TILE, find
from faceid.types import Face, Image
from places import OWN_DATA
from tiny_yunet import with_dot, write_tiny_yunet

PHOTO = OWN_DATA / "cc0_face.jpg"


def image(pixels: np.ndarray) -> Image:
    return Image(np.ascontiguousarray(pixels), "array", "")


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A face with a green dot on its nose, by which the tiny network finds it."""
    pixels = np.ascontiguousarray(cv2.imread(str(PHOTO))[:, :, ::-1])
    ((face,),) = MtcnnDetector().detect([image(pixels)])
    return with_dot(pixels, *face.landmarks[2].tolist(), side=24)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_yunet(tmp_path_factory.mktemp("yunet") / "tiny.onnx")


@pytest.fixture(scope="module")
def detector(weights: Path) -> YunetDetector:
    return YunetDetector(weights)


class Squares:
    """In place of YuNet: every white square is a face. Keeps the sizes of what it was given."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def find(
        self, pictures: Sequence[np.ndarray], least_score: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        owners, boxes = [], []
        for owner, pixels in enumerate(pictures):
            self.seen.append(pixels.shape[:2])
            lit = (pixels.min(axis=2) > 128).astype(np.uint8)
            for x, y, width, height, _ in cv2.connectedComponentsWithStats(lit)[2][1:].tolist():
                owners.append(owner)
                # A square that the edge of a tile cuts off is seen as reaching beyond it, as YuNet sees a face.
                right = x + width + (x + width == pixels.shape[1])
                boxes.append((x - (x == 0), y, right, y + height))
        return (
            np.array(owners, np.int64),
            np.array(boxes, np.float32).reshape(-1, 4),
            np.full(len(boxes), 0.9, np.float32),
        )


def assert_same(found: Sequence[Face], expected: Sequence[Face], tolerance: float) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.box, other.box, rtol=0, atol=tolerance)
        np.testing.assert_allclose(one.landmarks, other.landmarks, rtol=0, atol=tolerance)
        assert one.score == pytest.approx(other.score, abs=1e-4)


def test_the_o_net_decides_and_places_landmarks_as_in_mtcnn(
    detector: YunetDetector, photo: np.ndarray
) -> None:
    ((face,),), ((expected,),) = detector.detect([image(photo)]), MtcnnDetector().detect([image(photo)])
    eyes = float(np.linalg.norm(expected.landmarks[0] - expected.landmarks[1]))
    np.testing.assert_allclose(face.landmarks, expected.landmarks, rtol=0, atol=0.15 * eyes)
    assert face.score > 0.7


def test_a_large_face_is_where_it_is_in_a_small_picture(
    weights: Path, detector: YunetDetector, photo: np.ndarray
) -> None:
    large = cv2.resize(photo, None, fx=8, fy=8, interpolation=cv2.INTER_LINEAR)
    ((found,),) = YunetDetector(weights, min_face=320).detect([image(large)])
    ((expected,),) = detector.detect([image(photo)])
    # From pixel centres to pixel centres: (x + 1/2) * 8 - 1/2. The pixels differ a little, hence 2 %.
    side = found.size
    np.testing.assert_allclose(found.landmarks, expected.landmarks * 8 + 3.5, rtol=0, atol=0.02 * side)
    np.testing.assert_allclose(found.box, np.array(expected.box) * 8, rtol=0, atol=0.02 * side)


def test_batches_of_mixed_sizes_give_what_single_images_give(
    detector: YunetDetector, photo: np.ndarray
) -> None:
    half = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    pair = np.hstack([photo, photo[:, ::-1]])
    dark = np.zeros((9, 300, 3), np.uint8)
    images = [image(some) for some in (photo, dark, half, photo[:, ::-1], pair, half)]
    together = detector.detect(images)
    assert [bool(faces) for faces in together] == [True, False, True, True, True, True]
    for one, faces in zip(images, together, strict=True):
        assert_same(faces, detector.detect([one])[0], tolerance=1e-3)


def test_threads_may_share_a_detector(detector: YunetDetector, photo: np.ndarray) -> None:
    images = [image(photo), image(np.hstack([photo, photo])), image(photo[:, ::-1])]
    expected = [detector.detect([one])[0] for one in images]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda number: detector.detect([images[number % 3]])[0], range(24)))
    for number, faces in enumerate(results):
        assert_same(faces, expected[number % 3], tolerance=0)


@pytest.mark.parametrize("runtime", ["openvino", "auto"])
def test_runtimes_find_the_same(
    weights: Path, detector: YunetDetector, photo: np.ndarray, runtime: Runtime
) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    other = open_detector(device="cpu", min_face=None, runtime=runtime, weights=weights)
    images = [image(photo), image(photo[20:, 30:]), image(photo)]
    for found, expected in zip(other.detect(images), detector.detect(images), strict=True):
        assert_same(found, expected, tolerance=0.05)


def test_nothing_is_printed(weights: Path, photo: np.ndarray, capfd: pytest.CaptureFixture[str]) -> None:
    YunetDetector(weights).detect([image(photo)])
    assert capfd.readouterr() == ("", "")


def test_shapes_that_occur_often_are_compiled_for_themselves(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    from faceid.runtime import openvino

    monkeypatch.setattr(openvino, "_OFTEN", 3)
    monkeypatch.setattr(openvino, "_OWN_FORMS", 1)
    network = YunetNetwork(weights, "openvino")
    random = np.random.default_rng(0)
    sizes = ((64, 96), (64, 96), (32, 64))
    pictures = [random.integers(0, 256, (*size, 3)).astype(np.uint8) for size in sizes]
    expected = [YunetNetwork(weights).find([picture], 0.3) for picture in pictures]
    for _ in range(4):
        for picture, found in zip(pictures, expected, strict=True):
            for mine, theirs in zip(network.find([picture], 0.3), found, strict=True):
                np.testing.assert_allclose(mine, theirs, atol=1e-3)
    graph = network._run
    assert isinstance(graph, openvino.CompiledGraph)
    assert set(graph._forms._idle) == {(-1, 3, -1, -1), (1, 3, 64, 96)}


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_a_file_that_is_no_network_is_refused(tmp_path: Path, runtime: Runtime) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="openvino is not installed")
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError) as refused:
        YunetNetwork(tmp_path / "broken.onnx", runtime)
    assert refused.value.code == "onnx"


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_a_network_of_other_outputs_is_refused(tmp_path: Path, runtime: Runtime) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="openvino is not installed")
    with pytest.raises(ModelError) as refused:
        YunetNetwork(write_tiny_yunet(tmp_path / "other.onnx", sides=3), runtime)
    assert refused.value.code == "onnx"
    assert "other.onnx" in str(refused.value)


def test_a_large_picture_is_seen_in_tiles_and_each_face_once() -> None:
    pixels = np.zeros((1000, 2600, 3), np.uint8)
    corners = [(40, 30), (TILE - 30, 300), (TILE - OVERLAP + 10, 600), (2500, 900)]
    for x, y in corners:
        pixels[y : y + 60, x : x + 60] = 255
    network = Squares()
    found = find(network, [image(pixels)], [16.0])  # type: ignore[arg-type]
    assert max(max(size) for size in network.seen) <= TILE
    assert all(side % 32 == 0 for size in network.seen for side in size)
    boxes = sorted(found.boxes.tolist())
    expected = sorted([x + 1, y + 1, x + 60, y + 60] for x, y in corners)
    np.testing.assert_allclose(boxes, expected, rtol=0, atol=3)


@pytest.mark.parametrize(
    ("width", "height", "min_face", "longer"),
    [
        (250, 250, 40.0, 160),
        (100, 60, 40.0, 100),
        (1280, 720, 40.0, 512),
        (4000, 3000, 80.0, 800),
        (500, 300, 12.0, 500),
    ],
)
def test_a_picture_is_shrunk_so_far_that_the_smallest_face_is_still_seen(
    width: int, height: int, min_face: float, longer: int
) -> None:
    (pixels, scale), *further = yunet_search._sizes(image(np.zeros((height, width, 3), np.uint8)), min_face)
    assert max(pixels.shape) == longer
    assert scale == pytest.approx((width / longer, width / longer), rel=0.01)
    sides = [max(smaller.shape) for smaller, _ in further]
    assert all(before >= 2 * after for before, after in zip([longer, *sides], sides, strict=False))
    assert min([longer, *sides]) <= yunet_search.COARSEST


def test_faces_much_smaller_than_sought_are_left_out() -> None:
    pixels = np.zeros((400, 400, 3), np.uint8)
    pixels[50:62, 50:62] = pixels[200:240, 200:240] = 255
    found = find(Squares(), [image(pixels)], [40.0])  # type: ignore[arg-type]
    assert len(found) == 1
    assert found.boxes[0, 0] == pytest.approx(201, abs=3)


@pytest.mark.parametrize("min_face", [11.9, 0, -1, float("nan"), float("inf")])
def test_the_smallest_face_has_a_least_size(weights: Path, min_face: float) -> None:
    with pytest.raises(ValueError, match="min_face"):
        YunetDetector(weights, min_face=min_face)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_an_error(weights: Path) -> None:
    with pytest.raises(DeviceError):
        YunetDetector(weights, device="cuda")
