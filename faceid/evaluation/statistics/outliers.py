"""Finds templates that are far from the rest of their identity."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.statistics.scores import distances
from faceid.types import Metric

Floats = NDArray[np.float64]

OUTLYING = 3.5
"""The modified z-score above which a value counts as an outlier (Iglewicz and Hoaglin 1993)."""

ENOUGH = 30
"""The least number of mated distances from which a gallery itself gives the bound."""

# From the median absolute deviation to the standard deviation of a normal distribution.
_SIGMA = 1.4826


def far_from(apart: Floats, accepted: float | None) -> float | None:
    """The distance beyond which a template is an outlier, from those (n,) of all templates to their identities.

    Never less than `accepted`, the threshold of `verify`. None if that is unknown and there are fewer than ENOUGH.
    """
    if apart.size < ENOUGH:
        return accepted
    median = float(np.median(apart))
    usual = median + OUTLYING * _SIGMA * float(np.median(np.abs(apart - median)))
    return usual if accepted is None else max(usual, accepted)


def from_the_rest(vectors: NDArray[np.float32], metric: Metric) -> Floats:
    """The distance (n,) of each of (n, d) templates, n >= 2, from the identity of the others.

    The distance is that of `faceid.decision.scores.identity_similarity`.
    """
    own = vectors.astype(np.float64)
    rest = (own.sum(axis=0) - own) / (len(own) - 1)
    length = np.linalg.norm(rest, axis=1)
    score = (own * rest).sum(axis=1) / np.sqrt(np.where(length > 0.0, length, 1.0))
    return distances(score.astype(np.float32), metric)


def peel(
    vectors: NDArray[np.float32], metric: Metric, bound: float
) -> Iterator[tuple[tuple[int, ...], float]]:
    """The templates (n, d) of one identity that are farther than `bound` from the rest: rows, and the distance.

    The farthest comes first, and the others are judged without it, so one wrong photo does not make the right ones
    look wrong. The last two come together: their distance does not show which of them is wrong.
    """
    left = np.arange(len(vectors))
    while left.size > 1:
        apart = from_the_rest(vectors[left], metric)
        worst = int(apart.argmax())
        if not apart[worst] > bound:
            return
        if left.size == 2:
            yield (int(left[0]), int(left[1])), float(apart[worst])
            return
        yield (int(left[worst]),), float(apart[worst])
        left = np.delete(left, worst)
