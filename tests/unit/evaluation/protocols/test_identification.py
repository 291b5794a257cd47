from __future__ import annotations

import numpy as np
import pytest

from faceid.evaluation.protocols.identification import (
    Searches,
    cmc,
    fnir,
    fpir,
    rank_k,
    search,
    threshold_at_fpir,
)

# Templates of identities 7, 8, 7, 9; probes of 7, 8, 9 and of a stranger.
GALLERY = np.array([7, 8, 7, 9])
PROBES = np.array([7, 8, 9, 5])
DISTANCES = np.array(
    [
        [0.5, 0.4, 0.2, 0.9],
        [0.1, 0.3, 0.6, 0.2],
        [0.8, 0.7, 0.9, 0.7],
        [0.6, 0.9, 0.8, 0.35],
    ]
)


def test_searches_by_hand() -> None:
    found = search(DISTANCES, PROBES, GALLERY)
    # The last probe's identity ties with another, and so comes second.
    assert found.rank.tolist() == [1, 3, 2]
    assert found.distance.tolist() == [0.2, 0.3, 0.7]
    assert found.nearest.tolist() == [0.35]
    np.testing.assert_allclose(cmc(found, 4), [1 / 3, 2 / 3, 1, 1])
    assert rank_k(found, 2) == pytest.approx(2 / 3)
    assert (fpir(found, 0.34), fpir(found, 0.35)) == (0.0, 1.0)
    assert fnir(found, 0.3) == pytest.approx(1 / 3)
    assert fnir(found, 0.3, rank=1) == pytest.approx(2 / 3)


def test_a_probe_without_a_face_is_a_miss_and_no_false_positive() -> None:
    found = search(DISTANCES, PROBES, GALLERY, mated_lost=1, non_mated_lost=3)
    assert (found.mated, found.non_mated) == (4, 4)
    assert rank_k(found, 4) == 0.75
    assert fnir(found, 1.0) == 0.25
    assert fpir(found, 0.35) == 0.25


def test_a_constant_score_earns_no_rank() -> None:
    found = search(np.zeros((3, 4)), PROBES[:3], GALLERY)
    assert found.rank.tolist() == [3, 3, 3]


def test_threshold_at_fpir_counts_searches_without_a_face() -> None:
    nearest = np.array([0.1, 0.2, 0.3, 0.4])
    none = np.empty(0)
    plain = Searches(none.astype(np.int64), none, nearest)
    assert fpir(plain, threshold_at_fpir(plain, 0.25)) == 0.25
    lost = Searches(none.astype(np.int64), none, nearest, non_mated_lost=4)
    assert fpir(lost, threshold_at_fpir(lost, 0.25)) == 0.25
    assert threshold_at_fpir(lost, 0.25) > threshold_at_fpir(plain, 0.25)


@pytest.mark.parametrize(
    ("distances", "probes", "gallery"),
    [
        (np.zeros((2, 3)), np.arange(2), np.arange(2)),
        (np.zeros((2, 0)), np.arange(2), np.arange(0)),
        (np.array([[0.1, np.nan]]), np.arange(1), np.arange(2)),
    ],
)
def test_matrices_that_are_no_searches(
    distances: np.ndarray, probes: np.ndarray, gallery: np.ndarray
) -> None:
    with pytest.raises(ValueError):
        search(distances, probes, gallery)


def test_rates_of_no_searches() -> None:
    found = search(DISTANCES[:3], PROBES[:3], GALLERY)
    with pytest.raises(ValueError, match="no non-mated search"):
        fpir(found, 0.5)
    with pytest.raises(ValueError):
        cmc(found, 0)
