"""Triplets (anchor, positive, negative) from a batch, as places in it: online mining.

A positive has the anchor's label and is not the anchor, a negative has another. Embeddings are compared at unit length,
where L2, squared L2 and cosine give the same order: the mined triplets do not depend on the distance of the loss.
Random choices come from torch's global generator.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.miners import BatchHardMiner
from pytorch_metric_learning.utils import loss_and_miner_utils as pml
from torch import Tensor
from torch.nn import functional

Triplets = tuple[Tensor, Tensor, Tensor]
"""Places of anchors, positives and negatives: three (t,) int64 tensors."""

NEAREST, FARTHEST = 0.5, 1.4
"""The range of distances, on the unit sphere, within which `distance_weighted` distinguishes negatives."""


def triplets(mining: str, embeddings: Tensor, labels: Tensor) -> Triplets:
    """The triplets of (n, d) raw embeddings and (n,) labels by `mining`: MINING and OFFLINE of `losses.settings`.

    No gradient flows through the choice. Empty if no anchor has both a positive and a negative. Raises ValueError if
    mining is offline and the batch does not consist of triplets.
    """
    with torch.no_grad():
        return _MINERS[mining](embeddings, labels)


def all_triplets(embeddings: Tensor, labels: Tensor) -> Triplets:
    """Batch-all (Hermans, Beyer and Leibe 2017, arXiv:1703.07737): every triplet of the batch.

    P identities with K images each make P K (K - 1) (P - 1) K of them.
    """
    every: Triplets = pml.get_all_triplets_indices(labels)
    return every


def hard(embeddings: Tensor, labels: Tensor) -> Triplets:
    """Batch-hard (Hermans et al. 2017): for each anchor, its farthest positive and its nearest negative."""
    hardest: Triplets = BatchHardMiner(distance=_l2())(embeddings, labels)
    return hardest


def semi_hard(embeddings: Tensor, labels: Tensor) -> Triplets:
    """Semi-hard (Schroff, Kalenichenko and Philbin 2015, arXiv:1503.03832, section 3.2).

    For every pair of anchor and positive, the nearest negative that is farther than the positive: D(a, p) < D(a, n),
    equation 4. Pairs without one are left out. pytorch-metric-learning's TripletMarginMiner("semihard") instead returns
    every triplet whose negative is farther by at most the margin, many for a pair.
    """
    distances = _l2()(embeddings)
    same, other = _relations(labels)
    anchors, positives = torch.where(same)
    to_negatives = distances[anchors]
    farther = other[anchors] & (to_negatives > distances[anchors, positives].unsqueeze(1))
    nearest = to_negatives.masked_fill(~farther, torch.inf)
    found = farther.any(dim=1)
    # argmin fails without candidate columns; without pairs there is nothing to mine.
    if not bool(found.any()):
        return _none(labels)
    return anchors[found], positives[found], nearest[found].argmin(dim=1)


def laid_out(embeddings: Tensor, labels: Tensor) -> Triplets:
    """The triplets of a batch of `mining.batches.TripletBatches`: rows 3k, 3k + 1 and 3k + 2, for every k."""
    if len(labels) % 3:
        raise ValueError(f"a batch of {len(labels)} embeddings is not made of triplets")
    anchors, positives, negatives = torch.arange(len(labels), device=labels.device).reshape(-1, 3).unbind(1)
    if (labels[anchors] != labels[positives]).any() or (labels[anchors] == labels[negatives]).any():
        raise ValueError("a batch for offline mining must be made of triplets: anchor, positive, negative")
    return anchors, positives, negatives


def random(embeddings: Tensor, labels: Tensor) -> Triplets:
    """For each anchor, one positive and one negative, each drawn with equal chances."""
    drawn: Triplets = pml.get_random_triplet_indices(labels, t_per_anchor=1)
    return drawn


def distance_weighted(embeddings: Tensor, labels: Tensor) -> Triplets:
    """Distance-weighted (Wu, Manmatha, Smola and Krähenbühl 2017, arXiv:1706.07567, section 4).

    For every pair of anchor and positive, one negative drawn with the weights of `negative_log_weights`.
    """
    same, other = _relations(labels)
    same &= other.any(dim=1, keepdim=True)
    anchors, positives = torch.where(same)
    if not len(anchors):
        return _none(labels)
    weights = negative_log_weights(_l2()(embeddings), embeddings.shape[1])
    # pytorch-metric-learning's miner scales by the largest weight of the whole batch. Weights span hundreds of powers
    # of e, so most anchors are lost to underflow. Here each anchor has its own scale.
    chances = functional.softmax(weights.masked_fill(~other, -torch.inf)[anchors], dim=1)
    return anchors, positives, torch.multinomial(chances, 1).squeeze(1)


def negative_log_weights(distances: Tensor, size: int) -> Tensor:
    """log(1 / q(D)) + constant for (n, n) L2 distances between embeddings of `size` numbers and unit length.

    q(D) = D^(size - 2) (1 - D^2 / 4)^((size - 3) / 2) is the density of distances between points drawn evenly on the
    sphere (Wu et al. 2017, equation 3). D is held at NEAREST or above, the paper's bound on the weight, and at FARTHEST
    or below: beyond the square root of 2 the weight would grow again. The authors' code drops those negatives, and also
    the anchors that have no others.
    """
    held = distances.clamp(NEAREST, FARTHEST)
    return (2 - size) * held.log() - (size - 3) / 2 * torch.log1p(-held.square() / 4)


def _relations(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Two (n, n) bool tensors: the column is a positive of the row (never itself); it is a negative."""
    same = labels.unsqueeze(1) == labels.unsqueeze(0)
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same


def _l2() -> LpDistance:
    return LpDistance(p=2, power=1, normalize_embeddings=True)


def _none(labels: Tensor) -> Triplets:
    empty = labels.new_empty(0)
    return empty, empty, empty


_MINERS: dict[str, Callable[[Tensor, Tensor], Triplets]] = {
    "all": all_triplets,
    "hard": hard,
    "semi_hard": semi_hard,
    "distance_weighted": distance_weighted,
    "random": random,
    "offline_hard": laid_out,
    "offline_semi_hard": laid_out,
}
