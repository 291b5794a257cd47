"""faceid's own: the whole gallery (SQLite and the index that follows it), or an index alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrollment_db.records import ModelKey, NewTemplate, Part
from enrollment_db.registry import open_sqlite
from enrollment_db.search.index import VectorIndex, open_index
from enrollment_db.search.mirror import Mirror
from scripts.benchmarks.gallery.contenders import Block, Contender


def make(directory: Path, dim: int, count: int, threads: int, **options: Any) -> Contender:
    alone = options.pop("alone", False)
    return (IndexAlone if alone else Gallery)(directory, dim, count, threads, **options)


class Gallery(Contender):
    """One identity with one template for each id; templates get the numbers 1, 2, ... in that order."""

    def __init__(self, directory: Path, dim: int, count: int, threads: int, *, kind: Any) -> None:
        super().__init__(directory, dim, count, threads)
        self.kind = kind
        self.model = ModelKey("bench", "0" * 64, "bench", dim, "cosine")

    def build(self, blocks: Iterable[Block]) -> None:
        self.store = open_sqlite(self.directory / "gallery.db")
        self.store.templates.add_many(self._parts(blocks), self.model)
        self._open_mirror()

    def open(self, *, writable: bool) -> None:
        self.store = open_sqlite(self.directory / "gallery.db", create=False)
        self._open_mirror()

    def search(self, probes: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        return self.mirror.search(probes, k)[1] - 1

    def add(self, id_: int, vector: NDArray[np.float32]) -> None:
        self.store.templates.add(_name(id_), [NewTemplate(vector, _digest(id_))], self.model)
        self.mirror.sync()

    def remove(self, id_: int) -> None:
        self.store.templates.remove(_name(id_))
        self.mirror.sync()

    def close(self) -> None:
        self.store.close()

    def _open_mirror(self) -> None:
        _, templates = self.store.templates.counts()
        self.mirror = Mirror(self.store.changes, open_index(self.dim, self.kind, expected=templates))
        self.mirror.sync()

    def _parts(self, blocks: Iterable[Block]) -> Iterator[Part]:
        for ids, vectors in blocks:
            names = [_name(id_) for id_ in ids.tolist()]
            yield Part(names, vectors, [_digest(id_) for id_ in ids.tolist()], [None] * len(names))


class IndexAlone(Contender):
    """What `open_index` gives."""

    persistent = False

    def __init__(self, directory: Path, dim: int, count: int, threads: int, *, kind: Any) -> None:
        super().__init__(directory, dim, count, threads)
        self.index: VectorIndex = open_index(dim, kind, expected=count)

    def build(self, blocks: Iterable[Block]) -> None:
        for ids, vectors in blocks:
            self.index.add(ids, vectors)

    def search(self, probes: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        return self.index.search(probes, k)[1]

    def add(self, id_: int, vector: NDArray[np.float32]) -> None:
        self.index.add(np.array([id_]), vector[None])

    def remove(self, id_: int) -> None:
        self.index.remove(np.array([id_]))


def _name(id_: int) -> str:
    return f"person {id_}"


def _digest(id_: int) -> str:
    return hashlib.sha256(str(id_).encode()).hexdigest()
