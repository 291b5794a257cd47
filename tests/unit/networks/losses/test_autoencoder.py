"""The autoencoder: shapes, its loss, and that its encoder learns to tell pictures apart."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from faceid.networks.losses.autoencoder import Autoencoder


def flat(pixels: int, size: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, size))


@pytest.mark.parametrize(("channels", "side", "size"), [(1, 28, 8), (3, 64, 128)])
def test_pictures_come_back_in_their_shape(channels: int, side: int, size: int) -> None:
    network = Autoencoder(flat(channels * side**2, size), channels=channels, side=side, embedding_size=size)
    pictures = torch.rand(2, channels, side, side)
    back = network.decoder(network.encoder(pictures))
    assert back.shape == pictures.shape
    assert network(pictures).item() == pytest.approx((back - pictures).square().mean().item())


def test_loss_is_the_mean_squared_error() -> None:
    network = Autoencoder(flat(64, 2), channels=1, side=8, embedding_size=2)
    for parameter in network.parameters():
        parameter.data.zero_()
    # All zero before the sigmoid: every pixel comes back as a half.
    pictures = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 1, 8, 8)
    assert network(pictures).item() == pytest.approx(0.25)
    assert network(torch.full((1, 1, 8, 8), 0.5)).item() == pytest.approx(0.0)


def test_its_encoder_learns_to_tell_pictures_apart_without_labels() -> None:
    torch.manual_seed(1)
    pictures = (torch.rand(4, 1, 8, 8) < 0.5).float()
    encoder = flat(64, 4)
    network = Autoencoder(encoder, channels=1, side=8, embedding_size=4)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    before, apart = network(pictures).item(), torch.pdist(encoder(pictures)).min().item()
    for _ in range(60):
        optimiser.zero_grad()
        network(pictures).backward()
        optimiser.step()
    assert network(pictures).item() < before / 3
    assert torch.pdist(encoder(pictures)).min().item() > 2 * apart


def test_sides_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 4, not 105"):
        Autoencoder(nn.Identity(), channels=1, side=105, embedding_size=8)
