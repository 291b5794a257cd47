"""Runs three protocols on plain arrays: k-fold verification, open-set identification, one-shot N-way."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faceid.errors import InputError, UsageError
from faceid.evaluation.findings import FoldAccuracy, OneShot
from faceid.evaluation.protocols.identification import Searches, search
from faceid.evaluation.statistics.intervals import wilson
from faceid.evaluation.statistics.metrics import Distances, accuracy, best_threshold
from faceid.evaluation.statistics.scores import distances
from faceid.types import Metric

Ints = NDArray[np.int64]
Vectors = NDArray[np.float32]

_PROBES = 1024


def k_folds(mated: NDArray[np.bool_], folds: int, rng: np.random.Generator) -> Ints:
    """Divide comparisons (n,) into `folds` at random, each kind evenly; InputError if a fold would lack a kind."""
    if folds < 2:
        raise UsageError(
            f"{folds} folds leave nothing to choose a threshold on", remedy="two_folds", folds=folds
        )
    dealt = np.empty(mated.size, dtype=np.int64)
    for kind in (True, False):
        chosen = np.flatnonzero(mated == kind)
        if chosen.size < folds:
            raise InputError(
                f"{chosen.size} {'mated' if kind else 'non-mated'} comparisons cannot fill {folds} folds",
                code="too_few",
                remedy="fewer_folds",
            )
        dealt[rng.permutation(chosen)] = np.arange(chosen.size) % folds
    return dealt


def verification(
    distance: Distances, mated: NDArray[np.bool_], folds: Ints, lost: Ints | None = None
) -> FoldAccuracy:
    """LFW's protocol (Huang et al. 2007): each fold judged at the threshold that is best on all others.

    `distance`, `mated` and `folds` (n,) describe the pairs that were compared, `lost` (m,) are the folds of those that
    could not be. LFW asks for an answer to every pair, so a lost pair is an error of its fold, mated or not. Mean
    accuracy and its standard error over folds. InputError if the compared pairs of a fold are of one kind only.
    """
    lost = np.empty(0, np.int64) if lost is None else lost
    numbers = np.unique(folds)
    accuracies, thresholds = [], []
    for number in numbers:
        own = folds == number
        parts = [distance[chosen] for chosen in (own & mated, own & ~mated, ~own & mated, ~own & ~mated)]
        if any(part.size == 0 for part in parts):
            raise InputError(
                f"fold {number} holds comparisons of one kind only", code="too_few", remedy="one_sided_fold"
            )
        thresholds.append(best_threshold(parts[2], parts[3]))
        compared = parts[0].size + parts[1].size
        listed = compared + int(np.count_nonzero(lost == number))
        share = accuracy(parts[0], parts[1], thresholds[-1])
        accuracies.append(share if listed == compared else share * compared / listed)
    mean = math.fsum(accuracies) / len(accuracies)
    variance = math.fsum((value - mean) ** 2 for value in accuracies) / (len(accuracies) - 1)
    return FoldAccuracy(
        accuracy=tuple(accuracies),
        threshold=tuple(thresholds),
        mean=mean,
        standard_error=math.sqrt(variance / len(accuracies)),
        pairs=distance.size + lost.size,
        lost=lost.size,
    )


def open_set(
    vectors: Vectors,
    identity: Ints,
    metric: Metric,
    rng: np.random.Generator,
    *,
    photos: int,
    strangers: float,
    identities: int | None = None,
) -> tuple[Searches, int]:
    """Enrol `photos` of some people and search the other photos; the searches, and the number of people enrolled.

    `identity` (n,) numbers people from 0. A share `strangers` of all people is not enrolled: their searches are
    non-mated. Nor is a person without further photos, unless `identities` asks for a larger gallery: then such people
    are enrolled too, without a mated search. Scores are those of `identity_similarity`. Raises InputError if no person
    is left to enrol, or none for non-mated searches.
    """
    count = int(identity.max()) + 1
    templates = np.bincount(identity, minlength=count)
    order = rng.permutation(count)
    outside = round(strangers * count)
    inside = order[outside:]
    several, enough = inside[templates[inside] > photos], inside[templates[inside] == photos]
    enrolled = several if identities is None else np.concatenate([several, enough])[:identities]
    if enrolled.size == 0 or (identities is not None and enrolled.size < identities):
        raise InputError(
            f"{enrolled.size} of {count:,} people can be enrolled with {photos} photos each"
            + ("" if identities is None else f", where {identities:,} are wanted"),
            code="too_few",
            remedy="fewer_enrolled",
        )
    if enrolled.size == count:
        raise InputError(
            "no person is left for non-mated searches: all would be enrolled, and none a stranger",
            code="too_few",
            remedy="more_left_out",
        )
    shuffled = rng.permutation(identity.size)
    place = np.argsort(identity[shuffled], kind="stable")
    starts = np.concatenate([[0], np.cumsum(templates)[:-1]])
    rows = [shuffled[place[starts[who] : starts[who] + photos]] for who in enrolled]
    probes = np.setdiff1d(np.arange(identity.size), np.concatenate(rows))
    means = np.stack([vectors[chosen].mean(axis=0, dtype=np.float64) for chosen in rows])
    return _search(vectors[probes], identity[probes], means, enrolled, metric), int(enrolled.size)


def one_shot(
    vectors: Vectors, identity: Ints, rng: np.random.Generator, *, ways: int, episodes: int
) -> OneShot:
    """N-way one-shot recognition (Lake et al. 2011): one photo of each of `ways` people, and a further photo of one of
    them.

    The interval treats episodes as independent: it holds for these people, not for others. Raises InputError if there
    are fewer than `ways` people, or none has two photos.
    """
    count = int(identity.max()) + 1
    templates = np.bincount(identity, minlength=count)
    several = np.flatnonzero(templates > 1)
    if ways < 2 or ways > count or several.size == 0:
        raise InputError(
            f"{count:,} people, {several.size:,} of them with two photos, are too few for {ways} ways",
            code="too_few",
            remedy="fewer_ways",
        )
    order = np.argsort(identity, kind="stable")
    starts = np.concatenate([[0], np.cumsum(templates)[:-1]])
    right = 0
    for _ in range(episodes):
        who = int(rng.choice(several))
        others = rng.choice(count - 1, ways - 1, replace=False)
        others += others >= who
        query, own = order[starts[who] + rng.choice(templates[who], 2, replace=False)]
        shown = order[starts[others] + (rng.random(ways - 1) * templates[others]).astype(np.int64)]
        # Another person at the same distance counts as wrong.
        right += bool(vectors[own] @ vectors[query] > (vectors[shown] @ vectors[query]).max())
    return OneShot(ways, episodes, several.size, wilson(right, episodes))


def leave_one_out(vectors: Vectors, identity: Ints, metric: Metric) -> Searches:
    """Each template searched among all others: mated with its identity's other templates, and non-mated without them.

    A template without another one of its identity gives a non-mated search only.
    """
    count = int(identity.max()) + 1
    templates = np.bincount(identity, minlength=count)
    sums = np.zeros((count, vectors.shape[1]))
    np.add.at(sums, identity, vectors.astype(np.float64))
    means = sums / templates[:, None]
    parts: list[tuple[Ints, NDArray[np.float64], NDArray[np.float64]]] = []
    for start in range(0, len(vectors), _PROBES):
        rows = slice(start, start + _PROBES)
        probes, owners = vectors[rows].astype(np.float64), identity[rows]
        matrix = _distances(probes, means, metric)
        several = templates[owners] > 1
        others = (sums[owners] - probes) / np.maximum(templates[owners] - 1, 1)[:, None]
        similarity = np.einsum("pd,pd->p", probes, others) / np.sqrt(
            np.maximum(np.linalg.norm(others, axis=1), 1e-12)
        )
        own = distances(np.clip(similarity, -1.0, 1.0), metric)
        matrix[np.arange(len(probes)), owners] = np.inf
        rank = 1 + np.count_nonzero(matrix <= own[:, None], axis=1)
        parts.append((rank[several], own[several], matrix.min(axis=1)))
    rank, distance, nearest = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Searches(rank.astype(np.int64), distance, nearest)


def _search(
    probes: Vectors, owners: Ints, means: NDArray[np.float64], enrolled: Ints, metric: Metric
) -> Searches:
    parts = [
        search(_distances(probes[rows], means, metric), owners[rows], enrolled)
        for rows in (slice(start, start + _PROBES) for start in range(0, len(probes), _PROBES))
    ]
    return Searches(
        np.concatenate([part.rank for part in parts]),
        np.concatenate([part.distance for part in parts]),
        np.concatenate([part.nearest for part in parts]),
    )


def _distances(
    probes: NDArray[np.floating], means: NDArray[np.float64], metric: Metric
) -> NDArray[np.float64]:
    """`faceid.decision.scores.identity_similarity` of probes (p, d) to mean templates (g, d), as distances (p, g)."""
    lengths = np.sqrt(np.maximum(np.linalg.norm(means, axis=1), 1e-12))
    return distances(np.clip(probes.astype(np.float64) @ means.T / lengths, -1.0, 1.0), metric)


def numbered(names: Sequence[str]) -> Ints:
    """Names (n,) as numbers from 0, in alphabetical order."""
    return np.unique(np.asarray(names, dtype=np.str_), return_inverse=True)[1].astype(np.int64)
