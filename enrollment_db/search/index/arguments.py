"""Checks of the arguments of every index, made before any change; and the rounding of float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def checked_dim(dim: int) -> int:
    """The length of a vector. Raises ValueError below 1."""
    if dim < 1:
        raise ValueError(f"a vector has at least one value, not {dim}")
    return dim


def checked_vectors(vectors: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """(n, dim) float32, contiguous. Raises ValueError for another shape, or values that are not finite."""
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ValueError(f"vectors have shape {vectors.shape}, not (n, {dim})")
    if not np.isfinite(vectors).all():
        raise ValueError("a vector has values that are not finite")
    return vectors


def checked_ids(ids: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(count,) int64. Raises ValueError for another shape, or ids below 0."""
    ids = np.asarray(ids, np.int64)
    if ids.shape != (count,):
        raise ValueError(f"{count} vectors came with ids of shape {ids.shape}")
    if (ids < 0).any():
        raise ValueError("ids are not negative: -1 says that nothing was found")
    return ids


def checked_k(k: int) -> int:
    """The number of neighbours to find. Raises ValueError below 1."""
    if k < 1:
        raise ValueError(f"k is at least 1, not {k}")
    return k


def rounding(dim: int) -> float:
    """More than twice the largest float32 rounding error of the product of two unit vectors, in any order of sums."""
    return (dim + 8) * float(np.finfo(np.float32).eps)


def last_of_each(
    ids: NDArray[np.int64], vectors: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The (n,) ids and (n, d) vectors in their order, with only the last of each repeated id."""
    _, from_behind = np.unique(ids[::-1], return_index=True)
    if len(from_behind) == len(ids):
        return ids, vectors
    last = np.sort(len(ids) - 1 - from_behind)
    return ids[last], vectors[last]
