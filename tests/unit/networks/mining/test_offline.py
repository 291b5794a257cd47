"""Triplets out of a whole set, hard and semi-hard."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from faceid.networks.losses.settings import OFFLINE
from faceid.networks.mining.offline import FIRST_LOOK, flat, hard_triplets, mined, semi_hard_triplets


def at(*degrees: float) -> NDArray[np.float32]:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_by_hand() -> None:
    # The last is alone in its class: a negative, but no anchor.
    mined = hard_triplets(at(0, 20, 50, 60, 190, 42), np.array([0, 0, 0, 1, 1, 7]))
    assert mined.tolist() == [[0, 2, 5], [1, 2, 5], [2, 0, 5], [3, 4, 2], [4, 3, 2]]


def test_a_faiss_index_finds_the_same() -> None:
    generator = np.random.default_rng(1)
    embeddings = generator.normal(size=(300, 8)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    labels = generator.integers(0, 40, 300)
    index = faiss.IndexFlatL2(8)
    index.add(embeddings)
    for search in (index.search, flat(embeddings)):
        np.testing.assert_array_equal(
            hard_triplets(embeddings, labels, search), hard_triplets(embeddings, labels)
        )


def test_semi_hard_by_hand() -> None:
    # From 0 the stranger at 10 is nearer than the positive, and the one at 30 is not. From 20 both are nearer.
    places, labels = at(0, 20, 10, 30), np.array([0, 0, 1, 1])
    found = semi_hard_triplets(places, labels, np.random.default_rng(0))
    assert found.tolist() == [[0, 1, 3], [3, 2, 0]]


def test_every_positive_is_drawn() -> None:
    found = [
        semi_hard_triplets(at(0, 1, 2, 3, 90), np.array([0, 0, 0, 0, 1]), np.random.default_rng(seed))
        for seed in range(40)
    ]
    assert {tuple(row) for rows in found for row in rows.tolist()} == {
        (anchor, positive, 4) for anchor in range(4) for positive in range(4) if anchor != positive
    }


@pytest.mark.parametrize("mining", OFFLINE)
def test_where_all_embeddings_are_one_nothing_is_semi_hard(mining: str) -> None:
    found = mined(mining, np.ones((6, 1), np.float32), np.array([0, 0, 0, 1, 1, 1]), np.random.default_rng(0))
    assert len(found) == (6 if mining == "offline_hard" else 0)


def test_looks_farther_where_the_first_neighbours_are_all_of_the_own_class() -> None:
    own = 4 * FIRST_LOOK
    embeddings = at(*np.linspace(0, 10, own), 90, 91)
    asked: list[int] = []
    labels = np.array([0] * own + [1, 1])
    index = faiss.IndexFlatL2(2)
    index.add(embeddings)

    def search(queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        asked.append(k)
        distances, places = index.search(queries, k)
        return distances, places

    mined = hard_triplets(embeddings, labels, search)
    assert (mined[:own, 2] == own).all()
    assert asked == [FIRST_LOOK, 2 * FIRST_LOOK, 4 * FIRST_LOOK, own + 2]


def test_anchors_of_which_the_index_finds_no_stranger_are_left_out() -> None:
    def search(queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return np.zeros((len(queries), k), np.float32), np.full((len(queries), k), -1)

    assert hard_triplets(at(0, 20, 50, 60), np.array([0, 0, 1, 1]), search).shape == (0, 3)


def test_nothing_in_nothing_out() -> None:
    assert hard_triplets(np.zeros((0, 4), np.float32), np.zeros(0, np.int64)).shape == (0, 3)
    assert hard_triplets(at(0, 1, 2), np.array([5, 5, 5])).shape == (0, 3)
