"""The torch embedder around networks of one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from faceid.cli.messages import exit_code_of, hint_for
from faceid.errors import ModelError
from faceid.networks import registry
from faceid.recognition.embed.torch import TorchEmbedder, open_embedder
from faceid.types import Crop

CARD = replace(registry.card("dlib-resnet"), name="tiny", dim=6, input_size=4)


class Halves(nn.Module):
    """Mean colour of the left and of the right half: tells a crop from its mirror image."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        assert x.dtype == torch.float32
        assert x.is_contiguous(memory_format=torch.channels_last)
        self.batches.append(tuple(x.shape))
        return torch.cat([x[..., :2].mean(dim=(2, 3)), x[..., 2:].mean(dim=(2, 3))], dim=1)


def crops(count: int) -> list[Crop]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return [Crop(picture, CARD.aligner, 1.0) for picture in pixels]


def halves(crop: Crop) -> np.ndarray:
    return np.concatenate([crop.pixels[:, :2].mean(axis=(0, 1)), crop.pixels[:, 2:].mean(axis=(0, 1))])


def test_a_network_sees_rgb_from_0_to_255_channels_first() -> None:
    faces = crops(3)
    vectors = TorchEmbedder(Halves(), CARD, device="cpu", mirror=False).embed(faces)
    expected = np.stack([halves(face) for face in faces])
    np.testing.assert_allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-5)


def test_the_mirrored_crop_is_added_before_normalising() -> None:
    face = crops(1)[0]
    vector = TorchEmbedder(Halves(), CARD, device="cpu").embed([face])[0]
    total = halves(face) + halves(Crop(face.pixels[:, ::-1], CARD.aligner, 1.0))
    np.testing.assert_allclose(vector, total / np.linalg.norm(total), rtol=1e-5)
    mirror = Crop(np.ascontiguousarray(face.pixels[:, ::-1]), CARD.aligner, 1.0)
    np.testing.assert_allclose(
        TorchEmbedder(Halves(), CARD, device="cpu").embed([mirror])[0], vector, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("backbone", "batches"), [("dlib-resnet", [8, 8, 3]), ("mobilefacenet", [*[2] * 9, 1])], ids=str
)
def test_batches_fit_the_cpu(backbone: str, batches: list[int]) -> None:
    network, card = Halves(), replace(CARD, backbone=backbone)
    vectors = TorchEmbedder(network, card, device="cpu", mirror=False).embed(crops(19))
    assert vectors.shape == (19, 6)
    assert network.batches == [(count, 3, 4, 4) for count in batches]


class Constant(nn.Module):
    """Gives one number, whatever it sees."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return torch.full((len(x), 6), self.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_output_that_means_nothing_is_an_error(value: float) -> None:
    with pytest.raises(ModelError, match="tiny gave an embedding that is not finite, or zero"):
        TorchEmbedder(Constant(value), CARD, device="cpu").embed(crops(2))


def test_errors_of_the_models_package_are_ours(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="facenet-casia are not installed") as caught:
        open_embedder(registry.card("facenet-casia"), device="cpu", weights_dir=tmp_path)
    assert exit_code_of(caught.value) == 5
    assert caught.value.code == "weights_missing"
    assert hint_for(caught.value) == "faceid models pull facenet-casia"
