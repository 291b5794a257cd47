"""FaceNet's Inception-ResNet-v1 (Schroff et al., 2015; Szegedy et al., 2017), 512-D, in the version of facenet-pytorch.

Batch normalisation is folded into the convolutions before it. facenet_pytorch is imported when a network is built: it
also imports torchvision, which takes more than a second and which no other network needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from faceid.networks.backbones.torch_format import read_state
from faceid.networks.errors import WeightsFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1

_MEAN, _SCALE = 127.5, 128.0


class FaceNet(nn.Module):
    """(n, 3, 160, 160) RGB 0..255 -> (n, dim), of unit length: this network normalises by itself."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """The embeddings of a batch of crops."""
        embeddings: Tensor = self.network((x - _MEAN) / _SCALE)
        return embeddings


def convert(path: Path) -> dict[str, Tensor]:
    """The state of a FaceNet, without its classifier, from facenet-pytorch's `.pt`.

    Raises WeightsFormat, and OSError.
    """
    state = read_state(path)
    network = _skeleton()
    try:
        network.load_state_dict(
            {key: value for key, value in state.items() if not key.startswith("logits.")}, assign=True
        )
    except RuntimeError as error:
        raise WeightsFormat(f"{path.name} holds another network: {error}", path=str(path)) from error
    return FaceNet(folded(network)).state_dict()


def build(state: Mapping[str, Tensor]) -> nn.Module:
    """The network with the weights of `state`, in evaluation mode.

    Raises RuntimeError, or KeyError, for another state.
    """
    network = FaceNet(folded(_skeleton(len(state["network.last_linear.weight"]))))
    network.load_state_dict(state, assign=True)
    return network.eval()


def skeleton(dim: int = 512) -> nn.Module:
    """The published network, as facenet-pytorch makes it, for embeddings of `dim` numbers."""
    from facenet_pytorch import InceptionResnetV1

    network = cast("nn.Module", InceptionResnetV1(pretrained=None, classify=False))
    if dim != 512:
        network.last_linear = nn.Linear(1792, dim, bias=False)
        network.last_bn = nn.BatchNorm1d(dim, eps=0.001, momentum=0.1, affine=True)
    return network


def _skeleton(dim: int = 512) -> nn.Module:
    """The same network in evaluation mode, without weights."""
    with torch.device("meta"):
        return skeleton(dim).eval()


def folded(network: nn.Module) -> nn.Module:
    """The same function without batch normalisation; `network` must not be used afterwards."""
    for unit in list(network.modules()):
        convolution, norm = getattr(unit, "conv", None), getattr(unit, "bn", None)
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, _BatchNorm):
            unit.conv, unit.bn = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    linear, norm = network.get_submodule("last_linear"), network.get_submodule("last_bn")
    network.last_linear = fuse_linear_bn_eval(cast("nn.Linear", linear), cast("nn.BatchNorm1d", norm))
    network.last_bn = nn.Identity()
    return network
