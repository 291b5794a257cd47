"""hnswlib: a graph in memory, saved as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hnswlib
import numpy as np
from numpy.typing import NDArray

from scripts.benchmarks.gallery.contenders import SPARE, Block, Contender, flush


def make(directory: Path, dim: int, count: int, threads: int, **options: Any) -> Contender:
    return Hnswlib(directory, dim, count, threads, **options)


class Hnswlib(Contender):
    saves = True

    def __init__(self, directory: Path, dim: int, count: int, threads: int) -> None:
        super().__init__(directory, dim, count, threads)
        self.path = directory / "hnswlib.bin"
        self.index = hnswlib.Index(space="ip", dim=dim)

    def build(self, blocks: Iterable[Block]) -> None:
        self.index.init_index(max_elements=self.count + SPARE, M=32, ef_construction=200)
        self.index.set_num_threads(self.threads)
        for ids, vectors in blocks:
            self.index.add_items(vectors, ids)

    def open(self, *, writable: bool) -> None:
        self.index.load_index(str(self.path), max_elements=self.count + SPARE)
        self.index.set_num_threads(self.threads)

    def search(self, probes: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        return self.index.knn_query(probes, k)[0].astype(np.int64)

    def add(self, id_: int, vector: NDArray[np.float32]) -> None:
        self.index.add_items(vector[None], np.array([id_]))

    def remove(self, id_: int) -> None:
        self.index.mark_deleted(id_)

    def save(self) -> None:
        self.index.save_index(str(self.path))
        flush(self.path)

    def tune(self, **setting: Any) -> None:
        self.index.set_ef(setting["ef"])
