"""What finds, among very many rows, the few that are worth comparing: one port, several ways behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Parts: TypeAlias = Mapping[str, NDArray[Any]]


class Selector(Protocol):
    """Knows rows by their numbers, and roughly what is in them. Made for a number of rows that it states."""

    @property
    def name(self) -> str:
        """What it is, in words for an operator."""
        ...

    @property
    def made_for(self) -> int:
        """How many rows it was laid out for; with four times as many another one would serve better."""
        ...

    def candidates(self, k: int) -> int:
        """How many rows to look at closely for the k nearest, where all that it knows are live."""
        ...

    def train(self, sample: NDArray[np.float32]) -> None:
        """Learn from a (n, d) sample how vectors lie, n >= 1; once, before anything is added."""
        ...

    def add(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Take up (n,) rows, which it does not know, with their (n, d) vectors."""
        ...

    def remove(self, rows: NDArray[np.int64]) -> bool:
        """Forget (n,) rows. False where that is not possible: then they go on being fetched."""
        ...

    def fetch(self, probes: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """The rows (m, count) that look nearest to each of (m, d) probes; -1 where there are fewer."""
        ...

    def known(self) -> NDArray[np.int64]:
        """All rows that it knows, (n,)."""
        ...

    def dump(self) -> Parts | None:
        """All that it knows as arrays for `load`; None where that is no faster to load than to make anew."""
        ...

    def load(self, parts: Parts) -> bool:
        """Take up what `dump` gave, instead of being trained. False, and unchanged, if it is of another kind."""
        ...


def faiss_index(dim: int, description: str) -> Any:
    """An empty index by faiss for products of vectors of length `dim`.

    Any, because the types that faiss declares end at what all its indexes share.
    """
    import faiss

    return faiss.index_factory(dim, description, faiss.METRIC_INNER_PRODUCT)
