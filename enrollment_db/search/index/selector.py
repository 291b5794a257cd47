"""The port of selectors, which find the few among very many rows that are worth comparing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Parts: TypeAlias = Mapping[str, NDArray[Any]]


class Selector(Protocol):
    """Holds the numbers of rows and an approximation of their vectors, laid out for a number of rows."""

    @property
    def name(self) -> str:
        """A description for an operator."""
        ...

    @property
    def made_for(self) -> int:
        """The number of rows that it is laid out for; with four times as many it should be rebuilt."""
        ...

    def candidates(self, k: int) -> int:
        """The number of rows to compare exactly for the k nearest, if all of its rows are live."""
        ...

    def train(self, sample: NDArray[np.float32]) -> None:
        """Learn the distribution of vectors from a (n, d) sample, n >= 1; once, before any addition."""
        ...

    def add(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add (n,) new rows with their (n, d) vectors."""
        ...

    def remove(self, rows: NDArray[np.int64]) -> bool:
        """Remove (n,) rows. Returns False if that is not possible: `fetch` may still return them then."""
        ...

    def fetch(self, probes: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """The rows (m, count) that are approximately nearest to each of (m, d) probes; -1 if there are fewer."""
        ...

    def known(self) -> NDArray[np.int64]:
        """All of its rows, (n,)."""
        ...

    def dump(self) -> Parts | None:
        """The whole selector as arrays for `load`; None if loading is no faster than building it."""
        ...

    def load(self, parts: Parts) -> bool:
        """Load the result of `dump` instead of training. Returns False and changes nothing for another kind."""
        ...


def faiss_index(dim: int, description: str) -> Any:
    """An empty index by faiss for products of vectors of length `dim`.

    The type is Any because faiss declares only the methods that all its indexes share.
    """
    import faiss

    return faiss.index_factory(dim, description, faiss.METRIC_INNER_PRODUCT)
