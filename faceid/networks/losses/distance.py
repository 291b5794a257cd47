"""Distances between embeddings of unit length.

D = ||x - y|| (l2), ||x - y||^2 (squared_l2) or 1 - x . y (cosine), with x and y scaled to unit length first; squared_l2
is twice cosine.
"""

from __future__ import annotations

from pytorch_metric_learning.distances import BaseDistance, CosineSimilarity, LpDistance
from torch import Tensor


def pml_distance(name: str) -> BaseDistance:
    """pytorch-metric-learning's object for `name`, one of `settings.DISTANCES`.

    The object for cosine returns similarities, x . y instead of 1 - x . y, and marks this by `is_inverted`, which the
    losses and miners of the library use.
    """
    if name == "cosine":
        return CosineSimilarity()
    return LpDistance(p=2, power=2 if name == "squared_l2" else 1, normalize_embeddings=True)


def distances(name: str, embeddings: Tensor) -> Tensor:
    """(n, n) distances `name` between all of (n, d) embeddings.

    Gradients are finite for equal embeddings: that of the root at 0 is defined as 0.
    """
    measured: Tensor = pml_distance(name)(embeddings)
    return 1 - measured if name == "cosine" else measured
