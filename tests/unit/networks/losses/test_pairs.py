"""Contrastive and hashing losses by hand, and codes packed for a binary index."""

from __future__ import annotations

import math

import faiss
import numpy as np
import pytest
import torch

from faceid.networks.losses.factory import make_loss
from faceid.networks.losses.hashing import HashingHead, HashingLoss, hamming, pack
from faceid.networks.losses.settings import LossSettings


def test_contrastive_by_hand() -> None:
    # At 0, 60 and 90 degrees: 1 apart in the class, sqrt 2 and 0.517638 from the stranger.
    angles = torch.tensor([0.0, 60.0, 90.0], dtype=torch.float64).deg2rad()
    embeddings = 2 * torch.stack([angles.cos(), angles.sin()], dim=1)
    loss = make_loss(LossSettings("contrastive", margin=1.0), embedding_size=2, classes=2)
    value = loss(embeddings, torch.tensor([0, 0, 1]))
    alike, unlike = 1 / 2, (0 + (1 - 0.517638) ** 2 / 2) / 2
    assert value.value.item() == pytest.approx((alike + unlike) / 2, abs=1e-6)
    assert value.active == pytest.approx(2 / 3)


@pytest.mark.parametrize("distance", ["l2", "squared_l2", "cosine"])
def test_contrastive_gradients_are_right(distance: str) -> None:
    # Squared hinges are smooth, and no two embeddings are equal.
    loss = make_loss(LossSettings("contrastive", distance=distance), embedding_size=3, classes=2)
    embeddings = torch.randn(6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.arange(6) % 2
    assert torch.autograd.gradcheck(lambda x: loss(x, labels).value, (embeddings.requires_grad_(),))


def hashing_by_hand(margin: float) -> HashingLoss:
    """8 planes: the first four see the first coordinate, the others the second, at slope 2."""
    loss = HashingLoss(embedding_size=2, bits=8, margin=margin, mining="hard", weight=0.5).double()
    loss.head.planes.data = 2 * torch.eye(2, dtype=torch.float64).repeat_interleave(4, dim=0)
    return loss


def test_hashing_by_hand() -> None:
    embeddings = torch.tensor([[3.0, 0.0], [0.0, 1.0], [-2.0, 0.0]], dtype=torch.float64)
    value = hashing_by_hand(0.2)(embeddings, torch.tensor([0, 0, 1]))
    # Codes are at right angles, but the third is opposite to the first: for the first anchor 1 - 2 + 0.2, below 0,
    # for the second 1 - 1 + 0.2. tanh 2 = 0.964028 in half of the places, 0 in the others.
    assert value.value.item() == pytest.approx(0.2 / 2 + 0.5 * (1 - 0.964028 / 2), abs=1e-6)
    assert value.active == 0.5


def test_hashing_gradients_are_right() -> None:
    loss = hashing_by_hand(3.0)
    embeddings = torch.randn(6, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.arange(6) % 2
    assert torch.autograd.gradcheck(lambda x: loss(x, labels).value, (embeddings.requires_grad_(),))


def test_a_centre_spreads_crowded_embeddings_over_the_codes() -> None:
    torch.manual_seed(3)
    embeddings = torch.tensor([[5.0, 0, 0, 0]]) + 0.2 * torch.randn(200, 4)
    head = HashingHead(embedding_size=4, bits=64)
    crowded = hamming(head.codes(embeddings), head.codes(embeddings)).mean()
    head.centre_on(embeddings)
    spread = hamming(head.codes(embeddings), head.codes(embeddings)).mean()
    assert crowded < 4
    assert abs(spread - 32) < 3
    assert "centre" in head.state_dict()


def test_untrained_codes_measure_angles() -> None:
    torch.manual_seed(5)
    head = HashingHead(embedding_size=8, bits=4096)
    angle = torch.tensor(60.0).deg2rad()
    first = torch.eye(8)[:1]
    second = angle.cos() * first + angle.sin() * torch.eye(8)[1:2]
    different = hamming(head.codes(first), head.codes(7 * second))[0, 0]
    # Binomial with a chance of 1/3: its standard deviation is 30.
    assert abs(different - 4096 / 3) < 150


def test_training_the_head_separates_classes_by_their_codes() -> None:
    torch.manual_seed(2)
    labels = torch.arange(32) % 4
    embeddings = torch.randn(4, 8)[labels] + 0.3 * torch.randn(32, 8)
    loss = HashingLoss(embedding_size=8, bits=16, margin=0.2, mining="hard", weight=0.01)
    loss.head.centre_on(embeddings)
    optimiser = torch.optim.Adam(loss.parameters(), lr=0.05)
    before = loss(embeddings, labels)
    for _ in range(60):
        optimiser.zero_grad()
        loss(embeddings, labels).value.backward()
        optimiser.step()
    after = loss(embeddings, labels)
    assert after.value.item() < before.value.item() / 2
    assert after.active < before.active
    codes = loss.head.codes(embeddings)
    distances = hamming(codes, codes)
    same = labels.numpy()[:, None] == labels.numpy()[None]
    assert distances[same].max() < distances[~same].min()


def test_packed_codes_are_what_faiss_searches() -> None:
    bits = np.random.default_rng(0).random((50, 24)) < 0.5
    codes = pack(bits)
    assert codes.dtype == np.uint8
    assert codes.shape == (50, 3)
    assert pack(np.array([[True] + 7 * [False]]))[0, 0] == 128
    by_hand = (bits[:5, None, :] != bits[None, :, :]).sum(axis=2)
    np.testing.assert_array_equal(hamming(codes[:5], codes), by_hand)
    index = faiss.IndexBinaryFlat(24)
    index.add(codes)
    distances, _ = index.search(codes[:5], 50)
    np.testing.assert_array_equal(distances, np.sort(by_hand, axis=1))


def test_codes_of_odd_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        pack(np.zeros((2, 12), dtype=bool))


def test_partial_auc_by_hand() -> None:
    # At 0, 60, 90 and 180 degrees: one mated pair of cosine 1/2; strangers at 0, -1, cos 30 and -1/2, and 0 together.
    angles = torch.tensor([0.0, 60.0, 90.0, 180.0], dtype=torch.float64).deg2rad()
    embeddings = 3 * torch.stack([angles.cos(), angles.sin()], dim=1)
    loss = make_loss(LossSettings("partial_auc", margin=0.1, scale=10.0), embedding_size=2, classes=3)
    value = loss(embeddings, torch.tensor([0, 0, 1, 2]))
    strangers = [0.0, -1.0, math.cos(math.radians(30)), -0.5, 0.0]
    strict = math.log(sum(math.exp(10 * s) for s in strangers) / 5) / 10
    assert value.value.item() == pytest.approx(math.log1p(math.exp(10 / 3 * (strict - 0.5 + 0.1))))
    assert value.active == 1.0


def test_partial_auc_weighs_people_not_pairs() -> None:
    # Class 0 has three pairs of weight 1 / sqrt 2, class 1 one of weight 1; a naive loop over them.
    embeddings = torch.randn(6, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    unit = torch.nn.functional.normalize(embeddings)
    mated, strangers = [], []
    for first in range(6):
        for second in range(first + 1, 6):
            cosine = float(unit[first] @ unit[second])
            if labels[first] == labels[second]:
                mated.append((cosine, 1 / math.sqrt(int((labels == labels[first]).sum()) - 1)))
            else:
                strangers.append(cosine)
    strict = math.log(sum(math.exp(45 * s) for s in strangers) / len(strangers)) / 45
    terms = [
        (weight * math.log1p(math.exp(15 * (strict - cosine + 0.08))), weight) for cosine, weight in mated
    ]
    expected = sum(term for term, _ in terms) / sum(weight for _, weight in terms)
    loss = make_loss(LossSettings("partial_auc"), embedding_size=3, classes=3)
    value = loss(embeddings, labels)
    assert value.value.item() == pytest.approx(expected)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels).value, (embeddings.requires_grad_(),))
