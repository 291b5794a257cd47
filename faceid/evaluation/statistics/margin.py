"""Computes the margin below which two identities cannot be distinguished, as model cards hold it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.statistics.scores import distances
from faceid.types import Metric

AMBIGUOUS_FMR = 1e-3
"""The threshold within which two identities may be ambiguous."""

SAME_SHARE = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Gaps:
    """The gaps between the distances of two templates to a probe, both within a threshold.

    `same` (n,): both are other photos of the probe's person. `other` (m,): the second is of another person, and the gap
    is negative if that one is nearer.
    """

    same: NDArray[np.floating]
    other: NDArray[np.floating]

    @property
    def margin(self) -> float:
        """The gap above SAME_SHARE of the cases of one person; 0 without a case.

        Two identities that differ by less may be one person under two names, or twins.
        """
        return float(np.quantile(self.same, SAME_SHARE)) if self.same.size else 0.0


def gaps(vectors: NDArray[np.float32], identity: NDArray[np.int64], metric: Metric, threshold: float) -> Gaps:
    """The gaps over all probes among (n, d) unit vectors with (n,) identities."""
    same_gaps, other_gaps = [], []
    for index, vector in enumerate(vectors):
        near = distances(vectors @ vector, metric)
        within = near <= threshold
        within[index] = False
        same = identity == identity[index]
        mated, non_mated = near[within & same], near[within & ~same]
        same_gaps.append(np.abs(mated[:, None] - mated[None, :])[np.triu_indices(mated.size, k=1)])
        other_gaps.append((non_mated[None, :] - mated[:, None]).ravel())
    return Gaps(np.concatenate(same_gaps), np.concatenate(other_gaps))
