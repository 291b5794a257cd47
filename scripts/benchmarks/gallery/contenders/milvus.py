"""milvus-lite through pymilvus, as its documentation uses it: `MilvusClient` on a local path."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient

from scripts.benchmarks.gallery.contenders import Block, Contender

_FACES = "faces"
# A request of its protocol is bounded.
_ROWS_AT_ONCE = 4096


def make(directory: Path, dim: int, count: int, threads: int, **options: Any) -> Contender:
    return Milvus(directory, dim, count, threads, **options)


class Milvus(Contender):
    def __init__(self, directory: Path, dim: int, count: int, threads: int, *, index: str) -> None:
        super().__init__(directory, dim, count, threads)
        self.path = str(directory / "milvus.db")
        self.kind = index
        self.parameters: dict[str, Any] = {}

    def build(self, blocks: Iterable[Block]) -> None:
        self.client = MilvusClient(self.path)
        schema = MilvusClient.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.dim)
        self.client.create_collection(_FACES, schema=schema, consistency_level="Strong")
        for ids, vectors in blocks:
            rows = [{"id": i, "vector": vector} for i, vector in zip(ids.tolist(), vectors, strict=True)]
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                self.client.insert(_FACES, rows[start : start + _ROWS_AT_ONCE])
        self.client.flush(_FACES)
        index = MilvusClient.prepare_index_params()
        graph = {"M": 32, "efConstruction": 200} if self.kind == "HNSW" else {}
        index.add_index("vector", index_type=self.kind, metric_type="IP", params=graph)
        self.client.create_index(_FACES, index)
        self.client.load_collection(_FACES)

    def open(self, *, writable: bool) -> None:
        self.client = MilvusClient(self.path)
        self.client.load_collection(_FACES)

    def search(self, probes: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        found = self.client.search(
            _FACES,
            data=list(probes),
            limit=k,
            output_fields=["id"],
            search_params={"metric_type": "IP", "params": self.parameters},
        )
        return np.array([[hit["id"] for hit in hits] for hits in found])

    def add(self, id_: int, vector: NDArray[np.float32]) -> None:
        self.client.insert(_FACES, [{"id": id_, "vector": vector}])

    def remove(self, id_: int) -> None:
        self.client.delete(_FACES, ids=[id_])

    def close(self) -> None:
        self.client.close()

    def tune(self, **setting: Any) -> None:
        self.parameters = setting
