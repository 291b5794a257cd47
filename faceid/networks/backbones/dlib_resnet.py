"""dlib's face recognition network: a ResNet (He et al., 2016) of 29 convolutions, metric-learned, 128-D.

D. King, "High Quality Face Recognition with Deep Metric Learning", dlib blog, 2017. The affine layers of batch
normalisation are folded into the convolutions before them, and the normalisation of the input into the first
convolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from faceid.networks.backbones.dlib_format import (
    AddMarked,
    Affine,
    Convolution,
    Dense,
    Layer,
    Mark,
    MaxPool,
    MeanPool,
    Network,
    Relu,
    parse,
)
from faceid.networks.errors import WeightsFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_Kind = TypeVar("_Kind", bound=Layer)

VERSION = 2
SIZE = 150

_SCALE = 256.0
"""The divisor of dlib's input layer after subtracting the mean; a constant that is not in the file."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """`blocks` residual blocks of `channels`; a `halved` stage begins with a step to half the resolution."""

    channels: int
    blocks: int
    halved: bool


_STAGES = (
    _Stage(32, 3, halved=False),
    _Stage(64, 4, halved=True),
    _Stage(128, 3, halved=True),
    _Stage(256, 3, halved=True),
    _Stage(256, 1, halved=True),
)


class Block(nn.Module):
    """relu(convolutions(x) + x). A halved block averages x over 2x2; the smaller addend is padded with zeros."""

    def __init__(self, inputs: int, channels: int, *, halved: bool) -> None:
        super().__init__()
        self.halved = halved
        self.first = (
            nn.Conv2d(inputs, channels, 3, stride=2, padding=0) if halved else _same(inputs, channels)
        )
        self.second = _same(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, channels, h, w), or half of h and w, rounded down."""
        # In place: at this size a new tensor for each step costs as much as the step.
        y = self.second(functional.relu_(self.first(x)))
        if self.halved:
            x = functional.avg_pool2d(x, 2)
            x, y = _grown(x, y), _grown(y, x)
        return functional.relu_(y.add_(x))


class DlibResnet(nn.Module):
    """(n, 3, 150, 150) RGB 0..255 -> (n, dim); the published one's 128 are of norm 1.2 to 1.6 for faces."""

    def __init__(self, dim: int = 128) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, _STAGES[0].channels, 7, stride=2)
        blocks: list[nn.Module] = []
        inputs = _STAGES[0].channels
        for stage in _STAGES:
            for number in range(stage.blocks):
                blocks.append(Block(inputs, stage.channels, halved=stage.halved and number == 0))
                inputs = stage.channels
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(inputs, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The raw embeddings of a batch of crops."""
        x = functional.max_pool2d(functional.relu_(self.stem(x)), 3, stride=2)
        embeddings: Tensor = self.head(self.blocks(x).mean(dim=(2, 3)))
        return embeddings


def convert(path: Path) -> dict[str, Tensor]:
    """The state of a DlibResnet from dlib's `.dat`. Raises WeightsFormat, and OSError."""
    network = parse(path.read_bytes())
    if network.size != (SIZE, SIZE):
        raise WeightsFormat(f"the network in {path.name} takes {network.size}, not {SIZE}x{SIZE} pixels")
    layers = _Layers(network)
    state = _normalising(_folded("stem", layers, stride=2, padding=0), network.mean)
    layers.expect(Relu())
    layers.expect(MaxPool(window=(3, 3), stride=(2, 2), padding=(0, 0)))
    halved = [stage.halved and number == 0 for stage in _STAGES for number in range(stage.blocks)]
    for number, halves in enumerate(halved):
        layers.expect(Mark())
        state |= _folded(
            f"blocks.{number}.first", layers, stride=2 if halves else 1, padding=0 if halves else 1
        )
        layers.expect(Relu())
        state |= _folded(f"blocks.{number}.second", layers, stride=1, padding=1)
        if halves:
            layers.expect(Mark())
            layers.expect(Mark())
            layers.expect(MeanPool(window=(2, 2), stride=(2, 2), padding=(0, 0)))
        layers.expect(AddMarked())
        layers.expect(Relu())
    layers.expect(MeanPool(window=(0, 0), stride=(1, 1), padding=(0, 0)))
    state["head.weight"] = torch.tensor(layers.take(Dense).weight.T)
    layers.expect_end()
    return state


def build(state: Mapping[str, Tensor]) -> nn.Module:
    """The network with the weights of `state`, in evaluation mode.

    Raises RuntimeError, or KeyError, for another state.
    """
    with torch.device("meta"):
        network = DlibResnet(len(state["head.weight"]))
    network.load_state_dict(state, assign=True)
    return network.eval()


class _Layers:
    """The layers of a network, taken one after the other; every method raises WeightsFormat."""

    def __init__(self, network: Network) -> None:
        self._layers = network.layers
        self._next = 0

    def take(self, kind: type[_Kind]) -> _Kind:
        """The next layer, which must be of `kind`."""
        layer = self._layers[self._next] if self._next < len(self._layers) else None
        if not isinstance(layer, kind):
            raise self._bad(f"{type(layer).__name__} instead of {kind.__name__}")
        self._next += 1
        return layer

    def expect(self, layer: Layer) -> None:
        """The next layer must be `layer`."""
        found = self.take(type(layer))
        if found != layer:
            raise self._bad(f"{found} instead of {layer}")

    def expect_end(self) -> None:
        """No layer may follow."""
        if self._next != len(self._layers):
            raise self._bad("layers follow the last")

    def _bad(self, complaint: str) -> WeightsFormat:
        return WeightsFormat(f"not dlib's face recognition network: at layer {self._next}, {complaint}")


def _folded(name: str, layers: _Layers, *, stride: int, padding: int) -> dict[str, Tensor]:
    """A convolution and the affine layer after it as one convolution: gamma * (W x + b) + beta."""
    convolution, affine = layers.take(Convolution), layers.take(Affine)
    if convolution.stride != (stride, stride) or convolution.padding != (padding, padding):
        raise WeightsFormat(f"not dlib's face recognition network: {name} has another stride or padding")
    if affine.gamma.shape != convolution.bias.shape:
        raise WeightsFormat(f"not dlib's face recognition network: {name} has another number of channels")
    return {
        f"{name}.weight": torch.tensor(convolution.weight * affine.gamma[:, None, None, None]),
        f"{name}.bias": torch.tensor(convolution.bias * affine.gamma + affine.beta),
    }


def _normalising(stem: Mapping[str, Tensor], mean: Sequence[float]) -> dict[str, Tensor]:
    """The stem, which is not padded, for pixels x in place of (x - mean) / 256: W' = W / 256, b' = b - W' mean."""
    weight = stem["stem.weight"].double() / _SCALE
    shift = (weight * torch.tensor(mean, dtype=torch.float64)[:, None, None]).sum(dim=(1, 2, 3))
    return {"stem.weight": weight.float(), "stem.bias": (stem["stem.bias"] - shift).float()}


def _same(inputs: int, channels: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, channels, 3, padding=1)


def _grown(x: Tensor, other: Tensor) -> Tensor:
    """`x` with zeros at the end of each dimension in which `other` (n, c, h, w) is larger."""
    channels, height, width = (max(0, other.shape[axis] - x.shape[axis]) for axis in (1, 2, 3))
    return functional.pad(x, (0, width, 0, height, 0, channels)) if channels or height or width else x
