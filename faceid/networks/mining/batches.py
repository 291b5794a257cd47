"""Batches of P identities with K photos each, and batches of triplets that were mined offline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from faceid.networks.errors import BadSettings


class IdentityBatches:
    """P x K batches (Hermans, Beyer and Leibe 2017, arXiv:1703.07737), as places in a list of photos.

    An epoch shows every identity once, in a new order, with K of its photos drawn without repetition; up to P - 1
    identities are left over. An identity with fewer than K photos contributes all of them, and the batch is smaller: a
    repeated photo would be a positive at distance 0. An identity with a single photo has no positive, and is in no
    batch; `left_out` counts these.

    A batch depends only on (seed, epoch, its number in the epoch): to resume, request the next number.
    """

    def __init__(self, labels: Sequence[int], *, identities: int, photos: int, seed: int) -> None:
        """`labels` holds the identity of every photo, P is `identities`, K is `photos`.

        Raises BadSettings if P or K is below 2, or fewer than P identities have two photos.
        """
        if identities < 2 or photos < 2:
            raise BadSettings(
                f"a batch of {identities} identities with {photos} photos each holds no triplet",
                remedy="two_or_more_each",
            )
        places = np.asarray(labels)
        order = np.argsort(places, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(places[order])) + 1) if len(order) else []
        self._groups = [group for group in groups if len(group) > 1]
        self.left_out = len(groups) - len(self._groups)
        if len(self._groups) < identities:
            raise BadSettings(
                f"{len(self._groups)} identities have two photos or more, and a batch needs {identities}",
                remedy="smaller_batches",
            )
        self._identities, self._photos, self._seed = identities, photos, seed

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return len(self._groups) // self._identities

    def batch(self, epoch: int, number: int) -> list[int]:
        """The places of the photos of one batch, those of an identity next to each other.

        Raises IndexError for a `number` beyond the epoch's.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"an epoch has {len(self)} batches, and none is number {number}")
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self._groups))
        generator = np.random.default_rng((self._seed, epoch, number))
        chosen = order[number * self._identities : (number + 1) * self._identities]
        drawn = [
            generator.choice(group, size=min(self._photos, len(group)), replace=False)
            for group in (self._groups[place] for place in chosen)
        ]
        return [int(place) for place in np.concatenate(drawn)]

    def epoch(self, epoch: int, start: int = 0) -> Iterator[list[int]]:
        """The batches of an epoch from number `start` on, as a DataLoader's `batch_sampler` takes them."""
        for number in range(start, len(self)):
            yield self.batch(epoch, number)


class TripletBatches:
    """Batches of triplets mined offline, as places in a list of photos: anchor, positive, negative, anchor...

    An epoch has one triplet for each photo with a positive. It shows each mined triplet about once, in a new order:
    some twice if few were mined, but none twice in a batch.

    A batch depends only on (seed, epoch, its number in the epoch) and the triplets mined for the epoch.
    """

    def __init__(self, labels: Sequence[int], *, triplets: int, seed: int) -> None:
        """`labels` holds the identity of every photo, `triplets` is the most in a batch.

        Raises BadSettings if there is no triplet: no identity with two photos, or one identity only.
        """
        counts = np.unique(np.asarray(labels), return_counts=True)[1]
        anchors = int(counts[counts > 1].sum())
        if not anchors or len(counts) < 2:
            raise BadSettings(
                "offline mining needs two identities, and two photos of one of them",
                remedy="more_people_or_photos",
            )
        self._triplets, self._seed = min(triplets, anchors), seed
        self._batches = anchors // self._triplets

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return self._batches

    def batch(self, mined: NDArray[np.int64], epoch: int, number: int) -> list[int]:
        """The places of the photos of one batch out of `mined` (t, 3), t above 0, those of a triplet together.

        Raises IndexError for a `number` beyond the epoch's.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"an epoch has {len(self)} batches, and none is number {number}")
        order = np.random.default_rng((self._seed, epoch)).permutation(len(mined))
        first, count = number * self._triplets, min(self._triplets, len(mined))
        chosen = order[np.arange(first, first + count) % len(mined)]
        return [int(place) for place in mined[chosen].reshape(-1)]
