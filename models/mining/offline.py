"""Hard triplets out of a whole training set: by a search over its current embeddings, between epochs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Search = Callable[[NDArray[np.float32], int], tuple[NDArray[np.float32], NDArray[np.int64]]]
"""`(queries (m, d), k)` -> (m, k) distances, nearest first, and (m, k) places, -1 where nothing was found."""

_ROWS = 1024

FIRST_LOOK = 16
"""The neighbours in which a stranger is looked for first."""


def hard_triplets(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], search: Search | None = None
) -> NDArray[np.int64]:
    """(t, 3) places of anchor, positive and negative among (n, d) embeddings of unit length, labels (n,).

    For each anchor that has a positive, in order: the farthest of its own class, and the nearest of another
    (Schroff, Kalenichenko and Philbin 2015, arXiv:1503.03832, section 3.2, offline). `search` is over these embeddings,
    by a distance that orders as L2 does; without it every pair is compared. An anchor of which it finds no
    stranger, however many neighbours are asked for, is left out.
    """
    search = search or exhaustive(embeddings)
    positives = _farthest_of_class(embeddings, labels)
    anchors = np.flatnonzero(positives >= 0)
    negatives = np.full(len(anchors), -1, dtype=np.int64)
    looking, k = np.arange(len(anchors)), min(FIRST_LOOK, len(embeddings))
    while len(looking):
        rows = anchors[looking]
        _, places = search(embeddings[rows], k)
        # Place -1 means nothing found: any label will do for it, as it is never a stranger.
        strangers = (places >= 0) & (labels[places] != labels[rows][:, None])
        found = strangers.any(axis=1)
        negatives[looking[found]] = places[found, strangers[found].argmax(axis=1)]
        if k == len(embeddings):
            break
        # All k neighbours were of the anchor's own class: farther out.
        looking, k = looking[~found], min(2 * k, len(embeddings))
    kept = negatives >= 0
    return np.stack([anchors[kept], positives[anchors[kept]], negatives[kept]], axis=1)


def exhaustive(embeddings: NDArray[np.float32]) -> Search:
    """A search by L2 distance that compares a query with all of (n, d) embeddings of unit length."""

    def search(queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        distances = np.empty((len(queries), k), dtype=np.float32)
        places = np.empty((len(queries), k), dtype=np.int64)
        for start in range(0, len(queries), _ROWS):
            rows = slice(start, start + _ROWS)
            cosines = queries[rows] @ embeddings.T
            nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
            places[rows] = nearest
            squared = 2 - 2 * np.take_along_axis(cosines, nearest, axis=1)
            distances[rows] = np.sqrt(np.maximum(squared, 0))
        return distances, places

    return search


def _farthest_of_class(embeddings: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each embedding, the place of the farthest other one of its class; -1 where it is alone."""
    farthest = np.full(len(labels), -1, dtype=np.int64)
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order])) + 1
    for members in np.split(order, starts):
        if len(members) > 1:
            cosines = embeddings[members] @ embeddings[members].T
            np.fill_diagonal(cosines, np.inf)
            farthest[members] = members[cosines.argmin(axis=1)]
    return farthest
