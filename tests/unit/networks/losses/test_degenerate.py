"""Batches in which there is nothing to learn, or too much alike: values and gradients stay finite."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from faceid.networks.losses.factory import make_loss
from faceid.networks.losses.loss import LossValue
from faceid.networks.losses.settings import DISTANCES, MINING, NAMES, LossSettings

TRIPLETS = [
    LossSettings("triplet", distance=distance, mining=mining) for distance in DISTANCES for mining in MINING
]
FORMS = [
    *(LossSettings("triplet", form="soft", mining=mining) for mining in MINING),
    *(LossSettings("triplet", form="weighted", distance=distance) for distance in DISTANCES),
]
CONTRASTIVE = [LossSettings("contrastive", distance=distance) for distance in DISTANCES]
OTHERS = [LossSettings(name) for name in NAMES if name not in ("triplet", "contrastive")]
EVERY = [*TRIPLETS, *FORMS, *CONTRASTIVE, *OTHERS]

BATCHES = {
    "one sample": (torch.randn(1, 4), [0]),
    "one class": (torch.randn(5, 4), [2] * 5),
    "no class twice": (torch.randn(4, 4), [0, 1, 2, 3]),
    "all equal": (torch.full((40, 4), 0.5), [place % 4 for place in range(40)]),
    "all zero": (torch.zeros(6, 4), [0, 0, 1, 1, 2, 2]),
    "opposite": (torch.tensor([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]]).repeat(3, 1), [0, 0, 1, 1, 2, 2]),
    "tiny": (1e-20 * torch.randn(6, 4), [0, 0, 1, 1, 2, 2]),
    "huge": (1e15 * torch.randn(6, 4), [0, 0, 1, 1, 2, 2]),
}


def name_of(settings: LossSettings) -> str:
    return "-".join(
        str(value) for value in (settings.name, settings.distance, settings.form, settings.mining) if value
    )


def run(settings: LossSettings, embeddings: Tensor, labels: list[int]) -> tuple[LossValue, Tensor]:
    torch.manual_seed(0)
    loss = make_loss(settings, embedding_size=4, classes=4)
    inputs = embeddings.clone().requires_grad_()
    value = loss(inputs, torch.tensor(labels))
    value.value.backward()
    assert inputs.grad is not None
    assert all(p.grad is None or p.grad.isfinite().all() for p in loss.parameters())
    return value, inputs.grad


@pytest.mark.parametrize("settings", EVERY, ids=name_of)
@pytest.mark.parametrize("batch", BATCHES)
def test_finite(batch: str, settings: LossSettings) -> None:
    value, gradient = run(settings, *BATCHES[batch])
    assert value.value.shape == ()
    assert value.value.isfinite()
    assert gradient.isfinite().all()
    assert 0 <= value.active <= 1


@pytest.mark.parametrize("settings", [*TRIPLETS, *FORMS], ids=name_of)
@pytest.mark.parametrize("batch", ["one sample", "one class", "no class twice"])
def test_without_triplets_there_is_nothing_to_learn(batch: str, settings: LossSettings) -> None:
    value, gradient = run(settings, *BATCHES[batch])
    assert value.value == 0
    assert value.active == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("mining", ["hard", "all", "random", "distance_weighted"])
def test_collapse_shows_as_a_loss_at_the_margin_that_is_active_all_over(mining: str) -> None:
    value, _ = run(LossSettings("triplet", mining=mining, distance="cosine"), *BATCHES["all equal"])
    assert value.value.item() == pytest.approx(0.2)
    assert value.active == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("settings", [LossSettings(name) for name in NAMES], ids=name_of)
def test_half_precision_is_computed_in_single(dtype: torch.dtype, settings: LossSettings) -> None:
    embeddings = torch.randn(8, 4, generator=torch.Generator().manual_seed(2)).to(dtype)
    labels = torch.arange(8) % 4
    torch.manual_seed(0)
    loss = make_loss(settings, embedding_size=4, classes=4)
    expected = loss(embeddings.float(), labels).value
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(embeddings, labels).value
    assert value.dtype == torch.float32
    assert torch.equal(value, expected)
    assert all(parameter.dtype == torch.float32 for parameter in loss.parameters())


@pytest.mark.parametrize(
    ("embeddings", "labels", "complaint"),
    [
        (torch.randn(4), torch.arange(4), r"embeddings must be \(n, d\)"),
        (torch.randn(0, 4), torch.arange(0), "n above 0"),
        (torch.ones(4, 4, dtype=torch.int64), torch.arange(4), "floating"),
        (torch.randn(4, 4), torch.arange(3), r"labels must be \(4,\) int64, not \(3,\) int64"),
        (torch.randn(4, 4), torch.arange(4).int(), "int32"),
    ],
)
def test_other_shapes_and_types_are_refused(embeddings: Tensor, labels: Tensor, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        make_loss(LossSettings(), embedding_size=4, classes=4)(embeddings, labels)
