"""The contrastive loss over pairs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from faceid.networks.losses.distance import distances
from faceid.networks.losses.loss import EmbeddingLoss, LossValue


class ContrastiveLoss(EmbeddingLoss):
    """D^2 / 2 for a pair of one class, max(0, margin - D)^2 / 2 for one of two (Hadsell, Chopra and LeCun 2006).

    Its value averages the mean over the pairs of one class and the mean over the pairs of two, as if both kinds were
    drawn equally often: of all pairs of P x K images, only one in about P is of one class. The paper leaves the length
    of embeddings free; here it is 1. pytorch-metric-learning's loss of that name is linear in D instead, and averages
    over the pairs above 0 only.
    """

    def __init__(self, *, distance: str, margin: float) -> None:
        super().__init__()
        self.distance, self.margin = distance, margin

    def over(self, embeddings: Tensor, labels: Tensor) -> LossValue:
        """The loss of a batch; see EmbeddingLoss."""
        measured, alike = _pairs(distances(self.distance, embeddings), labels)
        losses = torch.where(alike, measured, functional.relu(self.margin - measured)).square() / 2
        return _balanced(losses, alike)


def _pairs(measured: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Of (n, n) distances, the n (n - 1) / 2 above the diagonal, and whether each is within one class."""
    rows, columns = torch.triu_indices(len(labels), len(labels), 1, device=labels.device)
    return measured[rows, columns], labels[rows] == labels[columns]


def _balanced(losses: Tensor, alike: Tensor) -> LossValue:
    """The average of the means over pairs of one class and over pairs of two; one mean if the other is empty."""
    means = [kind.mean() for kind in (losses[alike], losses[~alike]) if len(kind)]
    if not means:
        return LossValue(losses.sum(), 0.0)
    return LossValue(torch.stack(means).mean(), float((losses > 0).float().mean()))
