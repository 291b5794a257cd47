"""Similarities and distances of templates, and the score of an identity with several templates."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from faceid.types import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


def distance_from_similarity(similarity: float, metric: Metric) -> float:
    """The model's distance (0..2) between unit vectors whose cosine is `similarity` (-1..1)."""
    # Rounding can push the cosine of a vector with itself past 1.
    gap = max(0.0, 1.0 - similarity)
    return gap if metric == "cosine" else math.sqrt(2.0 * gap)


def similarity_from_distance(distance: float, metric: Metric) -> float:
    """The cosine of unit vectors at this distance (0..2): the inverse of `distance_from_similarity`."""
    return 1.0 - distance if metric == "cosine" else 1.0 - distance * distance / 2.0


def identity_similarity(probe: NDArray[np.float32], templates: NDArray[np.float32]) -> float:
    """The similarity, -1..1, of a probe (d,) and an identity with templates (n, d), n >= 1, all of unit length.

    With m the mean of the templates: (probe . m) / sqrt(|m|). This is the geometric mean of the average cosine to the
    templates and the cosine to their mean direction. With one template it is the plain cosine. Averaging removes what
    is peculiar to one photo and so brings non-mated probes nearer too. Of the scores that
    scripts/studies/compare_identity_scores.py compares, this one keeps the FMR of a threshold that was calibrated on
    single templates, whatever their number, and it has a lower FNMR than the nearest template.
    """
    (similarity,) = IdentityScores({0: templates}).similarities(probe, [0])
    return similarity


class IdentityScores:
    """`identity_similarity` of some identities, for many probes.

    Each identity is averaged once, and a probe is compared with several of them at a time. Identities with equal
    templates have equal scores, in any position.
    """

    def __init__(self, templates: Mapping[int, NDArray[np.float32]]) -> None:
        """`templates` are (n, d) by identity, n >= 1, all of unit length."""
        import numpy as np

        self._rows = {identity: row for row, identity in enumerate(templates)}
        if not templates:
            return
        counts = np.array([len(own) for own in templates.values()])
        starts = np.cumsum(counts) - counts
        sums = np.add.reduceat(np.concatenate(list(templates.values())), starts, axis=0, dtype=np.float64)
        self._means = sums / counts[:, None]
        roots = np.sqrt(np.sqrt((self._means * self._means).sum(axis=1)))
        # |probe . m| <= |m|, so the similarity tends to 0 where templates cancel out.
        self._roots = np.where(roots > 0.0, roots, np.inf)

    def similarities(self, probe: NDArray[np.float32], identities: Sequence[int]) -> list[float]:
        """The similarities, -1..1, of a probe (d,) and each of the identities. Raises KeyError for an unknown one."""
        import numpy as np

        rows = [self._rows[identity] for identity in identities]
        if not rows:
            return []
        # A sum and not a matrix product, which rounds by position.
        products = (self._means[rows] * probe.astype(np.float64)).sum(axis=1)
        found: list[float] = (products / self._roots[rows]).tolist()
        return found
