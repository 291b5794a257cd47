"""The triplet loss: angles worked out by hand, batches that hold no triplet, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from models.losses.loss import EmbeddingLoss, make_loss
from models.losses.settings import LossSettings


def loss_of(**settings: object) -> EmbeddingLoss:
    return make_loss(LossSettings("triplet", **settings), embedding_size=2, classes=2)


def at(*degrees: float, length: float = 1.0) -> Tensor:
    """Points on a circle, by angle."""
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return length * torch.stack([angles.cos(), angles.sin()], dim=1)


# Two of class 0 at 0 and 60 degrees, one of class 1 at 90. L2 = 2 sin(angle / 2): 1 between the two, sqrt 2 from
# the first to the stranger, 0.517638 from the second.
EMBEDDINGS, LABELS = at(0, 60, 90, length=3.0), torch.tensor([0, 0, 1])
SIDE = 2 * math.sin(math.radians(15))


@pytest.mark.parametrize("mining", ["hard", "all"])
@pytest.mark.parametrize(
    ("distance", "first", "second"),
    [
        ("l2", 1 - math.sqrt(2) + 0.5, 1 - SIDE + 0.5),
        ("squared_l2", 1 - 2 + 0.5, 1 - SIDE**2 + 0.5),
        ("cosine", 0.5 - 1 + 0.5, 0.5 - (1 - math.cos(math.radians(30))) + 0.5),
    ],
)
def test_hinge_by_hand(distance: str, mining: str, first: float, second: float) -> None:
    value = loss_of(distance=distance, margin=0.5, mining=mining)(EMBEDDINGS, LABELS)
    each = [max(0.0, first), max(0.0, second)]
    positive = [loss for loss in each if loss > 1e-12]
    expected = sum(each) / 2 if mining == "hard" else sum(positive) / len(positive)
    assert value.value.item() == pytest.approx(expected, abs=1e-7)
    assert distance == "cosine" or value.active == len(positive) / 2


def test_soft_by_hand() -> None:
    value = loss_of(form="soft")(EMBEDDINGS, LABELS)
    expected = (math.log1p(math.exp(1 - math.sqrt(2))) + math.log1p(math.exp(1 - SIDE))) / 2
    assert value.value.item() == pytest.approx(expected, abs=1e-7)
    assert value.active == 0.5


def test_default_is_batch_hard_with_margin_one_fifth() -> None:
    assert LossSettings().parameters() == {
        "distance": "l2",
        "margin": 0.2,
        "form": "hinge",
        "mining": "hard",
    }
