"""Rows in a navigable graph by faiss: fast to search, slow to build, without removal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enrollment_db.search.index.selector import Parts, faiss_index

_NEIGHBOURS = 32
_EFFORT_BUILDING = 80
_EFFORT_SEARCHING = 256
_ADDED_AT_ONCE = 65_536


class Graph:
    """HNSW (Malkov and Yashunin 2018) over codes of 8 bits a value: 370 bytes a row with 128 values.

    On embeddings of faces it misses more of the nearest than lists do, and takes a hundred times as long to build; a
    search takes a quarter of the time.
    """

    def __init__(self, dim: int, *, made_for: int) -> None:
        self._made_for = made_for
        self._graph = faiss_index(dim, f"HNSW{_NEIGHBOURS},SQ8")
        self._graph.hnsw.efConstruction = _EFFORT_BUILDING
        # The graph numbers its entries itself; this holds the row of each entry.
        self._rows: list[NDArray[np.int64]] = []

    @property
    def name(self) -> str:
        """A description of this graph."""
        return f"HNSW graph, {_NEIGHBOURS} neighbours, effort {_EFFORT_SEARCHING}"

    @property
    def made_for(self) -> int:
        """A graph suits any number of rows."""
        return max(self._made_for, int(self._graph.ntotal))

    def candidates(self, k: int) -> int:
        """The number of rows to compare exactly for the k nearest."""
        return 64 + 2 * k

    def train(self, sample: NDArray[np.float32]) -> None:
        """Find the range of each value in a (n, d) sample."""
        self._graph.train(sample)

    def add(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add (n,) rows with their (n, d) vectors."""
        for start in range(0, len(rows), _ADDED_AT_ONCE):
            self._graph.add(vectors[start : start + _ADDED_AT_ONCE])
            self._rows.append(rows[start : start + _ADDED_AT_ONCE].copy())

    def remove(self, rows: NDArray[np.int64]) -> bool:
        """Not possible; returns False."""
        return not len(rows)

    def fetch(self, probes: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """The rows (m, count) that the graph leads to."""
        # Joined here and not at each addition, which would copy the list each time.
        self._rows = [self.known()]
        self._graph.hnsw.efSearch = max(_EFFORT_SEARCHING, count)
        entries = self._graph.search(probes, count)[1]
        return np.where(entries < 0, -1, self._rows[0][entries])

    def known(self) -> NDArray[np.int64]:
        """All rows, (n,)."""
        if len(self._rows) == 1:
            return self._rows[0]
        return np.concatenate([np.empty(0, np.int64), *self._rows])

    def dump(self) -> Parts:
        """The graph in faiss's format."""
        import faiss

        return {"graph": faiss.serialize_index(self._graph), "graph_rows": self.known()}

    def load(self, parts: Parts) -> bool:
        """Load a graph."""
        import faiss

        if "graph" not in parts:
            return False
        graph = faiss.deserialize_index(np.array(parts["graph"]))
        if graph.d != self._graph.d or graph.ntotal != len(parts["graph_rows"]):
            return False
        self._graph, self._rows = graph, [np.array(parts["graph_rows"])]
        return True
