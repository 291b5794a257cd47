"""faiss, exact: on the CPU, and on a GPU where there is one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from scripts.benchmarks.gallery.contenders import Block, Contender, flush


def make(directory: Path, dim: int, count: int, threads: int, **options: Any) -> Contender:
    return FaissFlat(directory, dim, count, threads, **options)


class FaissFlat(Contender):
    saves = True

    def __init__(self, directory: Path, dim: int, count: int, threads: int, *, gpu: bool = False) -> None:
        super().__init__(directory, dim, count, threads)
        if gpu and faiss.get_num_gpus() == 0:
            raise RuntimeError("faiss finds no GPU")
        self.path = directory / "flat.faiss"
        self.gpu = gpu
        faiss.omp_set_num_threads(threads)

    def build(self, blocks: Iterable[Block]) -> None:
        self.index = faiss.IndexIDMap2(faiss.IndexFlatIP(self.dim))
        for ids, vectors in blocks:
            self.index.add_with_ids(vectors, ids)
        self._to_gpu()

    def open(self, *, writable: bool) -> None:
        mapped = not writable and not self.gpu
        self.index = faiss.read_index(str(self.path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
        self._to_gpu()

    def search(self, probes: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        return self.searched.search(probes, k)[1]

    def add(self, id_: int, vector: NDArray[np.float32]) -> None:
        ids = np.array([id_])
        self.index.add_with_ids(vector[None], ids)
        if self.gpu:
            self.searched.add_with_ids(vector[None], ids)

    def remove(self, id_: int) -> None:
        self.index.remove_ids(np.array([id_]))
        self._to_gpu()

    def save(self) -> None:
        faiss.write_index(self.index, str(self.path))
        flush(self.path)

    def _to_gpu(self) -> None:
        self.searched = self.index
        if self.gpu:
            self.resources = faiss.StandardGpuResources()
            self.searched = faiss.index_cpu_to_gpu(self.resources, 0, self.index)
