"""Offline mining: triplets from a whole training set, by its current embeddings, between epochs.

The hardest of many thousand photos are harder than those of any batch: all embeddings may collapse to one point, and
wrongly labelled photos are mined in every epoch (Schroff, Kalenichenko and Philbin 2015, arXiv:1503.03832, section
3.2). Semi-hard triplets have no negative that is nearer than the positive, and their positive is a random one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Search = Callable[[NDArray[np.float32], int], tuple[NDArray[np.float32], NDArray[np.int64]]]
"""`(queries (m, d), k)` -> (m, k) distances, nearest first, and (m, k) places, -1 if there are fewer."""

_ROWS = 256

FIRST_LOOK = 16
"""The number of neighbours in the first search for a negative."""


def mined(
    mining: str, embeddings: NDArray[np.float32], labels: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """(t, 3) places of anchor, positive and negative by `mining`, one of `losses.settings.OFFLINE`.

    `embeddings` are (n, d) of unit length, `labels` (n,). Random choices come from `rng`.
    """
    if mining == "offline_hard":
        return hard_triplets(embeddings, labels, flat(embeddings))
    return semi_hard_triplets(embeddings, labels, rng)


def hard_triplets(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], search: Search | None = None
) -> NDArray[np.int64]:
    """(t, 3) places of anchor, positive and negative among (n, d) embeddings of unit length, labels (n,).

    For each anchor that has a positive, in order: the farthest of its own class, and the nearest of another (Schroff,
    Kalenichenko and Philbin 2015, arXiv:1503.03832, section 3.2, offline). `search` is over these embeddings, by a
    distance with the order of L2. Without it every pair is compared. An anchor is left out if no number of neighbours
    includes a negative.
    """
    search = search or exhaustive(embeddings)
    positives = _farthest_of_class(embeddings, labels)
    anchors = np.flatnonzero(positives >= 0)
    negatives = np.full(len(anchors), -1, dtype=np.int64)
    looking, k = np.arange(len(anchors)), min(FIRST_LOOK, len(embeddings))
    while len(looking):
        rows = anchors[looking]
        _, places = search(embeddings[rows], k)
        # Place -1 means nothing found: it may have any label, as it is never used as a negative.
        others = (places >= 0) & (labels[places] != labels[rows][:, None])
        found = others.any(axis=1)
        negatives[looking[found]] = places[found, others[found].argmax(axis=1)]
        if k == len(embeddings):
            break
        # All k neighbours were of the anchor's own class: search farther.
        looking, k = looking[~found], min(2 * k, len(embeddings))
    return _whole(anchors, positives[anchors], negatives)


def semi_hard_triplets(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """(t, 3) places of anchor, positive and negative among (n, d) embeddings of unit length, labels (n,).

    For each anchor that has a positive, in order: one of its own class, drawn with equal chances, and the nearest of
    another that is farther than it (Schroff et al. 2015, equation 4, over all photos instead of a batch). An anchor
    without such a negative is left out. Every pair is compared: a search for the nearest k cannot know how many
    neighbours are nearer than the positive.
    """
    positives = _any_of_class(labels, rng)
    anchors = np.flatnonzero(positives >= 0)
    negatives = np.full(len(anchors), -1, dtype=np.int64)
    for start in range(0, len(anchors), _ROWS):
        part = slice(start, start + _ROWS)
        rows = anchors[part]
        cosines = embeddings[rows] @ embeddings.T
        to_positive = np.take_along_axis(cosines, positives[rows, None], axis=1)
        cosines[(labels[rows, None] == labels) | (cosines >= to_positive)] = -np.inf
        nearest = cosines.argmax(axis=1)
        found = np.isfinite(np.take_along_axis(cosines, nearest[:, None], axis=1)[:, 0])
        negatives[part] = np.where(found, nearest, -1)
    return _whole(anchors, positives[anchors], negatives)


def flat(embeddings: NDArray[np.float32]) -> Search:
    """An exact search by L2 distance with faiss's kernel: an approximate index would miss the nearest ones."""
    import faiss

    def search(queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        distances, places = faiss.knn(queries, embeddings, k)
        return distances, places

    return search


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


def _whole(
    anchors: NDArray[np.int64], positives: NDArray[np.int64], negatives: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(t, 3): the triplets whose negative is not -1."""
    return np.stack([anchors, positives, negatives], axis=1)[negatives >= 0]


def _any_of_class(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """For each place, another one of its class, drawn with equal chances; -1 if there is no other."""
    others = np.full(len(labels), -1, dtype=np.int64)
    for members in _classes(labels):
        if (count := len(members)) > 1:
            others[members] = members[(np.arange(count) + rng.integers(1, count, count)) % count]
    return others


def _farthest_of_class(embeddings: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each embedding, the place of the farthest other one of its class; -1 if there is none."""
    farthest = np.full(len(labels), -1, dtype=np.int64)
    for members in _classes(labels):
        if len(members) > 1:
            cosines = embeddings[members] @ embeddings[members].T
            np.fill_diagonal(cosines, np.inf)
            farthest[members] = members[cosines.argmin(axis=1)]
    return farthest


def _classes(labels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The places of each class, in order."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
