"""The loss of all mated pairs against one threshold, set by the nearest non-mated pairs."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from faceid.networks.losses.loss import EmbeddingLoss, LossValue

_SLOPE = 1 / 3
"""The scale of the softplus as a share of that of the threshold, which must reach farther into the tail."""


class PartialAUCLoss(EmbeddingLoss):
    """softplus(scale / 3 (t - s + margin)) for the cosine s of each mated pair, where t is a strict threshold.

    t = log(mean exp(scale s')) / scale over all non-mated pairs of the batch, s' their cosines: a smooth maximum, which
    few of them exceed. This is the one-way partial AUC under a KL-constrained worst case (Zhu et al. 2022,
    arXiv:2203.00176, section 4.1), with the softplus taken after the mean over non-mated pairs, not inside. A triplet
    compares an anchor with its own negative; here every mated pair must beat the negatives of all people, as in use,
    where one threshold serves everyone. Pairs of a class of k weigh 1 / sqrt(k - 1): else people with many photos would
    dominate. A larger batch puts the threshold farther into the tail: use hundreds of people, not dozens.
    """

    def __init__(self, *, margin: float, scale: float) -> None:
        super().__init__()
        self.margin, self.scale = margin, scale

    def over(self, embeddings: Tensor, labels: Tensor) -> LossValue:
        """The loss of a batch; see EmbeddingLoss."""
        unit = functional.normalize(embeddings)
        rows, columns = torch.triu_indices(len(labels), len(labels), 1, device=labels.device)
        cosines = (unit @ unit.T)[rows, columns]
        alike = labels[rows] == labels[columns]
        mated, non_mated = cosines[alike], cosines[~alike]
        if not len(mated) or not len(non_mated):
            return LossValue(cosines.sum() * 0.0 if len(cosines) else embeddings.sum() * 0.0, 0.0)
        strict = (torch.logsumexp(self.scale * non_mated, 0) - math.log(len(non_mated))) / self.scale
        others = torch.bincount(labels)[labels[rows[alike]]] - 1
        weights = others.to(mated.dtype).rsqrt()
        short = strict - mated + self.margin
        value = (weights * functional.softplus(self.scale * _SLOPE * short)).sum() / weights.sum()
        return LossValue(value, float((short > 0).float().mean()))
