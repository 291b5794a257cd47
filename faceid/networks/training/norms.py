"""Batch normalisation (Ioffe and Szegedy 2015) during training.

The networks of `faceid.networks.backbones` have the form for use: normalisation is folded into the convolutions. A
network from scratch has separate normalisation while it is trained.
"""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from faceid.networks.backbones import facenet


class Normalised(nn.Module):
    """A convolution without a bias, followed by batch normalisation."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        convolution.bias = None
        self.convolution = convolution
        self.norm = nn.BatchNorm2d(convolution.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """The output of the convolution, normalised over the batch, or by the statistics of the training."""
        y: Tensor = self.norm(self.convolution(x))
        return y


def with_norms(network: nn.Module) -> nn.Module:
    """Add a normalisation after each convolution of `network`, in place; returns it."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                setattr(parent, name, Normalised(child))
    return network


def without_norms(network: nn.Module) -> nn.Module:
    """A copy with the same function in evaluation mode, in the form for storage and use."""
    plain = copy.deepcopy(network).eval()
    if isinstance(plain, facenet.FaceNet):
        facenet.folded(plain.network)
        return plain
    for parent in list(plain.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Normalised):
                setattr(parent, name, fuse_conv_bn_eval(child.convolution, child.norm))
    return plain
