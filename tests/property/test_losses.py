"""Losses against their formulas, spelled as slow loops."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import naive_losses as naive
from faceid.networks.losses.factory import make_loss
from faceid.networks.losses.loss import EmbeddingLoss, LossValue
from faceid.networks.losses.settings import DISTANCES, LossSettings

CLASSES = 4
LABELS = st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=12)
SEEDS = st.integers(0, 2**32 - 1)


def drawn(labels: list[int], seed: int, size: int = 3) -> tuple[Tensor, Tensor]:
    """Random embeddings, of lengths that differ."""
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(len(labels), size, generator=generator, dtype=torch.float64),
        torch.tensor(labels),
    )


def made(name: str, seed: int, size: int = 3, **given: object) -> EmbeddingLoss:
    """A loss with random parameters, in double precision."""
    loss = make_loss(LossSettings(name, **given), embedding_size=size, classes=CLASSES).double()
    generator = torch.Generator().manual_seed(seed + 1)
    for parameter in loss.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return loss


def check(value: LossValue, expected: float, active: float) -> None:
    assert value.value.item() == pytest.approx(expected, abs=1e-9)
    assert value.active == pytest.approx(active, abs=1e-6)


@pytest.mark.parametrize("mining", ["all", "hard", "semi_hard"])
@settings(max_examples=25)
@given(labels=LABELS, seed=SEEDS, distance=st.sampled_from(DISTANCES), soft=st.booleans())
def test_triplet(mining: str, labels: list[int], seed: int, distance: str, soft: bool) -> None:
    embeddings, targets = drawn(labels, seed)
    form = {"form": "soft"} if soft else {"form": "hinge", "margin": 0.3}
    value = made("triplet", seed, distance=distance, mining=mining, **form)(embeddings, targets)
    points = embeddings.tolist()
    mined = {
        "all": naive.every_triplet(labels),
        "hard": naive.hard_triplets(points, labels),
        "semi_hard": naive.semi_hard_triplets(points, labels),
    }[mining]
    losses = naive.triplet_losses(points, mined, distance=distance, margin=0.3, soft=soft)
    pulling = [loss for loss in losses if loss > (math.log(2) if soft else 0)]
    counted = pulling if mining == "all" and not soft else losses
    check(value, naive.mean(counted), len(pulling) / max(1, len(losses)))


@settings(max_examples=25)
@given(labels=LABELS, seed=SEEDS, distance=st.sampled_from(DISTANCES))
def test_weighted_triplet(labels: list[int], seed: int, distance: str) -> None:
    embeddings, targets = drawn(labels, seed)
    value = made("triplet", seed, distance=distance, form="weighted", margin=0.3)(embeddings, targets)
    losses = naive.weighted_losses(embeddings.tolist(), labels, distance=distance, margin=0.3)
    check(value, naive.mean(losses), naive.mean([float(loss > 0) for loss in losses]))


@settings(max_examples=25)
@given(labels=LABELS, seed=SEEDS, distance=st.sampled_from(DISTANCES))
def test_contrastive(labels: list[int], seed: int, distance: str) -> None:
    embeddings, targets = drawn(labels, seed)
    value = made("contrastive", seed, distance=distance, margin=0.9)(embeddings, targets)
    points = embeddings.tolist()

    def loss(i: int, j: int, alike: bool) -> float:
        measured = naive.DISTANCES[distance](points[i], points[j])
        return (measured if alike else max(0.0, 0.9 - measured)) ** 2 / 2

    check(value, *naive.over_pairs(labels, loss))


@settings(max_examples=25)
@given(labels=LABELS, seed=SEEDS)
def test_hashing(labels: list[int], seed: int) -> None:
    embeddings, targets = drawn(labels, seed)
    loss = made("hashing", seed, bits=8, margin=0.3, weight=0.05)
    planes = loss.head.planes.tolist()
    codes = [
        [math.tanh(sum(w * x for w, x in zip(plane, naive.unit(point), strict=True))) for plane in planes]
        for point in embeddings.tolist()
    ]

    mined = naive.hard_triplets(codes, labels)
    losses = naive.triplet_losses(codes, mined, distance="cosine", margin=0.3)
    to_signs = naive.mean([abs(abs(number) - 1) for code in codes for number in code])
    active = naive.mean([float(each > 0) for each in losses])
    check(loss(embeddings, targets), naive.mean(losses) + 0.05 * to_signs, active)


@pytest.mark.parametrize("name", ["arcface", "cosface"])
@settings(max_examples=25)
@given(labels=LABELS, seed=SEEDS, scale=st.sampled_from([1.0, 10.0, 64.0]), margin=st.floats(0.05, 0.9))
def test_margin_heads(name: str, labels: list[int], seed: int, scale: float, margin: float) -> None:
    embeddings, targets = drawn(labels, seed)
    loss = made(name, seed, scale=scale, margin=margin)
    rows = loss.head.W.T.tolist()
    losses = []
    for point, label in zip(embeddings.tolist(), labels, strict=True):
        cosines = [naive.cosine(point, row) for row in rows]
        if name == "cosface":
            cosines[label] -= margin
        else:
            angle = math.acos(cosines[label])
            within = angle + margin <= math.pi
            cosines[label] = (
                math.cos(angle + margin) if within else cosines[label] - margin * math.sin(margin)
            )
        losses.append(naive.cross_entropy([scale * number for number in cosines], label))
    check(
        loss(embeddings, targets),
        naive.mean(losses),
        naive.mean([float(each > math.log(2)) for each in losses]),
    )


@settings(max_examples=25)
@given(labels=LABELS, seed=SEEDS, weight=st.sampled_from([0.003, 1.0]))
def test_softmax_and_centre(labels: list[int], seed: int, weight: float) -> None:
    embeddings, targets = drawn(labels, seed)
    loss = made("centre", seed, weight=weight)
    rows, biases = loss.classifier.weight.tolist(), loss.classifier.bias.tolist()
    centres = loss.centres.tolist()
    classified, pulled = [], []
    for point, label in zip(embeddings.tolist(), labels, strict=True):
        logits = [
            sum(w * x for w, x in zip(row, point, strict=True)) + bias
            for row, bias in zip(rows, biases, strict=True)
        ]
        classified.append(naive.cross_entropy(logits, label))
        pulled.append(math.dist(point, centres[label]) ** 2 / 2)
    active = naive.mean([float(each > math.log(2)) for each in classified])
    check(loss(embeddings, targets), naive.mean(classified) + weight * naive.mean(pulled), active)
    softmax = made("softmax", seed)
    softmax.load_state_dict(
        {name: value for name, value in loss.state_dict().items() if name.startswith("classifier.")}
    )
    check(softmax(embeddings, targets), naive.mean(classified), active)
