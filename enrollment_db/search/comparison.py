"""Comparison of an index with the database, template by template."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from enrollment_db.errors import Locked
from enrollment_db.records import Loaded
from enrollment_db.search.index import VectorIndex

if TYPE_CHECKING:
    from enrollment_db.ports import ChangeFeed

_ATTEMPTS = 100


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The differences between the database and the index: ids (n,) int64, ascending.

    `missing` are in the database alone, `extra` in the index alone, `different` in both with different vectors, and
    `unreachable` in both, but no search can find them. `compared` counts the ids that are in both.
    """

    compared: int
    missing: NDArray[np.int64]
    extra: NDArray[np.int64]
    different: NDArray[np.int64]
    unreachable: NDArray[np.int64]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not (len(self.missing) or len(self.extra) or len(self.different) or len(self.unreachable))


def compare(feed: ChangeFeed, index: VectorIndex, sync: Callable[[], int]) -> Comparison:
    """Compare the index with the whole database, both as of one moment. `sync` updates the index.

    Raises Locked if other processes write so often that no such moment is found.
    """
    for _ in range(_ATTEMPTS):
        sync()
        with closing(feed.load_all()) as parts:
            first = next(parts)
            # Unless another process wrote in between, both are now at the same place.
            if sync():
                continue
            found = _compared(chain([first], parts), index)
        # A template that was removed in the meantime may be erased under the index before the index knows of it.
        sync()
        return replace(found, different=np.intersect1d(found.different, index.held()))
    raise Locked(
        f"the gallery {feed.location} changes too often to compare its index with it",
        remedy="gallery_busy",
        path=feed.location,
    )


def _compared(parts: Iterable[Loaded], index: VectorIndex) -> Comparison:
    held = np.unique(index.held())
    stored, different = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for part in parts:
        ids = part.batch.template_ids
        both = np.isin(ids, held, assume_unique=True)
        stored.append(ids)
        if not both.any():
            continue
        far = np.abs(index.vectors(ids[both]) - part.batch.vectors[both]).max(axis=1, initial=0)
        different.append(ids[both][far > index.precision])
    every = np.concatenate(stored)
    missing = np.setdiff1d(every, held)
    return Comparison(
        compared=len(every) - len(missing),
        missing=missing,
        extra=np.setdiff1d(held, every),
        different=np.concatenate(different),
        unreachable=np.intersect1d(index.unreachable(), every),
    )
