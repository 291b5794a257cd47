"""Which templates an identity keeps when it has more than the rules allow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Rounding leaves the cosine of a float32 unit vector with its copy this near to 1.
_COPY = 1.0 - 1e-6


def select(
    vectors: NDArray[np.float32],
    qualities: Sequence[float] | NDArray[np.float32],
    keep: int,
    already: Sequence[int] = (),
    *,
    same_scene: float = _COPY,
) -> list[int]:
    """The places of at most `keep` of the templates (n, d) of unit length, nearest to their mean; ascending.

    The mean weighs each template by its quality (n,), 0..1. The score of an identity uses its mean template
    (`faceid.decision.scores.identity_similarity`). Few templates near the mean preserve it best, and photos of another
    person that the checks missed are removed first. Choosing the most different templates does the opposite: outliers
    are diverse.

    Near-duplicates, with a cosine of `same_scene` (-1..1) or more (`faceid.enrolment.checks.group.scene_similarity`),
    count as one in the mean, and only the best of them is kept while others are left. Places of `already` stored ones
    win ties. All are kept where n <= keep. Deterministic. Raises ValueError for `keep` under 1, and for another number
    of qualities than of vectors.
    """
    if keep < 1:
        raise ValueError(f"at least one template has to be kept, not {keep}")
    if len(qualities) != len(vectors):
        raise ValueError(f"{len(qualities)} qualities of {len(vectors)} templates")
    if len(vectors) <= keep:
        return list(range(len(vectors)))
    own = vectors.astype(np.float64)
    near = own @ own.T >= same_scene
    np.fill_diagonal(near, True)
    # A quality of 0 keeps a small weight: the weights must not all be 0.
    quality = np.maximum(np.asarray(qualities, dtype=np.float64), 1e-3)
    mean = (quality / near.sum(axis=1)) @ own
    stored = np.zeros(len(own), dtype=bool)
    stored[list(already)] = True
    # Rounded, so that copies tie whatever place they were computed at.
    closeness = np.round(own @ mean / max(float(np.linalg.norm(mean)), 1e-12), 9)
    order = np.lexsort((np.arange(len(own)), -quality, ~stored, -closeness))
    taken: list[int] = []
    doubles: list[int] = []
    for place in order.tolist():
        (doubles if near[place, taken].any() else taken).append(place)
    return sorted((taken + doubles)[:keep])
