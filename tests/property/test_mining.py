"""What is mined, against slow loops; splits and batches, for any names and numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import naive_losses as naive
from faceid.networks.errors import BadSettings
from faceid.networks.losses.settings import MINING
from faceid.networks.mining.batches import IdentityBatches
from faceid.networks.mining.offline import exhaustive, hard_triplets, semi_hard_triplets
from faceid.networks.mining.splits import split
from faceid.networks.mining.triplets import FARTHEST, NEAREST, Triplets, negative_log_weights, triplets

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=14)
SEEDS = st.integers(0, 2**32 - 1)


def rows(mined: Triplets) -> list[tuple[int, int, int]]:
    assert all(places.dtype == torch.int64 for places in mined)
    return [(int(a), int(p), int(n)) for a, p, n in zip(*mined, strict=True)]


def points(labels: list[int], seed: int) -> torch.Tensor:
    return torch.randn(len(labels), 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("mining", "loop"),
    [
        ("all", lambda embeddings, labels: naive.every_triplet(labels)),
        ("hard", naive.hard_triplets),
        ("semi_hard", naive.semi_hard_triplets),
    ],
)
@settings(max_examples=30)
@given(labels=LABELS, seed=SEEDS)
def test_mined_is_what_the_loop_finds(
    mining: str, loop: Callable[..., list[naive.Triplet]], labels: list[int], seed: int
) -> None:
    embeddings = points(labels, seed)
    mined = rows(triplets(mining, embeddings, torch.tensor(labels)))
    assert sorted(mined) == sorted(loop(embeddings.tolist(), labels))


@pytest.mark.parametrize("mining", MINING)
@settings(max_examples=30)
@given(labels=LABELS, seed=SEEDS)
def test_mined_are_triplets_and_none_is_missed_where_there_are_some(
    mining: str, labels: list[int], seed: int
) -> None:
    possible = set(naive.every_triplet(labels))
    mined = rows(triplets(mining, points(labels, seed), torch.tensor(labels)))
    assert set(mined) <= possible
    if mining != "semi_hard":
        assert {a for a, _, _ in mined} == {a for a, _, _ in possible}
    if mining == "random":
        assert len(mined) == len({a for a, _, _ in mined})
    if mining == "distance_weighted":
        assert Counter((a, p) for a, p, _ in mined) == Counter({(a, p) for a, p, _ in possible})


@given(distance=st.floats(0, 2), size=st.integers(2, 512))
def test_log_weights_are_the_papers_density(distance: float, size: int) -> None:
    held = min(max(distance, NEAREST), FARTHEST)
    density = (size - 2) * math.log(held) + (size - 3) / 2 * math.log(1 - held**2 / 4)
    found = negative_log_weights(torch.tensor([[distance]], dtype=torch.float64), size)
    assert found.item() == pytest.approx(-density, abs=1e-9)


@settings(max_examples=30)
@given(labels=st.lists(st.integers(0, 2), min_size=1, max_size=40), seed=SEEDS)
def test_offline_is_what_the_loop_finds(labels: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    embeddings = generator.normal(size=(len(labels), 3)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    mined = hard_triplets(embeddings, np.array(labels))
    assert mined.dtype == np.int64
    assert mined.shape[1] == 3
    measure = [[naive.l2(x, y) for y in embeddings.tolist()] for x in embeddings.tolist()]
    loop = naive.hard_triplets(embeddings.tolist(), labels)
    assert [row[0] for row in mined.tolist()] == [a for a, _, _ in loop]
    # Distances, not places: in single precision, near ties may fall either way.
    for (a, p, n), (_, positive, negative) in zip(mined.tolist(), loop, strict=True):
        assert labels[p] == labels[a] != labels[n]
        assert measure[a][p] == pytest.approx(measure[a][positive], abs=1e-3)
        assert measure[a][n] == pytest.approx(measure[a][negative], abs=1e-3)


@settings(max_examples=30)
@given(labels=st.lists(st.integers(0, 2), min_size=1, max_size=40), seed=SEEDS)
def test_offline_semi_hard_is_a_triplet_of_the_loop(labels: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    # In double precision, as near ties may fall either way in single.
    embeddings = generator.normal(size=(len(labels), 3))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    found = semi_hard_triplets(embeddings, np.array(labels), generator).tolist()
    # The loop has every pair of anchor and positive; here an anchor has drawn one of them.
    loop = naive.semi_hard_triplets(embeddings.tolist(), labels)
    assert {tuple(row) for row in found} <= set(loop)
    anchors = [anchor for anchor, _, _ in found]
    assert anchors == sorted(set(anchors))
    pairs = Counter(anchor for anchor, _, _ in loop)
    assert {anchor for anchor, count in pairs.items() if count == labels.count(labels[anchor]) - 1} <= set(
        anchors
    )


@given(count=st.integers(1, 20), k=st.integers(1, 20), seed=SEEDS)
def test_exhaustive_search_orders_by_distance(count: int, k: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    embeddings = generator.normal(size=(count, 4)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    k = min(k, count)
    distances, places = exhaustive(embeddings)(embeddings[:3], k)
    by_hand = np.linalg.norm(embeddings[:3, None] - embeddings[None], axis=2)
    np.testing.assert_allclose(distances, np.sort(by_hand, axis=1)[:, :k], atol=1e-3)
    np.testing.assert_allclose(np.take_along_axis(by_hand, places, axis=1), distances, atol=1e-3)


NAMES = st.sets(st.text(max_size=8), max_size=20)
SHARES = st.tuples(st.floats(0, 0.5), st.floats(0, 0.4))


@settings(max_examples=25)
@given(names=NAMES, others=NAMES, seed=st.integers(0, 100), shares=SHARES)
def test_splits_never_share_an_identity_and_are_stable(
    names: set[str], others: set[str], seed: int, shares: tuple[float, float]
) -> None:
    validation, test = shares
    before = split(names, seed=seed, validation=validation, test=test)
    after = split([*others, *names, *names], seed=seed, validation=validation, test=test)
    parts = [set(part) for part in (before.train, before.validation, before.test)]
    assert set.union(*parts) == names
    assert sum(map(len, parts)) == len(names)
    assert parts[0] <= set(after.train)
    assert parts[1] <= set(after.validation)
    assert parts[2] <= set(after.test)


@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=15),
    identities=st.integers(2, 5),
    photos=st.integers(2, 6),
    seed=st.integers(0, 1000),
    epoch=st.integers(0, 50),
    order=st.randoms(use_true_random=False),
)
def test_batches(
    counts: list[int], identities: int, photos: int, seed: int, epoch: int, order: object
) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    order.shuffle(labels)
    several = [label for label, count in enumerate(counts) if count > 1]
    if len(several) < identities:
        with pytest.raises(BadSettings, match=f"{len(several)} identities have two photos or more"):
            IdentityBatches(labels, identities=identities, photos=photos, seed=seed)
        return
    batches = IdentityBatches(labels, identities=identities, photos=photos, seed=seed)
    assert batches.left_out == len(counts) - len(several)
    shown = list(batches.epoch(epoch))
    assert len(shown) == len(batches) == len(several) // identities
    for batch in shown:
        assert len(set(batch)) == len(batch)
        drawn = Counter(labels[place] for place in batch)
        assert len(drawn) == identities
        assert all(number == min(photos, counts[label]) for label, number in drawn.items())
    labels_shown = [label for batch in shown for label in {labels[place] for place in batch}]
    assert len(set(labels_shown)) == len(labels_shown)
    again = IdentityBatches(labels, identities=identities, photos=photos, seed=seed)
    for number in range(len(shown)):
        assert again.batch(epoch, number) == shown[number]
        assert list(again.epoch(epoch, start=number)) == shown[number:]
