"""What every loss is, and the loss that settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from faceid.networks.losses.settings import LossSettings


@dataclass(frozen=True, slots=True)
class LossValue:
    """A loss over a batch.

    `value` is a scalar to differentiate. `active` is the share, 0..1, of the batch's tuples (triplets, pairs or
    samples) that still pull: those with a loss above 0, or, where a loss never reaches 0, those on the wrong side.
    0 for long means that nothing is left to learn; 1 for long, with a triplet loss that stays at the margin, that all
    embeddings have become one.
    """

    value: Tensor
    active: float


class EmbeddingLoss(nn.Module):
    """A loss over embeddings and their labels. Its parameters, where it has any, learn along with the network's."""

    def forward(self, embeddings: Tensor, labels: Tensor) -> LossValue:
        """The loss of (n, d) raw embeddings, floating, with (n,) int64 labels, at least in float32.

        Triplets and pairs that a batch does not hold (one class only, no class twice) add 0, of which gradients are 0.
        Raises ValueError for other shapes and types, and for an empty batch.
        """
        if embeddings.ndim != 2 or not len(embeddings) or not embeddings.is_floating_point():
            raise ValueError(
                f"embeddings must be (n, d), n above 0, and floating, not {_described(embeddings)}"
            )
        if labels.shape != embeddings.shape[:1] or labels.dtype != torch.int64:
            raise ValueError(f"labels must be ({len(embeddings)},) int64, not {_described(labels)}")
        # Squares of distances and exponentials are too much for half precision, and pytorch-metric-learning casts
        # the parameters of its heads to whatever the embeddings are.
        with torch.autocast(embeddings.device.type, enabled=False):
            if embeddings.dtype in (torch.float16, torch.bfloat16):
                embeddings = embeddings.float()
            return self.over(embeddings, labels)

    def over(self, embeddings: Tensor, labels: Tensor) -> LossValue:
        """`forward` for checked embeddings of float32 or float64."""
        raise NotImplementedError


def make_loss(settings: LossSettings, *, embedding_size: int, classes: int) -> EmbeddingLoss:
    """The loss that `settings` name, over embeddings of `embedding_size` and labels 0..`classes` - 1.

    Put it on the network's device before its parameters go to an optimiser.
    """
    parameters = settings.parameters()
    head = {"embedding_size": embedding_size, "classes": classes}
    # Imported here, as each of these modules needs this one.
    from faceid.networks.losses.contrastive import ContrastiveLoss
    from faceid.networks.losses.hashing import HashingLoss
    from faceid.networks.losses.heads import ArcFace, CentreLoss, CosFace, SoftmaxLoss
    from faceid.networks.losses.partial_auc import PartialAUCLoss
    from faceid.networks.losses.triplet import TripletLoss

    makers: dict[str, Callable[[], EmbeddingLoss]] = {
        "triplet": lambda: TripletLoss(**parameters),
        "contrastive": lambda: ContrastiveLoss(**parameters),
        "centre": lambda: CentreLoss(**head, **parameters),
        "softmax": lambda: SoftmaxLoss(**head),
        "arcface": lambda: ArcFace(**head, **parameters),
        "cosface": lambda: CosFace(**head, **parameters),
        "partial_auc": lambda: PartialAUCLoss(**parameters),
        "hashing": lambda: HashingLoss(embedding_size=embedding_size, **parameters),
    }
    return makers[settings.name]()


def _described(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {tensor.dtype}".replace("torch.", "")
