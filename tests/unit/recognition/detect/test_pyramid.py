import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from faceid.recognition.detect.pyramid import Level, SummedImage, levels

CPU = torch.device("cpu")


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def area(pixels: np.ndarray, height: int, width: int) -> torch.Tensor:
    """What facenet-pytorch computes: (height, width, 3)."""
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None].to(torch.float64)
    return (interpolate(planes, size=(height, width), mode="area")[0].permute(1, 2, 0) - 127.5) / 128


@pytest.mark.parametrize(("height", "width"), [(50, 70), (31, 17), (12, 12), (49, 97), (100, 3)])
def test_levels_are_area_interpolation(height: int, width: int) -> None:
    pixels = noise(61, 83)
    image = SummedImage.of(pixels, CPU)
    whole = image.rows_of(Level(0.5, height, width), 0, height)
    torch.testing.assert_close(whole.double(), area(pixels, height, width), atol=1e-6, rtol=0)
    strip = image.rows_of(Level(0.5, height, width), 4, 9)
    assert torch.equal(strip, whole[4:9])


def test_crops_are_area_interpolation_reduced_and_enlarged() -> None:
    pixels = noise(90, 120)
    windows = np.array([(0, 0, 120, 90), (3, 5, 4, 6), (10, 20, 34, 44), (100, 2, 120, 90), (7, 8, 20, 15)])
    crops = SummedImage.of(pixels, CPU).crops(windows, 24)
    for (x1, y1, x2, y2), crop in zip(windows, crops, strict=True):
        expected = area(pixels[y1:y2, x1:x2], 24, 24)
        torch.testing.assert_close(crop.double(), expected, atol=1e-6, rtol=0)


def test_sums_may_wrap_around() -> None:
    pixels = np.full((4100, 4100, 3), 255, dtype=np.uint8)
    image = SummedImage.of(pixels, CPU)
    assert 255 * pixels.shape[0] * pixels.shape[1] > 2**31
    level = image.rows_of(Level(12 / 4100, 12, 12), 0, 12)
    torch.testing.assert_close(level, torch.full_like(level, 127.5 / 128), atol=1e-6, rtol=0)
    crop = image.crops(np.array([(0, 0, 4100, 4100)]), 24)
    torch.testing.assert_close(crop, torch.full_like(crop, 127.5 / 128), atol=1e-6, rtol=0)


def test_the_pyramid_ends_where_a_window_fills_the_picture() -> None:
    sizes = [(level.height, level.width) for level in levels(40, 80, 20)]
    assert sizes == [(25, 49), (18, 35), (13, 25)]
    assert list(levels(19, 500, 20)) == []
    assert list(levels(0, 500, 20)) == []
