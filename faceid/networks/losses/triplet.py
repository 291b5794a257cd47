"""The triplet loss in three forms: hinge, soft and weighted."""

from __future__ import annotations

import math

import torch
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.reducers import DoNothingReducer
from torch import Tensor
from torch.nn import functional

from faceid.networks.losses.distance import distances, pml_distance
from faceid.networks.losses.loss import EmbeddingLoss, LossValue
from faceid.networks.mining.triplets import triplets


class TripletLoss(EmbeddingLoss):
    """A positive p must be nearer to its anchor a than a negative n, by a margin.

    - hinge: max(0, D(a, p) - D(a, n) + margin) (Schroff, Kalenichenko and Philbin 2015, arXiv:1503.03832)
    - soft: log(1 + exp(D(a, p) - D(a, n))) (Hermans, Beyer and Leibe 2017, arXiv:1703.07737); triplets whose positive
      is the farther one are active
    - weighted: one hinge an anchor, max(0, sum_p w_p D(a, p) - sum_n w_n D(a, n) + margin), over all positives and
      negatives of the batch with w_p = softmax(D(a, p)) and w_n = softmax(-D(a, n)), harder ones weigh more (Ristani
      and Tomasi 2018, arXiv:1803.10859)

    Its value is the mean over the mined triplets. For the hinge over all of them it is the mean over those above 0
    (Hermans et al.'s "batch all, non-zero"): the many easy ones would dominate. pytorch-metric-learning's own reducer
    leaves out zeros for every mining; batch-hard as published does not.
    """

    def __init__(self, *, distance: str, margin: float, form: str, mining: str) -> None:
        super().__init__()
        self.distance, self.margin, self.form, self.mining = distance, margin, form, mining
        self._each = TripletMarginLoss(
            margin=margin,
            smooth_loss=form == "soft",
            distance=pml_distance(distance),
            reducer=DoNothingReducer(),
        )

    def over(self, embeddings: Tensor, labels: Tensor) -> LossValue:
        """The loss of a batch; see EmbeddingLoss."""
        losses = (
            self._weighted(embeddings, labels) if self.form == "weighted" else self._mined(embeddings, labels)
        )
        if not len(losses):
            return LossValue((embeddings * 0).sum(), 0.0)
        # softplus(0) = log 2: above it, the positive is the farther one.
        pulling = losses > (math.log(2) if self.form == "soft" else 0)
        active = float(pulling.float().mean())
        if self.form == "hinge" and self.mining == "all" and active:
            losses = losses[pulling]
        return LossValue(losses.mean(), active)

    def _mined(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        mined = triplets(self.mining, embeddings, labels)
        if not len(mined[0]):
            return embeddings.new_empty(0)
        losses: Tensor = self._each(embeddings, labels, mined)["loss"]["losses"]
        return losses

    def _weighted(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        measured = distances(self.distance, embeddings)
        same = labels.unsqueeze(1) == labels.unsqueeze(0)
        positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        anchors = positive.any(dim=1) & (~same).any(dim=1)
        measured, positive, negative = measured[anchors], positive[anchors], ~same[anchors]
        # Weights are constants to the gradient: they are a soft choice of triplets.
        hardness = measured.detach()
        pull = functional.softmax(hardness.masked_fill(~positive, -torch.inf), dim=1)
        push = functional.softmax((-hardness).masked_fill(~negative, -torch.inf), dim=1)
        return functional.relu((pull * measured).sum(dim=1) - (push * measured).sum(dim=1) + self.margin)
