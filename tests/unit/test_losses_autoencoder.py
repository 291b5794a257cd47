"""The autoencoder: shapes, its loss, and that it learns to give pictures back."""

from __future__ import annotations

import pytest
import torch

from models.losses.autoencoder import Autoencoder


@pytest.mark.parametrize(("channels", "side", "size"), [(1, 32, 8), (3, 64, 128)])
def test_shapes(channels: int, side: int, size: int) -> None:
    network = Autoencoder(channels=channels, side=side, embedding_size=size)
    pictures = torch.full((2, channels, side, side), 255.0)
    embeddings = network(pictures)
    assert embeddings.shape == (2, size)
    assert network.decoder(embeddings).shape == pictures.shape


def test_loss_is_the_mean_squared_error_on_a_scale_of_one() -> None:
    network = Autoencoder(channels=1, side=8, embedding_size=2)
    for parameter in network.parameters():
        parameter.data.zero_()
    # All zero before the sigmoid: every pixel comes back as a half.
    pictures = torch.tensor([0.0, 255.0]).reshape(2, 1, 1, 1).expand(2, 1, 8, 8)
    assert network.loss(pictures).item() == pytest.approx(0.25)
    assert network.loss(torch.full((1, 1, 8, 8), 127.5)).item() == pytest.approx(0.0)


def test_learns_to_tell_pictures_apart_without_labels() -> None:
    torch.manual_seed(1)
    pictures = 255.0 * (torch.rand(4, 1, 8, 8) < 0.5)
    network = Autoencoder(channels=1, side=8, embedding_size=4)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    before = network.loss(pictures).item()
    for _ in range(60):
        optimiser.zero_grad()
        network.loss(pictures).backward()
        optimiser.step()
    assert network.loss(pictures).item() < before / 3


def test_sides_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        Autoencoder(channels=1, side=105, embedding_size=8)
