"""Batch normalisation (Ioffe and Szegedy 2015) for the time of training.

The networks of models/backbones are those that are used: what normalisation a training leaves behind is folded into
the convolutions. A network from scratch gets it back for as long as it learns.
"""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from faceid.networks.backbones import facenet


class Normalised(nn.Module):
    """A convolution, without a bias of its own, and batch normalisation after it."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        convolution.bias = None
        self.convolution = convolution
        self.norm = nn.BatchNorm2d(convolution.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """What the convolution gives, normalised over the batch, or by what was seen while training."""
        y: Tensor = self.norm(self.convolution(x))
        return y


def with_norms(network: nn.Module) -> nn.Module:
    """`network`, which is changed, with a normalisation after each convolution."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                setattr(parent, name, Normalised(child))
    return network


def without_norms(network: nn.Module) -> nn.Module:
    """A copy that does the same in evaluation mode, in the form in which networks are kept and used."""
    plain = copy.deepcopy(network).eval()
    if isinstance(plain, facenet.FaceNet):
        facenet.folded(plain.network)
        return plain
    for parent in list(plain.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Normalised):
                setattr(parent, name, fuse_conv_bn_eval(child.convolution, child.norm))
    return plain
