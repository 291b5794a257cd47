"""MiniFASNet from minivision's Silent-Face-Anti-Spoofing (2020): liveness detection of faces.

A MobileFaceNet with most channels pruned, so that each block has its own width. In the variants with SE the last of
each run of residual blocks has squeeze and excitation (Hu et al., 2018, arXiv:1709.01507). Here batch normalisation is
folded into the layer before it, and the linear layers at the end into one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from faceid.networks.backbones.torch_format import read_state
from faceid.networks.errors import WeightsFormat

VERSION = 1

LIVE = 1
"""The class of live faces; the others are kinds of presentation attacks."""

# Of the published blocks in their order: name, channels in and out, stride. Stride 2 has no residual connection.
BLOCKS = (
    ("conv_23", 32, 64, 2),
    *((f"conv_3.model.{number}", 64, 64, 1) for number in range(4)),
    ("conv_34", 64, 128, 2),
    *((f"conv_4.model.{number}", 128, 128, 1) for number in range(6)),
    ("conv_45", 128, 128, 2),
    *((f"conv_5.model.{number}", 128, 128, 1) for number in range(2)),
)

# The channels between the 1x1 convolutions of each block, after pruning.
_V2 = (103, 13, 13, 13, 13, 231, 231, 52, 26, 77, 26, 26, 308, 26, 26)
_V1 = (103, 13, 26, 13, 52, 231, 154, 52, 26, 52, 26, 26, 308, 26, 26)

ATTENTIVE = frozenset({"conv_3.model.3", "conv_4.model.5", "conv_5.model.1"})
_REDUCTION = 4


@dataclass(frozen=True, slots=True)
class Variant:
    """`hidden` are the widths of the blocks, `attentive` says whether some have squeeze and excitation.

    A picture of 16 times `kernel` pixels a side shrinks to `kernel`, which the last convolution covers.
    """

    hidden: tuple[int, ...]
    attentive: bool
    kernel: int = 5
    classes: int = 3


V2, V1SE = Variant(_V2, attentive=False), Variant(_V1, attentive=True)
V2SE = Variant(_V2, attentive=True, kernel=8, classes=2)

_EPSILON = 1e-5
"""The epsilon of torch's batch normalisation."""


class Unit(nn.Module):
    """A convolution of `kernel` x `kernel`, depthwise or not, and a PReLU where `prelu`."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        depthwise: bool = False,
        prelu: bool = True,
        same: bool = True,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            inputs,
            outputs,
            kernel,
            stride=stride,
            padding=kernel // 2 if same else 0,
            groups=inputs if depthwise else 1,
        )
        self.activation = nn.PReLU(outputs) if prelu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h / stride, w / stride)."""
        y: Tensor = self.activation(self.convolution(x))
        return y


class Attention(nn.Module):
    """Squeeze and excitation: each channel times a weight in 0..1, computed from the means of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // _REDUCTION, 1)
        self.excite = nn.Conv2d(channels // _REDUCTION, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) -> the same shape."""
        means = x.mean((2, 3), keepdim=True)
        weights: Tensor = self.excite(self.squeeze(means).relu()).sigmoid()
        return x * weights


class Block(nn.Module):
    """MobileNetV2's inverted residual with PReLUs: wide, depthwise, narrow and linear."""

    def __init__(self, inputs: int, hidden: int, outputs: int, *, stride: int, attentive: bool) -> None:
        super().__init__()
        self.units = nn.Sequential(
            Unit(inputs, hidden),
            Unit(hidden, hidden, 3, stride=stride, depthwise=True),
            Unit(hidden, outputs, prelu=False),
        )
        self.attention = Attention(outputs) if attentive else nn.Identity()
        self.residual = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h / stride, w / stride)."""
        y: Tensor = self.attention(self.units(x))
        return x + y if self.residual else y


class MiniFASNet(nn.Module):
    """(n, 3, 16 kernel, 16 kernel) RGB 0..255 -> (n, classes) logits, of which LIVE is a live face's."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.stem = nn.Sequential(Unit(3, 32, 3, stride=2), Unit(32, 32, 3, depthwise=True))
        self.blocks = nn.Sequential(
            *(
                Block(
                    inputs, hidden, outputs, stride=stride, attentive=variant.attentive and name in ATTENTIVE
                )
                for (name, inputs, outputs, stride), hidden in zip(BLOCKS, variant.hidden, strict=True)
            )
        )
        # Covers the whole picture, with separate weights for each channel.
        self.top = nn.Sequential(
            Unit(128, 512), Unit(512, 512, variant.kernel, depthwise=True, prelu=False, same=False)
        )
        self.head = nn.Linear(512, variant.classes)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of a batch of crops."""
        logits: Tensor = self.head(self.top(self.blocks(self.stem(x))).flatten(1))
        return logits


def convert(path: Path) -> dict[str, Tensor]:
    """The state of V2 or V1SE from a published `.pth`. Raises WeightsFormat, and OSError."""
    published = {key.removeprefix("module."): value.double() for key, value in read_state(path).items()}
    try:
        return _folded(published)
    except WeightsFormat as error:
        raise WeightsFormat(f"{path.name} holds another network: {error}", path=str(path)) from error


def build(state: Mapping[str, Tensor]) -> nn.Module:
    """The network with the weights of `state`, in evaluation mode. Raises RuntimeError for another state."""
    attentive = any(".attention." in key for key in state)
    two_classes = len(state.get("head.bias", ())) == V2SE.classes
    with torch.device("meta"):
        network = MiniFASNet(V2SE if two_classes else V1SE if attentive else V2)
    network.load_state_dict(state, assign=True)
    return network.eval()


def _folded(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state of the folded network; `published`, in double precision, is emptied. Raises WeightsFormat."""
    attentive = any(".se_module." in key for key in published)
    state = _unit(published, "conv1", "stem.0") | _unit(published, "conv2_dw", "stem.1")
    # The published weights are for BGR.
    state["stem.0.convolution.weight"] = state["stem.0.convolution.weight"].flip(1)
    for number, (name, *_) in enumerate(BLOCKS):
        for place, part in enumerate(("conv", "conv_dw", "project")):
            state |= _unit(published, f"{name}.{part}", f"blocks.{number}.units.{place}")
        if attentive and name in ATTENTIVE:
            for layer, ours in (("1", "squeeze"), ("2", "excite")):
                weight = _take(published, f"{name}.se_module.fc{layer}.weight")
                slope, shift = _normalisation(published, f"{name}.se_module.bn{layer}")
                key = f"blocks.{number}.attention.{ours}"
                state |= {f"{key}.weight": weight * slope[:, None, None, None], f"{key}.bias": shift}
    state |= _unit(published, "conv_6_sep", "top.0") | _unit(published, "conv_6_dw", "top.1")
    slope, shift = _normalisation(published, "bn")
    last = _take(published, "prob.weight")
    state |= {"head.weight": (last * slope) @ _take(published, "linear.weight"), "head.bias": last @ shift}
    if published:
        raise WeightsFormat(f"{min(published)} is not a part of MiniFASNet")
    return checked({key: value.float() for key, value in state.items()}, V1SE if attentive else V2)


def checked(state: dict[str, Tensor], variant: Variant) -> dict[str, Tensor]:
    """`state`, complete, finite, and of the shapes of `variant`. Raises WeightsFormat."""
    with torch.device("meta"):
        expected = MiniFASNet(variant).state_dict()
    for key, value in state.items():
        if key not in expected or value.shape != expected[key].shape:
            raise WeightsFormat(f"{key} has the shape {tuple(value.shape)}")
        if not value.isfinite().all():
            raise WeightsFormat(f"{key} is not finite")
    return state


def _unit(published: dict[str, Tensor], name: str, ours: str) -> dict[str, Tensor]:
    """A convolution with folded normalisation, and the slopes of its PReLU if it has one."""
    weight = _take(published, f"{name}.conv.weight")
    slope, shift = _normalisation(published, f"{name}.bn")
    if weight.dim() != 4 or len(weight) != len(slope):
        raise WeightsFormat(f"{name}.conv.weight has the shape {tuple(weight.shape)}")
    state = {
        f"{ours}.convolution.weight": weight * slope[:, None, None, None],
        f"{ours}.convolution.bias": shift,
    }
    if f"{name}.prelu.weight" in published:
        state[f"{ours}.activation.weight"] = _take(published, f"{name}.prelu.weight")
    return state


def _normalisation(published: dict[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """Batch normalisation as slope and shift."""
    published.pop(f"{name}.num_batches_tracked", None)
    gain, bias, mean, variance = (
        _take(published, f"{name}.{key}") for key in ("weight", "bias", "running_mean", "running_var")
    )
    slope = gain / (variance + _EPSILON).sqrt()
    return slope, bias - mean * slope


def _take(published: dict[str, Tensor], key: str) -> Tensor:
    if key not in published:
        raise WeightsFormat(f"{key} is missing")
    return published.pop(key)
