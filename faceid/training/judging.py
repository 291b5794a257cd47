"""The quality of embeddings, measured on people outside the training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.statistics.metrics import tmr_at_fmr

FMR = 1e-3

_ROWS = 1024


def true_match_rate(vectors: NDArray[np.float32], identity: NDArray[np.int64]) -> float:
    """TMR at FMR 1e-3 over all pairs of (n, d) unit vectors; at FMR 0 where there are under 1,000 non-mated pairs.

    A loss is no substitute: it may fall while no pair is told apart better.
    """
    mated, non_mated = cosine_distances(vectors, identity)
    return tmr_at_fmr(mated, non_mated, FMR)


def cosine_distances(
    vectors: NDArray[np.float32], identity: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """1 - cosine of every mated and of every non-mated pair, each once."""
    mated, non_mated = [], []
    for start in range(0, len(vectors), _ROWS):
        rows = slice(start, start + _ROWS)
        apart = 1.0 - vectors[rows] @ vectors[start:].T
        same = identity[rows, None] == identity[None, start:]
        once = np.triu(np.ones(apart.shape, dtype=bool), k=1)
        mated.append(apart[once & same])
        non_mated.append(apart[once & ~same])
    return np.concatenate(mated), np.concatenate(non_mated)
