"""A light network that trains on a CPU: a narrow residual network (He et al., 2016) of 0.8 M parameters.

It has plain 3x3 convolutions, which are fast on CPUs, on a picture that is first reduced to `side` pixels; PReLUs; and
instead of a mean the depthwise convolution of MobileFaceNet (Chen et al., 2018), which weighs the parts of an aligned
face. It is trained with a batch normalisation after each convolution (`faceid.networks.training.norms`); here these are
folded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceid.networks.errors import WeightsFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
SIZE = 112
SIDES = (64, 80, 96, 112)
"""The possible sides of the reduced picture, pixels: multiples of 16, the factor of the network's own reduction."""

_MEAN, _SCALE = 127.5, 128.0
_STEM = 24
_CHANNELS = (24, 40, 72, 128)


class Block(nn.Module):
    """prelu(convolutions(x) + shortcut(x)); the shortcut of a `halved` block is a 1x1 convolution of stride 2."""

    def __init__(self, inputs: int, channels: int, *, halved: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, channels, 3, stride=2 if halved else 1, padding=1)
        self.activation = nn.PReLU(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, channels, 1, stride=2) if halved else nn.Identity()
        self.last = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, channels, h, w), or half of h and w."""
        y: Tensor = self.last(self.second(self.activation(self.first(x))) + self.shortcut(x))
        return y


class LightNet(nn.Module):
    """(n, 3, 112, 112) RGB 0..255 -> (n, dim). `side`, one of SIDES, is kept with the weights."""

    side: Tensor

    def __init__(self, dim: int, side: int = 64) -> None:
        super().__init__()
        self.register_buffer("side", torch.tensor(side))
        self._reduced = side
        self.stem = nn.Conv2d(3, _STEM, 3, stride=2, padding=1)
        self.activation = nn.PReLU(_STEM)
        blocks: list[nn.Module] = []
        inputs = _STEM
        for number, channels in enumerate(_CHANNELS):
            blocks += [Block(inputs, channels, halved=number > 0), Block(channels, channels, halved=False)]
            inputs = channels
        self.blocks = nn.Sequential(*blocks)
        self.weighing = nn.Conv2d(inputs, inputs, side // 16, groups=inputs)
        self.head = nn.Conv2d(inputs, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The raw embeddings of a batch of crops."""
        if self._reduced != SIZE:
            # Means of areas: from 112 to 64 pixels, plain interpolation would skip some pixels.
            x = functional.interpolate(x, size=(self._reduced, self._reduced), mode="area")
        x = self.activation(self.stem((x - _MEAN) / _SCALE))
        embeddings: Tensor = self.head(self.weighing(self.blocks(x)))
        return embeddings.flatten(1)


def convert(path: Path) -> dict[str, Tensor]:
    """This network has no other published form: raises WeightsFormat."""
    raise WeightsFormat(f"{path.name} is no file of safetensors", path=str(path))


def build(state: Mapping[str, Tensor]) -> nn.Module:
    """The network with the weights of `state`, in evaluation mode.

    Raises RuntimeError, or KeyError, for another state.
    """
    network = LightNet(len(state["head.weight"]), int(state["side"]))
    network.load_state_dict(state, assign=True)
    return network.eval()
