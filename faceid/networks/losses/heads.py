"""Losses that classify, by a head with a weight vector or centre for each identity, unused after training.

Their `active` is the share of samples whose own class gets less than half of the probability.
"""

from __future__ import annotations

import math

import torch
from pytorch_metric_learning.losses import ArcFaceLoss, CosFaceLoss
from pytorch_metric_learning.reducers import DoNothingReducer
from pytorch_metric_learning.utils.common_functions import TorchInitWrapper
from torch import Tensor, nn
from torch.nn import functional

from faceid.networks.losses.loss import EmbeddingLoss, LossValue

_NEARLY_ONE = 1 - 1e-6
# As in the authors' code of ArcFace. Only directions count, and steps of Adam hardly turn weights as long as
# pytorch-metric-learning's own (std 1).
_SHORT = TorchInitWrapper(nn.init.normal_, std=0.01)


class SoftmaxLoss(EmbeddingLoss):
    """-log softmax(W x + b)_y, the cross entropy of a linear classifier over raw embeddings."""

    def __init__(self, *, embedding_size: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(embedding_size, classes)

    def over(self, embeddings: Tensor, labels: Tensor) -> LossValue:
        """The loss of a batch; see EmbeddingLoss. Raises ValueError for labels that are not a class."""
        _check_classes(labels, self.classifier.out_features)
        weight, bias = self.classifier.weight, self.classifier.bias
        logits = functional.linear(embeddings, weight.to(embeddings.dtype), bias.to(embeddings.dtype))
        return _mean(functional.cross_entropy(logits, labels, reduction="none"))


class CentreLoss(SoftmaxLoss):
    """Softmax cross entropy + weight * ||x - c_y||^2 / 2 (Wen, Zhang, Li and Qiao 2016, ECCV), over raw embeddings.

    Uses means over the batch instead of the paper's sums. The centres c do not descend along that value: their gradient
    is the paper's update, sum over the class (c - x) / (1 + its count), so that SGD at a rate of 0.5 is the paper's
    rule.
    """

    def __init__(self, *, embedding_size: int, classes: int, weight: float) -> None:
        super().__init__(embedding_size=embedding_size, classes=classes)
        self.weight = weight
        self.centres = nn.Parameter(torch.zeros(classes, embedding_size))

    def over(self, embeddings: Tensor, labels: Tensor) -> LossValue:
        """The loss of a batch; see EmbeddingLoss. Raises ValueError for labels that are not a class."""
        classified = super().over(embeddings, labels)
        centres = self.centres.to(embeddings.dtype)[labels]
        pull = (embeddings - centres.detach()).square().sum(dim=1).mean() / 2
        counts = torch.bincount(labels, minlength=len(self.centres))[labels]
        moved = ((centres - embeddings.detach()).square().sum(dim=1) / (2 * (1 + counts))).sum()
        # In this order: `moved` may be so large that adding and subtracting it would lose the value to rounding.
        return LossValue(classified.value + self.weight * pull + (moved - moved.detach()), classified.active)


class ArcFace(EmbeddingLoss):
    """-log of softmax(s cos theta_j)_y with theta_y + m in place of theta_y (Deng, Guo, Xue and Zafeiriou 2019, CVPR).

    theta_j is the angle between the embedding and the weights of class j, s the scale, m the margin in radians. Where
    theta_y + m is beyond pi, cos(theta_y) - m sin m replaces the cosine, as in the authors' code.
    """

    def __init__(self, *, embedding_size: int, classes: int, margin: float, scale: float) -> None:
        super().__init__()
        self.head = _ArcFace(
            classes,
            embedding_size,
            margin=math.degrees(margin),
            scale=scale,
            reducer=DoNothingReducer(),
            weight_init_func=_SHORT,
        )

    def over(self, embeddings: Tensor, labels: Tensor) -> LossValue:
        """The loss of a batch; see EmbeddingLoss. Raises ValueError for labels that are not a class."""
        return _of_head(self.head, embeddings, labels)


class CosFace(EmbeddingLoss):
    """-log of softmax(s cos theta_j)_y with cos theta_y - m in place of cos theta_y (Wang et al. 2018, CVPR).

    As ArcFace, but the margin is subtracted from the cosine instead of added to the angle.
    """

    def __init__(self, *, embedding_size: int, classes: int, margin: float, scale: float) -> None:
        super().__init__()
        self.head = CosFaceLoss(
            classes,
            embedding_size,
            margin=margin,
            scale=scale,
            reducer=DoNothingReducer(),
            weight_init_func=_SHORT,
        )

    def over(self, embeddings: Tensor, labels: Tensor) -> LossValue:
        """The loss of a batch; see EmbeddingLoss. Raises ValueError for labels that are not a class."""
        return _of_head(self.head, embeddings, labels)


class _ArcFace(ArcFaceLoss):  # type: ignore[misc]
    def get_angles(self, cosine_of_target_classes: Tensor) -> Tensor:
        """Angles of cosines, clamped away from +-1, where the gradient of the arc cosine would be NaN."""
        return torch.acos(cosine_of_target_classes.clamp(-_NEARLY_ONE, _NEARLY_ONE))


def _of_head(head: ArcFaceLoss | CosFaceLoss, embeddings: Tensor, labels: Tensor) -> LossValue:
    _check_classes(labels, head.num_classes)
    return _mean(head(embeddings, labels)["loss"]["losses"])


def _mean(losses: Tensor) -> LossValue:
    """The mean of cross entropies: one above log 2 gives its class less than half of the probability."""
    return LossValue(losses.mean(), float((losses > math.log(2)).float().mean()))


def _check_classes(labels: Tensor, classes: int) -> None:
    if not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"labels must be 0..{classes - 1}, and go from {labels.min()} to {labels.max()}")
