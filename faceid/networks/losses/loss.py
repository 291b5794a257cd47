"""The base class and the value of every loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class LossValue:
    """A loss over a batch.

    `value` is a scalar to differentiate. `active` is the share, 0..1, of the batch's tuples (triplets, pairs or
    samples) that still contribute: those with a loss above 0, or, for a loss that never reaches 0, those on the wrong
    side. A long 0 means that nothing is left to learn. A long 1, with a triplet loss that stays at the margin, means
    that all embeddings have become equal.
    """

    value: Tensor
    active: float


class EmbeddingLoss(nn.Module):
    """A loss over embeddings and their labels. Its parameters, if any, learn together with the network's."""

    def forward(self, embeddings: Tensor, labels: Tensor) -> LossValue:
        """The loss of (n, d) raw embeddings, floating, with (n,) int64 labels, at least in float32.

        Missing triplets and pairs (a batch of one class, or with no class twice) add 0, with gradients of 0. Raises
        ValueError for other shapes and types, and for an empty batch.
        """
        if embeddings.ndim != 2 or not len(embeddings) or not embeddings.is_floating_point():
            raise ValueError(
                f"embeddings must be (n, d), n above 0, and floating, not {_described(embeddings)}"
            )
        if labels.shape != embeddings.shape[:1] or labels.dtype != torch.int64:
            raise ValueError(f"labels must be ({len(embeddings)},) int64, not {_described(labels)}")
        # Squares of distances and exponentials overflow half precision, and pytorch-metric-learning casts the
        # parameters of its heads to the type of the embeddings.
        with torch.autocast(embeddings.device.type, enabled=False):
            if embeddings.dtype in (torch.float16, torch.bfloat16):
                embeddings = embeddings.float()
            return self.over(embeddings, labels)

    def over(self, embeddings: Tensor, labels: Tensor) -> LossValue:
        """`forward` for checked embeddings of float32 or float64."""
        raise NotImplementedError


def _described(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {tensor.dtype}".replace("torch.", "")
