from __future__ import annotations

import numpy as np
import pytest

from faceid.decision.scores import distance_from_similarity
from faceid.evaluation.statistics import scores
from faceid.evaluation.statistics.scores import compare_all, distances


def templates(count: int, identities: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    people = rng.normal(size=(identities, 16))
    identity = rng.permutation(np.arange(count) % identities)
    vectors = people[identity] + 0.7 * rng.normal(size=(count, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), identity


def loop(vectors: np.ndarray, identity: np.ndarray, metric: str) -> list[tuple[float, int, int, bool]]:
    found = []
    for i in range(len(vectors)):
        for j in range(i + 1, len(vectors)):
            similarity = float(np.float32(np.dot(vectors[i], vectors[j])))
            distance = distance_from_similarity(similarity, metric)
            found.append((distance, i, j, identity[i] == identity[j]))
    return found


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_every_pair_is_counted_once(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Small tiles: on the diagonal, off it and cut short at the end.
    monkeypatch.setattr(scores, "TILE", 16)
    vectors, identity = templates(75, 12)
    pairs = compare_all(vectors, identity, metric, thresholds=(0.3, 0.8), keep=50, bins=64)
    slow = loop(vectors, identity, metric)
    mated = np.sort([distance for distance, _, _, same in slow if same])
    non_mated = np.sort([distance for distance, _, _, same in slow if not same])
    assert (pairs.mated, pairs.non_mated) == (mated.size, non_mated.size)
    assert pairs.false_matches.tolist() == [np.count_nonzero(non_mated <= bound) for bound in (0.3, 0.8)]
    assert pairs.false_non_matches.tolist() == [np.count_nonzero(mated > bound) for bound in (0.3, 0.8)]
    # A sum in another order may cross the edge of a bin.
    reference = np.histogram(non_mated, pairs.edges)[0]
    assert np.abs(pairs.non_mated_histogram - reference).sum() <= 4
    assert pairs.mated_histogram.sum() == mated.size

    assert pairs.nearest.distance.size == 50
    np.testing.assert_allclose(pairs.nearest.distance, non_mated[:50], atol=1e-6)
    np.testing.assert_allclose(pairs.farthest.distance, mated[-50:], atol=1e-6)
    assert non_mated[49] - 1e-6 <= pairs.reach <= non_mated[50] + 1e-6
    assert mated[-51] - 1e-6 <= pairs.mated_reach <= mated[-50] + 1e-6
    by_pair = {(i, j): distance for distance, i, j, _ in slow}
    for part in (pairs.nearest, pairs.farthest):
        expected = [by_pair[int(i), int(j)] for i, j in zip(part.first, part.second, strict=True)]
        np.testing.assert_allclose(part.distance, expected, atol=1e-6)


def test_nothing_left_out_reaches_everywhere() -> None:
    vectors, identity = templates(20, 4)
    pairs = compare_all(vectors, identity.astype(str), "cosine")
    assert (pairs.reach, pairs.mated_reach) == (np.inf, -np.inf)
    assert pairs.nearest.distance.size == pairs.non_mated
    assert pairs.farthest.distance.size == pairs.mated


def test_equal_distances_are_kept_or_left_out_together() -> None:
    # One pair at 0.2, very many at 1.
    vectors = np.zeros((40, 40), dtype=np.float32)
    np.fill_diagonal(vectors, 1.0)
    vectors[1, :2] = (0.8, 0.6)
    identity = np.arange(40) // 2 * (np.arange(40) > 1) + np.arange(40) * (np.arange(40) <= 1) + 100
    pairs = compare_all(vectors, identity, "cosine", keep=10)
    assert pairs.nearest.distance.tolist() == pytest.approx([0.2])
    assert 0.2 < pairs.reach < 1.0


def test_histogram_bins_start_at_their_edge() -> None:
    vectors, identity = templates(60, 10)
    pairs = compare_all(vectors, identity, "cosine", bins=7)
    everything = pairs.nearest.distance
    np.testing.assert_array_equal(pairs.non_mated_histogram, np.histogram(everything, pairs.edges)[0])


def test_distances_are_those_of_decide() -> None:
    similarities = np.array([-1.0, -0.2, 0.0, 0.3, 1.0, 1.0000001], dtype=np.float32)
    for metric in ("cosine", "euclidean"):
        expected = [distance_from_similarity(float(value), metric) for value in similarities]
        np.testing.assert_allclose(distances(similarities, metric), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("identity", "message"),
    [(["a"] * 4, "one identity only"), (list("abcd"), "no mated pair"), (list("ab"), "vectors")],
)
def test_templates_that_make_no_comparison(identity: list[str], message: str) -> None:
    vectors, _ = templates(4, 2)
    with pytest.raises(ValueError, match=message):
        compare_all(vectors, identity, "cosine")


def test_templates_must_be_finite() -> None:
    vectors, identity = templates(4, 2)
    vectors[2, 3] = np.nan
    with pytest.raises(ValueError, match="finite"):
        compare_all(vectors, identity, "cosine")
