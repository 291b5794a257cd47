"""N-way one-shot accuracy over all episodes there are, instead of some that are drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def all_episodes(distances: NDArray[np.floating], labels: NDArray[np.int64], most: int) -> Floats:
    """The expected accuracy of n-way one-shot recognition for n = 2 .. `most`: (most - 1,).

    An episode asks for a drawing of one of n classes, of each of which one drawing is known; it is right where that
    of its own class is nearer than all others (a tie is wrong). Classes are drawn with equal chances, and so are the
    drawings of a class. For one drawing asked and one known, let f_c be the share of class c that is farther than
    the one known: over all choices of n - 1 other classes, the chance of being right is the mean of the products of
    their f_c, the elementary symmetric polynomial of degree n - 1 over the number of its terms.

    `distances` (m, m), `labels` (m,) number classes from 0 without a gap. ValueError for fewer than `most` classes,
    or where a class has one drawing only.
    """
    sizes = np.bincount(labels)
    if len(sizes) < most or sizes.min() < 2:
        raise ValueError(
            f"{len(sizes)} classes of {sizes.min()} drawings or more are too few for {most} ways"
        )
    order = np.argsort(labels, kind="stable")
    distances, labels = distances[np.ix_(order, order)], labels[order]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    chances = np.zeros(most - 1)
    for own in range(len(sizes)):
        places = np.flatnonzero(labels == own)
        farther = np.concatenate(
            [distances[asked] > distances[asked, places[places != asked], None] for asked in places]
        )
        shares = np.add.reduceat(farther, starts, axis=1, dtype=np.int64) / sizes
        chances += _mean_products(np.delete(shares, own, axis=1), most - 1).mean(axis=0)
    return chances / len(sizes)


def _mean_products(shares: Floats, most: int) -> Floats:
    """(p, c) shares to (p, most): for k = 1 .. most, the mean of the products of all k of the c.

    Classes are added one by one; a mean over subsets of j classes is one of j - 1, or one with the new class.
    """
    means = np.zeros((len(shares), most + 1))
    means[:, 0] = 1.0
    sizes = np.arange(1, most + 1)
    for number, share in enumerate(shares.T, start=1):
        # Of the subsets of k among `number` classes, k / number hold the last one.
        held = np.minimum(sizes / number, 1.0)
        means[:, 1:] = (1 - held) * means[:, 1:] + held * share[:, None] * means[:, :-1]
    return means[:, 1:]
