"""What embedders share: refusing crops, batching, mirroring, bringing to unit length."""

from __future__ import annotations

import numpy as np
import pytest

from faceid.errors import ModelError
from faceid.recognition.embed.crops import batches, check_crops, mirrored, unit
from faceid.types import Crop, ModelKey

KEY = ModelKey("m", "0" * 64, "dlib-150-v1", 3, "cosine")


def crop(value: int = 0, side: int = 4, aligner: str = "dlib-150-v1") -> Crop:
    return Crop(np.full((side, side, 3), value, np.uint8), aligner, 1.0)


def test_crops_come_in_order_and_in_batches() -> None:
    found = list(batches([crop(value) for value in range(5)], 2))
    assert [batch.shape for batch in found] == [(2, 4, 4, 3), (2, 4, 4, 3), (1, 4, 4, 3)]
    assert [int(picture[0, 0, 0]) for batch in found for picture in batch] == [0, 1, 2, 3, 4]


def test_a_mirror_exchanges_left_and_right_only() -> None:
    pixels = np.arange(2 * 2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 2, 3)
    np.testing.assert_array_equal(mirrored(pixels)[:, :, 0], pixels[:, :, 1])
    np.testing.assert_array_equal(mirrored(mirrored(pixels)), pixels)


@pytest.mark.parametrize(
    "wrong",
    [
        crop(aligner="arcface-112-v1"),
        crop(side=5),
        Crop(np.zeros((4, 4, 3), np.float32), "dlib-150-v1", 1.0),  # type: ignore[arg-type]
    ],
)
def test_a_crop_that_the_network_does_not_take(wrong: Crop) -> None:
    with pytest.raises(ModelError, match="m takes") as caught:
        check_crops([crop(), wrong], KEY, 4)
    assert caught.value.code == "wrong_crop"


def test_rows_of_unit_length() -> None:
    vectors = unit(np.array([[3, 0, 4], [0, -2, 0]], np.float32), KEY)
    np.testing.assert_allclose(vectors, [[0.6, 0, 0.8], [0, -1, 0]], atol=1e-7)
    assert vectors.dtype == np.float32
    assert unit(np.empty((0, 3), np.float32), KEY).shape == (0, 3)


@pytest.mark.parametrize("row", [[0, 0, 0], [np.nan, 1, 1], [np.inf, 1, 1]])
def test_a_vector_that_means_nothing_is_refused(row: list[float]) -> None:
    with pytest.raises(ModelError, match="not finite, or zero"):
        unit(np.array([[1, 1, 1], row], np.float32), KEY)


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(ModelError, match="its card says 3"):
        unit(np.ones((1, 4), np.float32), KEY)
