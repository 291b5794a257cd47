"""Distances between embeddings of unit length.

D = ||x - y|| (l2), ||x - y||^2 (squared_l2) or 1 - x . y (cosine), x and y brought to unit length first; squared_l2 is
twice cosine.
"""

from __future__ import annotations

from pytorch_metric_learning.distances import BaseDistance, CosineSimilarity, LpDistance
from torch import Tensor


def pml_distance(name: str) -> BaseDistance:
    """pytorch-metric-learning's object for `name`, one of `settings.DISTANCES`.

    That for cosine gives similarities, and says so (`is_inverted`): x . y instead of 1 - x . y, which its losses
    and miners account for.
    """
    if name == "cosine":
        return CosineSimilarity()
    return LpDistance(p=2, power=2 if name == "squared_l2" else 1, normalize_embeddings=True)


def distances(name: str, embeddings: Tensor) -> Tensor:
    """(n, n) distances `name` between all of (n, d) embeddings.

    Gradients are finite where two are equal: that of the root at 0 is taken as 0.
    """
    measured: Tensor = pml_distance(name)(embeddings)
    return 1 - measured if name == "cosine" else measured
