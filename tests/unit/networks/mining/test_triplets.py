"""Mining within a batch: cases placed by hand, and what is drawn how often."""

from __future__ import annotations

import math

import pytest
import torch
from pytorch_metric_learning.miners import TripletMarginMiner
from torch import Tensor

from faceid.networks.losses.distance import pml_distance
from faceid.networks.mining.triplets import distance_weighted, random, semi_hard, triplets


def at(*degrees: float) -> Tensor:
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], dim=1)


def rows(mined: tuple[Tensor, Tensor, Tensor]) -> set[tuple[int, int, int]]:
    return set(zip(*(places.tolist() for places in mined), strict=True))


# Class 0 at 0 and 20 degrees; strangers at 10 (between them), 25, 50 and 180.
EMBEDDINGS, LABELS = at(0, 20, 10, 25, 50, 180), torch.tensor([0, 0, 1, 2, 3, 4])


def test_semi_hard_takes_the_nearest_stranger_that_is_farther_than_the_positive() -> None:
    # From 0, 25 is the first beyond 20; from 20, 50 is the first more than 20 away.
    assert rows(semi_hard(EMBEDDINGS, LABELS)) == {(0, 1, 3), (1, 0, 4)}


def test_semi_hard_of_the_library_takes_every_one_within_the_margin() -> None:
    miner = TripletMarginMiner(margin=0.6, type_of_triplets="semihard", distance=pml_distance("l2"))
    assert rows(miner(EMBEDDINGS, LABELS)) == {(0, 1, 3), (0, 1, 4), (1, 0, 4)}


def test_semi_hard_leaves_out_pairs_of_which_every_stranger_is_nearer() -> None:
    # From 0 and from 90, both strangers lie before the positive.
    assert rows(semi_hard(at(0, 90, 35, 60), torch.tensor([0, 0, 1, 1]))) == {(2, 3, 0), (3, 2, 1)}


def test_hard_is_the_farthest_positive_and_the_nearest_negative() -> None:
    mined = triplets("hard", at(0, 20, 50, 60, 190), torch.tensor([0, 0, 0, 1, 1]))
    assert rows(mined) == {(0, 2, 3), (1, 2, 3), (2, 0, 3), (3, 4, 2), (4, 3, 2)}


def test_random_draws_all_positives_and_negatives_evenly() -> None:
    torch.manual_seed(0)
    labels = torch.tensor([0, 0, 0, 1, 1])
    drawn = torch.zeros(5, 5)
    rounds = 800
    for _ in range(rounds):
        for a, p, n in rows(random(torch.randn(5, 2), labels)):
            if a == 0:
                drawn[p, n] += 1
    assert drawn.sum() == rounds
    # Four equally likely pairs: 200 each, with a standard deviation of 12.
    assert ((drawn[1:3, 3:] - rounds / 4).abs() < 60).all()


def test_distance_weighted_draws_by_the_papers_chances() -> None:
    torch.manual_seed(0)
    size, rounds = 8, 1500
    far = torch.tensor([0.3, 0.7, 0.9])
    # A pair, and strangers at these distances from its first; 0.3 counts as 0.5.
    angles = 2 * torch.asin(far / 2)
    embeddings = torch.zeros(5, size)
    embeddings[0, 0] = embeddings[1, 1] = 1
    embeddings[2:, 0], embeddings[2:, 2] = angles.cos(), angles.sin()
    labels = torch.tensor([0, 0, 1, 2, 3])
    drawn = torch.zeros(5)
    for _ in range(rounds):
        anchors, _, negatives = distance_weighted(embeddings, labels)
        drawn[negatives[anchors == 0]] += 1
    weights = [1 / (d ** (size - 2) * (1 - d**2 / 4) ** ((size - 3) / 2)) for d in (0.5, 0.7, 0.9)]
    assert drawn.sum() == rounds
    for counted, weight in zip(drawn[2:].tolist(), weights, strict=True):
        chance = weight / sum(weights)
        assert abs(counted / rounds - chance) < 5 * math.sqrt(chance * (1 - chance) / rounds)


def test_distance_weighted_loses_no_anchor_to_underflow() -> None:
    # In 512 dimensions, the weights of distances 0.5 and 1.4 are e^300 apart.
    torch.manual_seed(0)
    embeddings = torch.randn(40, 512)
    embeddings[1::2] = embeddings[::2] + 0.01 * torch.randn(20, 512)
    labels = torch.arange(40) // 2
    labels[1], labels[2] = 1, 0
    anchors, _, _ = distance_weighted(embeddings, labels)
    assert sorted(anchors.tolist()) == list(range(40))


@pytest.mark.parametrize("mining", ["all", "hard", "semi_hard", "random", "distance_weighted"])
def test_the_choice_keeps_no_graph(mining: str) -> None:
    embeddings = torch.randn(6, 4, requires_grad=True)
    mined = triplets(mining, embeddings, torch.arange(6) % 2)
    assert not any(places.requires_grad for places in mined)


def test_of_offline_mining_the_batch_s_own_triplets_count() -> None:
    found = triplets("offline_hard", torch.rand(6, 2), torch.tensor([4, 4, 2, 2, 2, 4]))
    assert torch.stack(found, 1).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [0, 1, 0], [0, 0, 0]])
def test_a_batch_that_is_not_of_triplets_is_refused(labels: list[int]) -> None:
    with pytest.raises(ValueError, match="made of triplets"):
        triplets("offline_semi_hard", torch.rand(len(labels), 2), torch.tensor(labels))
