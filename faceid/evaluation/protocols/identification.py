"""Computes error rates of searches in a gallery (1:N), closed and open set.

ISO/IEC 19795-1:2021 and NIST's FRTE 1:N reports (Grother et al., NISTIR 8271). A mated search is a probe of an enrolled
identity, a non-mated search a probe of a person who is not enrolled. Identities are ranked by their nearest template;
among equal distances the right identity comes last, so that a constant score has no success. A probe without a face
(failure to acquire) returns no candidate: it is a false negative of a mated search, never a false positive of a
non-mated one, and it counts in both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.statistics.metrics import checked, threshold_at_count


@dataclass(frozen=True, eq=False)
class Searches:
    """The results of searches, with the number of probes that failed to acquire.

    `rank` (m,) int64 from 1 and `distance` (m,) float64 of the right identity in the mated searches; `nearest` (u,)
    float64, the distance of the nearest identity in the non-mated searches.
    """

    rank: NDArray[np.int64]
    distance: NDArray[np.float64]
    nearest: NDArray[np.float64]
    mated_lost: int = 0
    non_mated_lost: int = 0

    @property
    def mated(self) -> int:
        """How many mated searches there were."""
        return int(self.rank.size) + self.mated_lost

    @property
    def non_mated(self) -> int:
        """How many non-mated searches there were."""
        return int(self.nearest.size) + self.non_mated_lost


def search(
    distances: NDArray[np.floating],
    probe: NDArray[np.int64],
    gallery: NDArray[np.int64],
    *,
    mated_lost: int = 0,
    non_mated_lost: int = 0,
) -> Searches:
    """Searches from a matrix of distances (p, g), with the identities of the probes (p,) and templates (g,).

    `*_lost`: probes of either kind without a face, which have no row. ValueError if shapes disagree, a distance is NaN,
    or the gallery is empty.
    """
    matrix = np.asarray(distances, dtype=np.float64)
    if matrix.shape != (np.size(probe), np.size(gallery)) or matrix.shape[1] == 0:
        raise ValueError(
            f"distances {matrix.shape} are not of {np.size(probe)} probes and {np.size(gallery)} templates"
        )
    if np.isnan(matrix).any():
        raise ValueError("distances must not be NaN")
    if min(mated_lost, non_mated_lost) < 0:
        raise ValueError("a count of lost searches cannot be negative")
    order = np.argsort(gallery, kind="stable")
    identities, starts = np.unique(np.asarray(gallery)[order], return_index=True)
    nearest = np.minimum.reduceat(matrix[:, order], starts, axis=1)
    column = np.minimum(np.searchsorted(identities, probe), identities.size - 1)
    mated = identities[column] == probe
    right = nearest[np.flatnonzero(mated), column[mated]]
    return Searches(
        rank=np.count_nonzero(nearest[mated] <= right[:, None], axis=1).astype(np.int64),
        distance=right,
        nearest=nearest[~mated].min(axis=1),
        mated_lost=mated_lost,
        non_mated_lost=non_mated_lost,
    )


def cmc(searches: Searches, ranks: int) -> NDArray[np.float64]:
    """Cumulative match characteristic (ranks,): element k - 1 is the share of mated searches right by rank k."""
    if ranks < 1:
        raise ValueError("ranks count from 1")
    hits = np.bincount(searches.rank[searches.rank <= ranks], minlength=ranks + 1)[1:]
    return np.asarray(np.cumsum(hits) / _some(searches.mated, "mated"), dtype=np.float64)


def rank_k(searches: Searches, k: int) -> float:
    """Closed-set identification rate: the share of mated searches with the right identity among the first k."""
    return float(cmc(searches, k)[-1])


def fpir(searches: Searches, threshold: float) -> float:
    """False positive identification rate: the share of non-mated searches with a candidate at `threshold` or closer."""
    return float(np.count_nonzero(searches.nearest <= threshold)) / _some(searches.non_mated, "non-mated")


def fnir(searches: Searches, threshold: float, rank: int | None = None) -> float:
    """False negative identification rate: the share of mated searches that do not return the right identity.

    That is: farther than `threshold`, or, where `rank` is given, not among the first `rank`.
    """
    found = searches.distance <= threshold
    if rank is not None:
        found &= searches.rank <= rank
    total = _some(searches.mated, "mated")
    return float(total - np.count_nonzero(found)) / total


def threshold_at_fpir(searches: Searches, rate: float) -> float:
    """The largest threshold whose FPIR is at most `rate` (0..1)."""
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"{rate} is not a rate")
    nearest = checked(searches.nearest)
    allowed = int(rate * searches.non_mated * (1 + 1e-12))
    return threshold_at_count(nearest, min(allowed, nearest.size))


def _some(total: int, kind: str) -> int:
    if total < 1:
        raise ValueError(f"there is no {kind} search")
    return total
