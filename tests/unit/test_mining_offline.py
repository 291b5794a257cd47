"""Hard mining over a whole set by an index."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from models.mining.offline import FIRST_LOOK, hard_triplets


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
    np.testing.assert_array_equal(
        hard_triplets(embeddings, labels, index.search), hard_triplets(embeddings, labels)
    )


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
