"""Finds pairs of identities that are as close as one person, through the search index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faceid.evaluation.data.people import Ints, People, Person
from faceid.evaluation.statistics.scores import distances
from faceid.gallery.gallery import Gallery

if TYPE_CHECKING:
    from faceid.types import Metric

# Compressed indexes round similarities by less.
_ROUNDING = 0.01
_NEIGHBOURS = 16
# The most templates of other identities that are compared for one identity.
_CROWD = 1024


class LookAlikes:
    """The pairs at `bound` or closer, gathered group by group.

    The score of two identities with mean templates a and b is a . b / sqrt(|a| |b|), which is that of
    `identity_similarity` if one of them has a single template. Seen from the identity with the shorter mean, some
    template of the other is at least as near as the score, so a search from each mean finds every pair that the index
    can find.
    """

    def __init__(self, gallery: Gallery, people: People, bound: float, metric: Metric) -> None:
        self._gallery = gallery
        self._people = people
        self._bound = bound
        self._metric = metric
        self._distances: dict[tuple[int, int], float] = {}

    def add(self, group: dict[int, Person]) -> None:
        """Compare a group with all identities. Raises GalleryError."""
        met = self._met(group)
        others = np.array(sorted({other for _, other in met} - group.keys()), dtype=np.int64)
        known = {identity: person.mean for identity, person in group.items()}
        for part in self._people.groups(others):
            known.update((identity, person.mean) for identity, person in part.items())
        for one, other in met:
            if other not in known:
                continue
            a, b = known[one], known[other]
            lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
            score = float(a @ b) / lengths**0.5 if lengths > 0.0 else 0.0
            distance = float(distances(np.array([score], dtype=np.float32), self._metric)[0])
            if distance <= self._bound:
                self._distances[min(one, other), max(one, other)] = distance

    def nearest_first(self) -> list[tuple[int, int, float]]:
        """All pairs so far: two identities and their distance."""
        return sorted(
            ((*pair, distance) for pair, distance in self._distances.items()),
            key=lambda found: (found[2], found[:2]),
        )

    def _met(self, group: dict[int, Person]) -> set[tuple[int, int]]:
        """Pairs of an identity of the group and another that has a template near its mean."""
        if not group:
            return set()
        least = 1.0 - self._bound if self._metric == "cosine" else 1.0 - self._bound**2 / 2.0
        least -= _ROUNDING
        probes = np.stack([person.mean for person in group.values()])
        lengths = np.linalg.norm(probes, axis=1, keepdims=True)
        probes /= np.where(lengths > 0.0, lengths, 1.0)
        own = max(person.ids.size for person in group.values())
        k, most = own + _NEIGHBOURS, own + _CROWD
        while True:
            similarities, ids = self._gallery.neighbours(probes.astype(np.float32), k)
            if k >= min(most, self._gallery.indexed_count()) or (similarities[:, -1] < least).all():
                break
            k = min(most, 4 * k)
        row, column = np.nonzero((similarities >= least) & (ids >= 0))
        owners: Ints = self._gallery.owners_of(ids[row, column])
        people = np.array(list(group), dtype=np.int64)
        met = zip(people[row].tolist(), owners.tolist(), strict=True)
        return {(one, other) for one, other in met if other not in (one, -1) and self._people.has(other)}
