"""The margin below which two identities cannot be told apart, against a slow loop."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from faceid.evaluation.statistics.margin import SAME_SHARE, gaps


def test_gaps_are_those_of_a_slow_loop() -> None:
    rng = np.random.default_rng(0)
    identity = np.repeat(np.arange(6), 4)
    vectors = rng.normal(size=(6, 8))[identity] + 0.5 * rng.normal(size=(24, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    threshold = 0.6
    apart = 1.0 - vectors @ vectors.T
    same, other = [], []
    for probe in range(24):
        near = [k for k in range(24) if k != probe and apart[probe, k] <= threshold]
        for first, second in combinations(near, 2):
            owners = [identity[first] == identity[probe], identity[second] == identity[probe]]
            if all(owners):
                same.append(abs(apart[probe, first] - apart[probe, second]))
            elif any(owners):
                mine, theirs = (first, second) if owners[0] else (second, first)
                other.append(apart[probe, theirs] - apart[probe, mine])
    found = gaps(vectors, identity, "cosine", threshold)
    np.testing.assert_allclose(np.sort(found.same), np.sort(same), atol=1e-6)
    np.testing.assert_allclose(np.sort(found.other), np.sort(other), atol=1e-6)
    assert np.mean(found.same <= found.margin) == pytest.approx(SAME_SHARE, abs=0.05)


def test_two_photos_each_say_nothing_about_a_margin() -> None:
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]]
    assert gaps(vectors, np.array([0, 0, 1, 1]), "cosine", 0.5).margin == 0.0
