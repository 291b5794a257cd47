import numpy as np
import pytest
import torch
from torchvision.ops import nms

from faceid.recognition.detect.boxes import corrected, squared, suppressed, windows, without_nested


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def test_squares_keep_the_centre_and_the_longer_side() -> None:
    assert squared(boxes((0, 10, 10, 30))).tolist() == [[-5, 10, 15, 30]]


def test_corrections_are_in_box_sides() -> None:
    offsets = np.array([[0.5, 0, 0.5, -0.5]], dtype=np.float32)
    assert corrected(boxes((10, 10, 19, 19)), offsets).tolist() == [[15, 10, 24, 14]]
    assert corrected(boxes((10, 10, 20, 20)), offsets, inclusive=False).tolist() == [[15, 10, 25, 15]]


def test_windows_are_the_box_inside_its_picture() -> None:
    sizes = np.array([[100, 50]] * 4)
    found = windows(
        boxes((1, 1, 10, 10), (-5, -5, 200.9, 200.9), (2.9, 3.9, 4.9, 5.9), (150, 1, 160, 9)), sizes
    )
    assert found[:3].tolist() == [[0, 0, 10, 10], [0, 0, 100, 50], [1, 2, 4, 5]]
    assert found[3, 2] <= found[3, 0], "a box outside the picture has an empty window"


@pytest.mark.parametrize("threshold", [0.5, 0.7])
@pytest.mark.parametrize("whole", [True, False])
def test_suppression_is_torchvisions(threshold: float, whole: bool) -> None:
    random = np.random.default_rng(1)
    for count in (0, 1, 2, 30, 300):
        corner = random.integers(0, 150, (count, 2))
        some = np.hstack([corner, corner + random.choice([20, 28, 40, 56], count)[:, None]]).astype(
            np.float32
        )
        some += 0 if whole else random.normal(0, 2, some.shape).astype(np.float32)
        # Rounded: equal scores occur.
        scores = random.uniform(0.6, 1, count).round(2).astype(np.float32)
        expected = nms(torch.from_numpy(some), torch.from_numpy(scores), threshold).numpy()
        assert suppressed(some, scores, threshold).tolist() == expected.tolist()


def test_a_box_inside_another_goes() -> None:
    both = boxes((0, 0, 99, 99), (10, 10, 39, 39), (200, 0, 230, 30))
    scores = np.array([0.8, 0.9, 0.7], dtype=np.float32)
    assert without_nested(both, scores, 0.7).tolist() == [1, 2]
    assert suppressed(both, scores, 0.7).tolist() == [1, 0, 2], "which intersection over union spares"
