"""The triplet loss: angles worked out by hand, batches that hold no triplet, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.reducers import MeanReducer
from torch import Tensor

from faceid.networks.losses.distance import pml_distance
from faceid.networks.losses.factory import make_loss
from faceid.networks.losses.loss import EmbeddingLoss
from faceid.networks.losses.settings import LossSettings
from faceid.networks.mining.triplets import hard


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


def test_weighted_by_hand() -> None:
    # Anchors 0 and 60 degrees, each with one positive and two strangers (90 and 180); the strangers have no positive
    # of their own. From 0: sqrt 2 and 2. From 60: SIDE and sqrt 3.
    value = loss_of(form="weighted", margin=0.5)(at(0, 60, 90, 180), torch.tensor([0, 0, 1, 2]))
    expected = []
    for near, far in ((math.sqrt(2), 2.0), (SIDE, math.sqrt(3))):
        share = math.exp(-near) / (math.exp(-near) + math.exp(-far))
        expected.append(max(0.0, 1 - (share * near + (1 - share) * far) + 0.5))
    assert value.value.item() == pytest.approx(sum(expected) / 2, abs=1e-7)
    assert expected[0] == 0
    assert value.active == 0.5


def test_weights_are_constants_to_the_gradient() -> None:
    embeddings = at(0, 60, 90, 180, 200).requires_grad_()
    labels = torch.tensor([0, 0, 1, 2, 0])
    loss_of(form="weighted", margin=3.0)(embeddings, labels).value.backward()
    points = embeddings.detach().requires_grad_()
    losses = []
    for anchor, positives in ((0, [1, 4]), (1, [0, 4]), (4, [0, 1])):
        near = torch.stack([(points[anchor] - points[p]).norm() for p in positives])
        far = torch.stack([(points[anchor] - points[n]).norm() for n in (2, 3)])
        pull = near.detach().softmax(0) @ near
        push = (-far.detach()).softmax(0) @ far
        losses.append(pull - push + 3.0)
    torch.stack(losses).mean().backward()
    # The points are of unit length: the loss's gradient is what is left along the circle.
    along = points.grad - (points.grad * points).sum(dim=1, keepdim=True) * points
    torch.testing.assert_close(embeddings.grad, along.detach())


@pytest.mark.parametrize("distance", ["l2", "squared_l2", "cosine"])
def test_batch_hard_is_the_libraries_mean_and_batch_all_its_mean_of_non_zero(distance: str) -> None:
    embeddings = torch.randn(40, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    labels = torch.arange(40) % 10
    library = TripletMarginLoss(margin=0.2, distance=pml_distance(distance))
    every = loss_of(distance=distance, mining="all")(embeddings, labels)
    assert 0 < every.active < 1
    torch.testing.assert_close(every.value, library(embeddings, labels))
    mined = hard(embeddings, labels)
    mean = TripletMarginLoss(margin=0.2, distance=pml_distance(distance), reducer=MeanReducer())
    hardest = loss_of(distance=distance)(embeddings, labels)
    torch.testing.assert_close(hardest.value, mean(embeddings, labels, mined))


@pytest.mark.parametrize("distance", ["l2", "squared_l2", "cosine"])
@pytest.mark.parametrize("form", [{"form": "soft"}, {"form": "hinge", "margin": 5.0}])
def test_gradients_where_smooth(distance: str, form: dict[str, object]) -> None:
    loss = loss_of(distance=distance, mining="all", **form)
    embeddings = torch.randn(6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.arange(6) % 2
    assert torch.autograd.gradcheck(lambda x: loss(x, labels).value, (embeddings.requires_grad_(),))


def test_scale_of_embeddings_does_not_matter() -> None:
    loss = loss_of(mining="all")
    torch.testing.assert_close(loss(EMBEDDINGS, LABELS).value, loss(0.01 * EMBEDDINGS, LABELS).value)


def test_default_is_batch_hard_with_margin_one_fifth() -> None:
    assert LossSettings().parameters() == {
        "distance": "l2",
        "margin": 0.2,
        "form": "hinge",
        "mining": "hard",
    }
