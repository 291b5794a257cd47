"""Embeddings of crops by a network in training, computed as the embedders of the application do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from faceid.networks.training.samples import Samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 64


def embed(network: nn.Module, samples: Samples, device: torch.device) -> NDArray[np.float32]:
    """(n, d) float32 of unit length: each crop and its mirror image, raw embeddings added.

    The network is in evaluation mode meanwhile, and in its previous mode afterwards.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    rows = []
    with torch.inference_mode():
        for pixels in samples.parts(BATCH):
            batch = as_input(torch.from_numpy(pixels), device)
            raw = network(torch.cat([batch, batch.flip(3)])).float().unflatten(0, (2, len(batch))).sum(0)
            rows.append(functional.normalize(raw).cpu().numpy())
    for module, mode in modes:
        module.training = mode
    return np.concatenate(rows)


def as_input(pixels: Tensor, device: torch.device) -> Tensor:
    """(n, S, S, 3) uint8 as an input of networks: (n, 3, S, S) float32, 0..255, channels last."""
    return pixels.to(device, non_blocking=True).permute(0, 3, 1, 2).float()


def spread(embeddings: Tensor) -> float:
    """The variance of (n, d) embeddings at unit length: 1 if they point in all directions, 0 if all are equal.

    It is 1 - ||mean||^2, which is the sum of the variances of their numbers.
    """
    return 1.0 - float(functional.normalize(embeddings.detach()).mean(0).square().sum())
