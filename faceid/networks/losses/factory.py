"""The factory of losses."""

from __future__ import annotations

from collections.abc import Callable

from faceid.networks.losses.contrastive import ContrastiveLoss
from faceid.networks.losses.hashing import HashingLoss
from faceid.networks.losses.heads import ArcFace, CentreLoss, CosFace, SoftmaxLoss
from faceid.networks.losses.loss import EmbeddingLoss
from faceid.networks.losses.partial_auc import PartialAUCLoss
from faceid.networks.losses.settings import LossSettings
from faceid.networks.losses.triplet import TripletLoss


def make_loss(settings: LossSettings, *, embedding_size: int, classes: int) -> EmbeddingLoss:
    """The loss that `settings` name, over embeddings of `embedding_size` and labels 0..`classes` - 1.

    Move it to the network's device before its parameters are given to an optimiser.
    """
    parameters = settings.parameters()
    head = {"embedding_size": embedding_size, "classes": classes}
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
