"""Projects embeddings to two dimensions, and computes their distances from the centres of their identities."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.statistics.scores import distances
from faceid.explore.extras import require
from faceid.types import Metric

Floats: TypeAlias = NDArray[np.float64]
Method: TypeAlias = Literal["pca", "tsne", "umap"]

PERPLEXITY = 30.0
"""The approximate number of neighbours that t-SNE keeps near a face (van der Maaten and Hinton 2008)."""


ALIKE = 1e-6
"""Embeddings that differ by less in every component are one point."""

MANY = 10_000
"""The number of faces above which t-SNE is so slow that the user is warned."""


def project(vectors: NDArray[np.float32], method: Method, seed: int) -> Floats:
    """(n, 2) places of (n, d) embeddings, n >= 3.

    `pca` (Pearson 1901) is linear and keeps the largest variance: points far apart have distant embeddings. `tsne` (van
    der Maaten and Hinton 2008) and `umap` (McInnes et al. 2018) keep neighbours together: distances between groups mean
    little, and sizes of groups nothing. Raises UsageError (`missing_library`), ValueError for fewer than 3 rows.
    """
    if len(vectors) < 3:
        raise ValueError(f"{len(vectors)} faces make no picture: 3 at least are needed")
    if method == "pca" or float(np.abs(vectors - vectors[0]).max()) < ALIKE:
        # Copies of one photo have no deviation: scikit-learn divides by it, and crashes.
        return principal_components(vectors)[0]
    if method == "tsne":
        manifold = require("sklearn.manifold", "scikit-learn", "t-SNE")
        # Initialised by principal components: repeatable, and large distances have a meaning (Kobak and Berens 2019).
        reducer = manifold.TSNE(
            perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3),
            init="pca",
            learning_rate="auto",
            random_state=seed,
        )
    else:
        umap = require("umap", "umap-learn", "UMAP", remedy="no_umap")
        # One thread: with a seed umap-learn uses only one, and prints a long warning otherwise.
        reducer = umap.UMAP(
            n_neighbors=min(15, len(vectors) - 1), metric="cosine", random_state=seed, n_jobs=1
        )
    return np.asarray(reducer.fit_transform(vectors), dtype=np.float64)


def principal_components(vectors: NDArray[np.float32]) -> tuple[Floats, float]:
    """The first two principal components (n, 2), and their share (0..1) of the variance.

    The sign of an axis is chosen so that its largest loading is positive.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    values, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    total = float(values.sum())
    share = float(values[::-1][:2].sum()) / total if total > 0 else 1.0
    return np.asarray(centred @ axes), share


def to_centre(vectors: NDArray[np.float32], identity: NDArray[np.int64], metric: Metric) -> Floats:
    """The distance (n,) of each embedding (n, d) from the centre of its identity (n,): the mean, of unit length.

    NaN for identity -1, and if the faces of an identity cancel out.
    """
    found = np.full(len(vectors), np.nan)
    known = np.flatnonzero(identity >= 0)
    if not known.size:
        return found
    sums = np.zeros((int(identity.max()) + 1, vectors.shape[1]))
    np.add.at(sums, identity[known], vectors[known].astype(np.float64))
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    centres = np.divide(sums, lengths, out=np.full_like(sums, np.nan), where=lengths > 1e-9)
    cosines = np.einsum("ij,ij->i", vectors[known].astype(np.float64), centres[identity[known]])
    fine = np.isfinite(cosines)
    found[known[fine]] = distances(cosines[fine], metric)
    return found
