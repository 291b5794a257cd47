"""Losses that classify: by hand, their gradients, the paper's rule for centres."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from faceid.networks.losses.factory import make_loss
from faceid.networks.losses.heads import ArcFace, CentreLoss, CosFace, SoftmaxLoss
from faceid.networks.losses.loss import EmbeddingLoss
from faceid.networks.losses.settings import LossSettings


def axes(loss: EmbeddingLoss) -> EmbeddingLoss:
    """The loss with the two axes as weights of the two classes."""
    loss = loss.double()
    loss.head.W.data = torch.eye(2, dtype=torch.float64)
    return loss


# At 30 degrees from the first class: cosines 0.866025 and 0.5.
THIRTY = 5 * torch.tensor([[math.cos(math.pi / 6), math.sin(math.pi / 6)]], dtype=torch.float64)


def test_arcface_by_hand() -> None:
    loss = axes(ArcFace(embedding_size=2, classes=2, margin=math.pi / 6, scale=4.0))
    # 30 + 30 degrees: the cosine of the own class becomes that of the other.
    value = loss(THIRTY, torch.tensor([0]))
    assert value.value.item() == pytest.approx(math.log(2))
    # 60 + 30: cosine 0 against 0.866025.
    value = loss(THIRTY, torch.tensor([1]))
    assert value.value.item() == pytest.approx(math.log(1 + math.exp(4 * 0.8660254)))
    assert value.active == 1


def test_arcface_beyond_half_a_turn_keeps_growing() -> None:
    loss = ArcFace(embedding_size=3, classes=2, margin=0.5, scale=4.0).double()
    loss.head.W.data = torch.eye(3, 2, dtype=torch.float64)
    # Away from the first class, at a right angle to the second all the way.
    angles = torch.linspace(0.1, math.pi - 0.1, 50, dtype=torch.float64)
    path = torch.stack([angles.cos(), torch.zeros(50), angles.sin()], dim=1)
    losses = [loss(point.unsqueeze(0), torch.tensor([0])).value.item() for point in path]
    assert all(later > earlier for earlier, later in pairwise(losses))
    last = 4 * (math.cos(math.pi - 0.1) - 0.5 * math.sin(0.5))
    assert losses[-1] == pytest.approx(math.log(1 + math.exp(-last)))


def test_cosface_by_hand() -> None:
    loss = axes(CosFace(embedding_size=2, classes=2, margin=0.366025403784, scale=4.0))
    value = loss(THIRTY, torch.tensor([0]))
    assert value.value.item() == pytest.approx(math.log(2))
    value = loss(torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([0]))
    assert value.value.item() == pytest.approx(math.log(1 + math.exp(-4 * (1 - 0.366025403784))))
    assert value.active == 0


@pytest.mark.parametrize("name", ["arcface", "cosface"])
def test_a_step_of_adam_turns_the_weights_of_classes(name: str) -> None:
    torch.manual_seed(0)
    loss = make_loss(LossSettings(name), embedding_size=128, classes=50)
    before = loss.head.W.detach().clone()
    optimiser = torch.optim.AdamW(loss.parameters(), lr=1e-3)
    loss(torch.randn(20, 128), torch.arange(20)).value.backward()
    optimiser.step()
    turned = torch.acos(torch.cosine_similarity(before, loss.head.W.detach(), dim=0))
    # Of length 11, as those of standard normal numbers are, they would turn by 0.001.
    assert turned.min() > 0.05


def test_softmax_by_hand() -> None:
    loss = SoftmaxLoss(embedding_size=1, classes=3).double()
    loss.classifier.weight.data = torch.tensor([[1.0], [0.0], [-1.0]], dtype=torch.float64)
    loss.classifier.bias.data = torch.tensor([0.0, math.log(2), 0.0], dtype=torch.float64)
    # Logits log 3, log 2, -log 3: the chances are as 3 : 2 : 1/3.
    value = loss(torch.tensor([[math.log(3)]] * 2, dtype=torch.float64), torch.tensor([0, 1]))
    assert value.value.item() == pytest.approx((math.log(16 / 9) + math.log(16 / 6)) / 2)
    assert value.active == 0.5


def test_a_step_of_sgd_moves_centres_by_the_papers_rule() -> None:
    loss = CentreLoss(embedding_size=2, classes=3, weight=0.003).double()
    loss.centres.data = torch.tensor([[1.0, 0.0], [0.0, 0.0], [7.0, 7.0]], dtype=torch.float64)
    embeddings = torch.tensor([[3.0, 0.0], [1.0, 6.0], [0.0, 4.0]], dtype=torch.float64)
    loss(embeddings, torch.tensor([0, 0, 1])).value.backward()
    torch.optim.SGD([loss.centres], lr=0.5).step()
    # Class 0: (1, 0) - ((-2, 0) + (0, -6)) / 3 / 2; class 1: (0, 0) - (0, -4) / 2 / 2; class 2 was not seen.
    expected = torch.tensor([[4 / 3, 1.0], [0.0, 1.0], [7.0, 7.0]], dtype=torch.float64)
    torch.testing.assert_close(loss.centres.data, expected)


def test_far_centres_do_not_round_the_classes_away() -> None:
    loss = CentreLoss(embedding_size=2, classes=2, weight=1e-12)
    embeddings = torch.full((8, 2), 3e4)
    labels = torch.arange(8) % 2
    classified = SoftmaxLoss(embedding_size=2, classes=2)
    classified.classifier = loss.classifier
    expected = classified(embeddings, labels).value.item()
    assert loss(embeddings, labels).value.item() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", ["softmax", "centre", "arcface", "cosface"])
def test_gradients_are_right(name: str) -> None:
    torch.manual_seed(4)
    scaled = {"scale": 4.0} if name in ("arcface", "cosface") else {}
    loss = make_loss(LossSettings(name, **scaled), embedding_size=3, classes=4).double()
    embeddings = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.arange(6) % 4
    assert torch.autograd.gradcheck(lambda x: loss(x, labels).value, (embeddings,))


@pytest.mark.parametrize("name", ["softmax", "centre", "arcface", "cosface"])
def test_learns_to_tell_classes_apart(name: str) -> None:
    torch.manual_seed(6)
    loss = make_loss(LossSettings(name), embedding_size=4, classes=3)
    embeddings = torch.nn.Parameter(torch.randn(12, 4))
    labels = torch.arange(12) % 3
    optimiser = torch.optim.Adam([embeddings, *loss.parameters()], lr=0.05)
    before = loss(embeddings, labels)
    for _ in range(150):
        optimiser.zero_grad()
        loss(embeddings, labels).value.backward()
        optimiser.step()
    after = loss(embeddings, labels)
    assert before.active > 0.5
    assert after.active == 0
    assert after.value.item() < before.value.item() / 4


@pytest.mark.parametrize("name", ["softmax", "centre", "arcface", "cosface"])
@pytest.mark.parametrize("label", [-1, 3])
def test_labels_that_are_no_class_are_refused(name: str, label: int) -> None:
    loss = make_loss(LossSettings(name), embedding_size=4, classes=3)
    with pytest.raises(ValueError, match=r"labels must be 0\.\.2"):
        loss(torch.randn(2, 4), torch.tensor([0, label]))
