"""Losses and triplets as slow loops over Python floats, straight from the papers' formulas."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Vector = Sequence[float]
Triplet = tuple[int, int, int]


def unit(x: Vector) -> list[float]:
    length = math.sqrt(sum(a * a for a in x))
    return [a / length for a in x]


def l2(x: Vector, y: Vector) -> float:
    return math.dist(unit(x), unit(y))


def cosine(x: Vector, y: Vector) -> float:
    return sum(a * b for a, b in zip(unit(x), unit(y), strict=True))


DISTANCES: dict[str, Callable[[Vector, Vector], float]] = {
    "l2": l2,
    "squared_l2": lambda x, y: l2(x, y) ** 2,
    "cosine": lambda x, y: 1 - cosine(x, y),
}


def every_triplet(labels: Sequence[int]) -> list[Triplet]:
    places = range(len(labels))
    return [
        (a, p, n)
        for a in places
        for p in places
        for n in places
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]


def hard_triplets(embeddings: Sequence[Vector], labels: Sequence[int]) -> list[Triplet]:
    mined = []
    for a in range(len(labels)):
        own = [triplet for triplet in every_triplet(labels) if triplet[0] == a]
        if own:
            positive = max((p for _, p, _ in own), key=lambda p: l2(embeddings[a], embeddings[p]))
            negative = min((n for _, _, n in own), key=lambda n: l2(embeddings[a], embeddings[n]))
            mined.append((a, positive, negative))
    return mined


def semi_hard_triplets(embeddings: Sequence[Vector], labels: Sequence[int]) -> list[Triplet]:
    mined: dict[tuple[int, int], tuple[float, Triplet]] = {}
    for a, p, n in every_triplet(labels):
        to_positive, to_negative = l2(embeddings[a], embeddings[p]), l2(embeddings[a], embeddings[n])
        if to_negative > to_positive and to_negative < mined.get((a, p), (math.inf,))[0]:
            mined[a, p] = (to_negative, (a, p, n))
    return [triplet for _, triplet in mined.values()]


def triplet_losses(
    embeddings: Sequence[Vector],
    mined: Sequence[Triplet],
    *,
    distance: str,
    margin: float,
    soft: bool = False,
) -> list[float]:
    measure = DISTANCES[distance]
    gaps = [
        measure(embeddings[a], embeddings[p]) - measure(embeddings[a], embeddings[n]) for a, p, n in mined
    ]
    return [math.log1p(math.exp(gap)) if soft else max(0.0, gap + margin) for gap in gaps]


def weighted_losses(
    embeddings: Sequence[Vector], labels: Sequence[int], *, distance: str, margin: float
) -> list[float]:
    measure = DISTANCES[distance]
    losses = []
    for a, anchor in enumerate(embeddings):
        near = [measure(anchor, x) for i, x in enumerate(embeddings) if i != a and labels[i] == labels[a]]
        far = [measure(anchor, x) for i, x in enumerate(embeddings) if labels[i] != labels[a]]
        if near and far:
            pull = sum(math.exp(d) * d for d in near) / sum(math.exp(d) for d in near)
            push = sum(math.exp(-d) * d for d in far) / sum(math.exp(-d) for d in far)
            losses.append(max(0.0, pull - push + margin))
    return losses


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def over_pairs(labels: Sequence[int], loss: Callable[[int, int, bool], float]) -> tuple[float, float]:
    """The mean of the means over pairs of one class and of two, and the share above 0."""
    alike, unlike = [], []
    for i in range(len(labels)):
        for j in range(i):
            (alike if labels[i] == labels[j] else unlike).append(loss(i, j, labels[i] == labels[j]))
    means = [mean(kind) for kind in (alike, unlike) if kind]
    return mean(means), mean([float(value > 0) for value in alike + unlike])


def cross_entropy(logits: Sequence[float], label: int) -> float:
    highest = max(logits)
    return highest + math.log(sum(math.exp(logit - highest) for logit in logits)) - logits[label]
