"""Searches against their definitions, spelled as slow loops."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from faceid.evaluation.protocols.identification import cmc, fnir, fpir, search


@st.composite
def searches(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    gallery = draw(st.lists(st.integers(0, 5), min_size=1, max_size=8))
    # At least one of each kind: an identity of the gallery, and 9, which never is.
    probes = [gallery[0], 9, *draw(st.lists(st.integers(0, 9), max_size=6))]
    values = st.sampled_from([0.0, 0.1, 0.2, 0.4, 0.8])
    rows = st.lists(values, min_size=len(gallery), max_size=len(gallery))
    matrix = draw(st.lists(rows, min_size=len(probes), max_size=len(probes)))
    return np.array(matrix), np.array(probes), np.array(gallery)


@given(
    case=searches(),
    threshold=st.sampled_from([0.0, 0.1, 0.3, 0.8]),
    limit=st.integers(1, 6),
    lost=st.integers(0, 3),
)
def test_open_and_closed_set_rates(
    case: tuple[np.ndarray, np.ndarray, np.ndarray], threshold: float, limit: int, lost: int
) -> None:
    matrix, probes, gallery = case
    misses = late = hits = alarms = strangers = mated = 0
    for row, probe in zip(matrix, probes, strict=True):
        nearest: dict[int, float] = {}
        for identity, distance in zip(gallery.tolist(), row.tolist(), strict=True):
            nearest[identity] = min(distance, nearest.get(identity, np.inf))
        if int(probe) in nearest:
            mated += 1
            own = nearest[int(probe)]
            rank = sum(distance <= own for distance in nearest.values())
            misses += own > threshold
            late += own > threshold or rank > limit
            hits += rank <= limit
        else:
            strangers += 1
            alarms += any(distance <= threshold for distance in nearest.values())
    found = search(matrix, probes, gallery, mated_lost=lost, non_mated_lost=lost)
    assert fnir(found, threshold) == (misses + lost) / (mated + lost)
    assert fnir(found, threshold, limit) == (late + lost) / (mated + lost)
    assert abs(cmc(found, limit)[-1] - hits / (mated + lost)) < 1e-12
    assert fpir(found, threshold) == alarms / (strangers + lost)
