"""A small network that tells characters apart, and one training of it.

The trainer of `faceid.networks.training` is for aligned faces: crops of 112 pixels, of which the mirror images are the
same person. A mirrored character is another one, and 28 pixels are enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from torch import Tensor, nn
from torch.nn import functional

from faceid.networks.losses.autoencoder import Autoencoder
from faceid.networks.losses.factory import make_loss
from faceid.networks.losses.loss import LossValue
from faceid.networks.losses.settings import LossSettings
from faceid.networks.mining.batches import IdentityBatches
from scripts.studies.omniglot.data import SIDE, Drawings

CHARACTERS, DRAWINGS = 16, 4
RATE = 2e-3
_WIDTH = 32
_ANGLE, _STRETCH, _SHIFT = 10.0, 0.1, 0.07
"""How far a drawing is turned (degrees), stretched and shifted (share of half a side) while it is learnt from."""


class CharacterNet(nn.Module):
    """(n, 28, 28) uint8 -> (n, dim): four times convolution, maximum, normalisation, ReLU (Vinyals et al. 2016).

    Of 32 channels in place of 64, and with the maximum before the normalisation, which has a quarter to do then. The
    body is made before the head, and begins the same for every `dim`.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for inputs in (1, _WIDTH, _WIDTH, _WIDTH):
            blocks += [
                nn.Conv2d(inputs, _WIDTH, 3, padding=1, bias=False),
                nn.MaxPool2d(2),
                nn.BatchNorm2d(_WIDTH),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*blocks, nn.Flatten())
        self.head = nn.Linear(_WIDTH, dim)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """The raw embeddings of a batch of (n, 1, 28, 28) in 0..1."""
        embeddings: Tensor = self.head(self.body(x.contiguous(memory_format=torch.channels_last)))
        return embeddings


class Labelled(nn.Module):
    """A loss over the embeddings of a network and their labels."""

    def __init__(self, network: CharacterNet, loss: nn.Module) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """The value for a batch."""
        found = self.loss(self.network(pictures), labels)
        value: Tensor = found.value if isinstance(found, LossValue) else found
        return value


class Unlabelled(nn.Module):
    """The loss of an autoencoder of which a network is the encoder, whatever the labels."""

    def __init__(self, network: CharacterNet) -> None:
        super().__init__()
        dim = network.head.out_features
        self.autoencoder = Autoencoder(network, channels=1, side=SIDE, embedding_size=dim)

    def forward(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """The value for a batch."""
        value: Tensor = self.autoencoder(pictures)
        return value


@dataclass(frozen=True)
class Way:
    """A way to learn: `objective` makes of a network what is minimised, a module of a batch's pictures and labels.

    Embeddings are compared at unit length, or, where not `unit`, as they are. `rate` is the learning rate at its
    highest.
    """

    name: str
    objective: Callable[[CharacterNet], nn.Module]
    unit: bool = True
    rate: float = RATE


def _by(name: str, **parameters: Any) -> Callable[[CharacterNet], nn.Module]:
    """A loss of `faceid.networks.losses`, over embeddings of unit length."""
    settings = LossSettings(name, **parameters)
    return lambda network: Labelled(
        network, make_loss(settings, embedding_size=network.head.out_features, classes=0)
    )


def _free(network: CharacterNet) -> nn.Module:
    """The triplet loss over all triplets of a batch, as pytorch-metric-learning has it, over any length."""
    distance = LpDistance(p=2, power=1, normalize_embeddings=False)
    return Labelled(network, TripletMarginLoss(margin=0.2, distance=distance))


WAYS = (
    Way("triplet, cosine", _by("triplet", distance="cosine", mining="all")),
    Way("triplet, L2", _by("triplet", distance="l2", mining="all")),
    Way("triplet, L2 of any length", _free, unit=False),
    Way("contrastive, L2", _by("contrastive", distance="l2")),
    # Of this rate and RATE the better one on the alphabets learnt from (seed 0, 64 numbers): 33.7 against 31.4 %.
    Way("autoencoder", Unlabelled, rate=5e-3),
)


def train(way: Way, drawings: Drawings, *, dim: int, seed: int, steps: int) -> tuple[CharacterNet, float]:
    """A network that has learnt from `drawings`, in evaluation mode, and the mean loss of its last tenth of steps."""
    torch.manual_seed(seed)
    network = CharacterNet(dim)
    objective = way.objective(network)
    optimiser = torch.optim.Adam(objective.parameters(), lr=way.rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=way.rate, total_steps=steps)
    batches = IdentityBatches(drawings.labels.tolist(), identities=CHARACTERS, photos=DRAWINGS, seed=seed)
    pixels, labels = torch.from_numpy(drawings.pixels), torch.from_numpy(drawings.labels)
    # Of its own, so that every way learns from the same pictures, whatever it draws.
    generator = torch.Generator().manual_seed(seed)
    values = []
    for step in range(steps):
        places = batches.batch(*divmod(step, len(batches)))
        value = objective(moved(as_input(pixels[places]), generator), labels[places])
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
        values.append(float(value.detach()))
    return network.eval(), float(np.mean(values[-max(1, steps // 10) :]))


def embed(network: CharacterNet, way: Way, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, dim) float32: of unit length, unless `way` compares them as they are."""
    with torch.inference_mode():
        parts = [network(as_input(part)) for part in torch.from_numpy(pixels).split(256)]
        raw = torch.cat(parts)
        return (functional.normalize(raw) if way.unit else raw).numpy()


def as_they_are(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, s, s) to (n, s * s) float32: pictures in place of embeddings, of unit length."""
    return functional.normalize(as_input(torch.from_numpy(pixels)).flatten(1)).numpy()


def l2(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """(m, d) and (n, d) to (m, n) distances. At unit length cosine puts them in the same order."""
    distances = torch.cdist(torch.from_numpy(first).double(), torch.from_numpy(second).double())
    result: NDArray[np.float64] = distances.numpy()
    return result


def moved(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """(n, 1, s, s), each turned, stretched and shifted a little, by as much as `generator` draws."""
    drawn = torch.rand(len(pictures), 4, generator=generator) * 2 - 1
    angle = drawn[:, 0] * math.radians(_ANGLE)
    scale = 1 + drawn[:, 1] * _STRETCH
    turned = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
    to = torch.cat([turned * scale.view(-1, 1, 1), drawn[:, 2:, None] * _SHIFT], dim=2)
    grid = functional.affine_grid(to, list(pictures.shape), align_corners=False)
    return functional.grid_sample(pictures, grid, align_corners=False)


def as_input(pixels: Tensor) -> Tensor:
    """(n, s, s) uint8 to (n, 1, s, s) float32, 0..1."""
    return pixels.unsqueeze(1).float() / 255
