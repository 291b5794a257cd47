"""Reads a gallery in groups of identities, so that a million templates need not be in memory together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from faceid.gallery.gallery import Gallery
from faceid.types import ModelKey

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

GROUP = 256
"""Identities that are in memory at the same time with their templates."""


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """An identity: `ids` (n,) of its templates, ascending, and their `vectors` (n, d).

    `qualities` (n,) 0..1 are None if unknown; `created_at` (n,) are times as stored in the database.
    """

    identity: int
    name: str
    ids: Ints
    vectors: NDArray[np.float32]
    qualities: tuple[float | None, ...]
    created_at: tuple[str, ...]

    @property
    def mean(self) -> Floats:
        """The mean of the templates (d,), not of unit length."""
        return np.asarray(self.vectors.mean(axis=0, dtype=np.float64))


class People:
    """The identities of a gallery at one moment, with their templates of one model.

    Identities that are enrolled later, or have changed templates since, are left out.
    """

    def __init__(self, gallery: Gallery, model: ModelKey) -> None:
        """Read the identity of each template, in 16 bytes per template. Raises GalleryError."""
        self._gallery = gallery
        self._model = model
        ids, owner = gallery.owners()
        order = np.lexsort((ids, owner))
        self._ids = ids[order]
        self.identities, self._starts = np.unique(owner[order], return_index=True)

    @property
    def templates(self) -> int:
        """The number of templates of all identities."""
        return int(self._ids.size)

    def has(self, identity: int) -> bool:
        """Whether an identity is among them."""
        place = int(np.searchsorted(self.identities, identity))
        return place < self.identities.size and bool(self.identities[place] == identity)

    def ids_of(self, identity: int) -> Ints:
        """The template ids of an identity, ascending."""
        place = int(np.searchsorted(self.identities, identity))
        end = self._starts[place + 1] if place + 1 < self._starts.size else self._ids.size
        return self._ids[self._starts[place] : end]

    def of(self, identities: Ints) -> dict[int, Person]:
        """Some of them by identity. Raises GalleryError."""
        enrolled = self._gallery.enrolled_of(identities, self._model)
        found = {}
        for identity in identities.tolist():
            own = enrolled.get(identity)
            if own is not None and np.array_equal(own.template_ids, self.ids_of(identity)):
                found[identity] = Person(
                    identity, own.name, own.template_ids, own.vectors, own.qualities, own.created_at
                )
        return found

    def groups(self, identities: Ints | None = None) -> Iterator[dict[int, Person]]:
        """All or some identities, GROUP at a time, in the order of enrolment. Raises GalleryError."""
        wanted = self.identities if identities is None else identities
        for first in range(0, wanted.size, GROUP):
            yield self.of(wanted[first : first + GROUP])
