"""Means over faces with intervals over people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.statistics.intervals import Interval


def mean_over_people(
    values: NDArray[np.float64], identity: NDArray[np.int64], rng: np.random.Generator, replicates: int = 1000
) -> Interval | None:
    """The mean of `values` (n,) with its 95 % interval, whole identities (n,) drawn with replacement (bootstrap).

    Faces of one person are not independent, people nearly are. None for one person only.
    """
    people = np.unique(identity, return_inverse=True)[1].reshape(-1)
    count = int(people.max()) + 1
    if count < 2:
        return None
    sums, sizes = np.bincount(people, weights=values), np.bincount(people)
    draws = rng.multinomial(count, np.full(count, 1 / count), size=replicates)
    low, high = np.quantile((draws @ sums) / (draws @ sizes), (0.025, 0.975))
    mean = float(values.mean())
    return Interval(mean, min(mean, float(low)), max(mean, float(high)))
