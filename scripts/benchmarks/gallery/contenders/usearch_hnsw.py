"""usearch: a graph in memory, saved as a whole and mapped for reading."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from usearch.index import Index

from scripts.benchmarks.gallery.contenders import Block, Contender, flush


def make(directory: Path, dim: int, count: int, threads: int, **options: Any) -> Contender:
    return Usearch(directory, dim, count, threads, **options)


class Usearch(Contender):
    saves = True

    def __init__(self, directory: Path, dim: int, count: int, threads: int, *, dtype: str) -> None:
        super().__init__(directory, dim, count, threads)
        self.path = directory / "usearch.bin"
        self.index = Index(ndim=dim, metric="ip", dtype=dtype, connectivity=32, expansion_add=200)

    def build(self, blocks: Iterable[Block]) -> None:
        for ids, vectors in blocks:
            self.index.add(ids, vectors, threads=self.threads)

    def open(self, *, writable: bool) -> None:
        if writable:
            self.index.load(str(self.path))
        else:
            self.index.view(str(self.path))

    def search(self, probes: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        keys = self.index.search(probes, k, threads=self.threads).keys
        return np.asarray(keys).reshape(len(probes), -1).astype(np.int64)

    def add(self, id_: int, vector: NDArray[np.float32]) -> None:
        self.index.add(id_, vector, threads=1)

    def remove(self, id_: int) -> None:
        self.index.remove(id_)

    def save(self) -> None:
        self.index.save(str(self.path))
        flush(self.path)

    def close(self) -> None:
        self.index.reset()

    def tune(self, **setting: Any) -> None:
        self.index.expansion_search = setting["ef"]
