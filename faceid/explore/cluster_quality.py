"""Measures how well groups agree with people, for faces of known identity.

Pairs: of the pairs of faces in one group, the share of one person (precision); of the pairs of one person, the share in
one group (recall). B-cubed (Bagga and Baldwin 1998; Amigo et al. 2009): the same for each face, with the faces of its
group and of its person, itself among them, averaged over faces: one huge group cannot dominate all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.statistics.bootstrap import mean_over_people

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ClusterQuality:
    """Over the faces of known identity. Pairwise shares are None without such a pair.

    The intervals of B-cubed (95 %) resample people; with one person only they are None.
    """

    faces: int
    identities: int
    pair_precision: float | None
    pair_recall: float | None
    b_cubed_precision: float
    b_cubed_recall: float
    b_cubed_precision_interval: tuple[float, float] | None
    b_cubed_recall_interval: tuple[float, float] | None

    @property
    def b_cubed_f(self) -> float:
        """The harmonic mean of B-cubed precision and recall."""
        return (
            2 * self.b_cubed_precision * self.b_cubed_recall / (self.b_cubed_precision + self.b_cubed_recall)
        )


def quality_of(group: Ints, identity: Ints, rng: np.random.Generator) -> ClusterQuality | None:
    """The agreement of groups (n,) with identities (n,), -1 for unknown; None if no identity is known."""
    known = np.flatnonzero(identity >= 0)
    if not known.size:
        return None
    group, identity = group[known], identity[known]
    together, right, possible = pair_counts(group, identity)
    precision, recall = b_cubed(group, identity)
    intervals = [mean_over_people(values, identity, rng) for values in (precision, recall)]
    return ClusterQuality(
        faces=int(known.size),
        identities=len(np.unique(identity)),
        pair_precision=right / together if together else None,
        pair_recall=right / possible if possible else None,
        b_cubed_precision=float(precision.mean()),
        b_cubed_recall=float(recall.mean()),
        b_cubed_precision_interval=None if intervals[0] is None else (intervals[0].low, intervals[0].high),
        b_cubed_recall_interval=None if intervals[1] is None else (intervals[1].low, intervals[1].high),
    )


def pair_counts(group: Ints, identity: Ints) -> tuple[int, int, int]:
    """Pairs of faces in one group, those of them of one person, and all pairs of one person."""
    group, identity = _numbered(group), _numbered(identity)
    both = np.unique(_cells(group, identity), return_counts=True)[1]
    return (_pairs(np.bincount(group)), _pairs(both), _pairs(np.bincount(identity)))


def b_cubed(group: Ints, identity: Ints) -> tuple[Floats, Floats]:
    """B-cubed precision and recall of each face (n,), from groups and identities (n,)."""
    group, identity = _numbered(group), _numbered(identity)
    _, cell, counts = np.unique(_cells(group, identity), return_inverse=True, return_counts=True)
    shared = counts[cell.reshape(-1)].astype(np.float64)
    return shared / np.bincount(group)[group], shared / np.bincount(identity)[identity]


def _numbered(labels: Ints) -> Ints:
    return np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _cells(group: Ints, identity: Ints) -> Ints:
    return group * (int(identity.max(initial=0)) + 1) + identity


def _pairs(sizes: NDArray[np.int64]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())
