"""sqlite-vec: a virtual table, every row of which is compared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

# Python's own sqlite3 is often built without the loading of extensions.
import apsw
import numpy as np
import sqlite_vec
from numpy.typing import NDArray

from scripts.benchmarks.gallery.contenders import Block, Contender


def make(directory: Path, dim: int, count: int, threads: int, **options: Any) -> Contender:
    return SqliteVec(directory, dim, count, threads, **options)


class SqliteVec(Contender):
    def build(self, blocks: Iterable[Block]) -> None:
        self.open(writable=True)
        self.connection.execute(
            f"CREATE VIRTUAL TABLE faces USING vec0(id INTEGER PRIMARY KEY, vector FLOAT[{self.dim}])"
        )
        with self.connection:
            for ids, vectors in blocks:
                rows = ((id_, vector.tobytes()) for id_, vector in zip(ids.tolist(), vectors, strict=True))
                self.connection.executemany("INSERT INTO faces (id, vector) VALUES (?, ?)", rows)

    def open(self, *, writable: bool) -> None:
        self.connection = apsw.Connection(str(self.directory / "vec0.db"))
        self.connection.enable_load_extension(True)
        self.connection.load_extension(sqlite_vec.loadable_path())
        self.connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")

    def search(self, probes: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        query = "SELECT id FROM faces WHERE vector MATCH ? AND k = ? ORDER BY distance"
        return np.array(
            [[id_ for (id_,) in self.connection.execute(query, (probe.tobytes(), k))] for probe in probes]
        )

    def add(self, id_: int, vector: NDArray[np.float32]) -> None:
        self.connection.execute("INSERT INTO faces (id, vector) VALUES (?, ?)", (id_, vector.tobytes()))

    def remove(self, id_: int) -> None:
        self.connection.execute("DELETE FROM faces WHERE id = ?", (id_,))

    def close(self) -> None:
        self.connection.close()
