"""The contenders of bench_gallery: one file a library, all behind one small protocol.

The files run in the environments of their libraries, so each imports its own and NumPy, nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

OURS = "scripts.benchmarks.gallery.contenders.ours"

SPARE = 1000
"""How many more vectors than at first a contender that needs to know makes room for."""

Block: TypeAlias = "tuple[NDArray[np.int64], NDArray[np.float32]]"


class Contender:
    """A gallery of unit vectors under integer ids, kept in a directory; the defaults are those of doing nothing.

    A file of this package offers `make(directory, dim, count, threads, **options)`, which returns one of these;
    `count` is how many vectors there will be, `threads` how many a library may use.
    """

    persistent = True
    """Whether it can be opened again; if not it is built anew where others are opened."""

    saves = False
    """Whether it is on the disk only after `save`, which then writes all of it; if not, after each change."""

    def __init__(self, directory: Path, dim: int, count: int, threads: int) -> None:
        self.directory, self.dim, self.count, self.threads = directory, dim, count, threads

    def build(self, blocks: Iterable[Block]) -> None:
        """Take all vectors, (n,) ids with (n, d) float32 each time, and be ready to search."""
        raise NotImplementedError

    def open(self, *, writable: bool) -> None:
        """Be ready to search what is on the disk, as fast as the library can; to change it, if `writable`."""
        raise NotImplementedError

    def search(self, probes: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        """The ids (m, k) of the vectors nearest to (m, d) probes, nearest first."""
        raise NotImplementedError

    def add(self, id_: int, vector: NDArray[np.float32]) -> None:
        """Add one (d,) vector: the next search finds it."""
        raise NotImplementedError

    def remove(self, id_: int) -> None:
        """Remove one vector: no later search finds it."""
        raise NotImplementedError

    def save(self) -> None:
        """Have on the disk what is not yet."""

    def close(self) -> None:
        """Let go of the files."""

    def tune(self, **setting: Any) -> None:
        """Take another setting of the search."""


@dataclass(frozen=True)
class Spec:
    """A contender as it stands in the table.

    `requirements` are pinned; where there are any, it runs in an environment of its own. `settings` of the
    search share one building, a row each. `least_exact` is the share of probes with the exact nearest below
    which the result is taken for wrong: 1 where the library says that it is exact.
    """

    name: str
    module: str
    means: str
    options: dict[str, Any] = field(default_factory=dict)
    requirements: tuple[str, ...] = ()
    environment: str = ""
    settings: tuple[dict[str, Any], ...] = ({},)
    least_exact: float = 1.0

    @property
    def ours(self) -> bool:
        """Whether it is a part of faceid."""
        return self.module == OURS


_HNSW = "HNSW, M 32, efConstruction 200"
_EF: tuple[dict[str, Any], ...] = ({"ef": 64}, {"ef": 256})
_MILVUS = (
    "pymilvus in this process; its log is on the disk, without fsync, after each change; a delete marks; "
    "open loads the collection"
)

RIVALS: tuple[Spec, ...] = (
    Spec(
        "faiss-flat",
        "scripts.benchmarks.gallery.contenders.faiss_flat",
        "IndexIDMap2 over IndexFlatIP; add and remove in memory, on the disk with write_index of all; "
        "open maps the file",
    ),
    Spec(
        "faiss-flat-gpu",
        "scripts.benchmarks.gallery.contenders.faiss_flat",
        "the same on one GPU; removal rebuilds it from the CPU's copy; open reads the file and copies it there",
        options={"gpu": True},
    ),
    Spec(
        "hnswlib",
        "scripts.benchmarks.gallery.contenders.hnsw",
        f"{_HNSW}, float32; add in memory, remove marks; on the disk with save_index of all; open loads all",
        requirements=("hnswlib==0.8.0",),
        environment="hnswlib",
        settings=_EF,
        least_exact=0.5,
    ),
    Spec(
        "usearch-f32",
        "scripts.benchmarks.gallery.contenders.usearch_hnsw",
        f"{_HNSW}, float32; add and remove in memory, on the disk with save of all; open is view (mapped)",
        options={"dtype": "f32"},
        requirements=("usearch==2.26.6",),
        environment="usearch",
        settings=_EF,
        least_exact=0.5,
    ),
    Spec(
        "usearch-f16",
        "scripts.benchmarks.gallery.contenders.usearch_hnsw",
        "the same in float16",
        options={"dtype": "f16"},
        requirements=("usearch==2.26.6",),
        environment="usearch",
        settings=_EF,
        least_exact=0.5,
    ),
    Spec(
        "sqlite-vec",
        "scripts.benchmarks.gallery.contenders.sqlite_vec0",
        "a vec0 table, compared one by one (L2, for which it has vector code; the same order); "
        "each change is a commit with WAL and synchronous FULL, as ours",
        requirements=("sqlite-vec==0.1.9", "apsw==3.54.1.0"),
        environment="sqlite-vec",
    ),
    Spec(
        "milvus-flat",
        "scripts.benchmarks.gallery.contenders.milvus",
        f"FLAT; {_MILVUS}",
        options={"index": "FLAT"},
        requirements=("milvus-lite==3.2.2", "pymilvus==3.0.2"),
        environment="milvus",
    ),
    Spec(
        "milvus-hnsw",
        "scripts.benchmarks.gallery.contenders.milvus",
        f"{_HNSW}; {_MILVUS}",
        options={"index": "HNSW"},
        requirements=("milvus-lite==3.2.2", "pymilvus==3.0.2"),
        environment="milvus",
        settings=_EF,
        least_exact=0.5,
    ),
)


def spec_of(name: str) -> Spec:
    """A rival by its name; `faceid` or `faceid:KIND`, the whole gallery; `index:KIND`, an index alone.

    Raises ValueError for another name. Whether there is such a kind of index shows when it is opened.
    """
    rival = next((spec for spec in RIVALS if spec.name == name), None)
    if rival is not None:
        return rival
    what, _, kind = name.partition(":")
    # Compressed indexes promise nothing; what they reach is in the table.
    least = 1.0 if kind in ("numpy", "faiss") else 0.9
    if what == "faceid":
        means = (
            "Store and Mirror, as faceid has them; each change is a commit with fsync, and the index has followed "
            "it; a removal also overwrites the vector, in the snapshot too; open maps the snapshot"
        )
        return Spec(
            name,
            OURS,
            means,
            {"kind": kind or "auto"},
            least_exact=least,
        )
    if what == "index" and kind:
        means = "an index of enrollment_db alone, in memory; nothing is on the disk"
        options = {"kind": kind, "alone": True}
        return Spec(name, OURS, means, options, least_exact=least)
    names = ", ".join(spec.name for spec in RIVALS)
    raise ValueError(f"no contender {name}; there are {names}, faceid, faceid:KIND and index:KIND")


def flush(path: Path) -> None:
    """Have the system write the file to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def blocks_of(path: Path, size: int = 16_384) -> Iterator[Block]:
    """The rows of an .npy file with their numbers as ids, copied: so that no page of the file stays mapped."""
    count = len(np.load(path, mmap_mode="r"))
    for start in range(0, count, size):
        vectors = np.array(np.load(path, mmap_mode="r")[start : start + size])
        yield np.arange(start, start + len(vectors)), vectors
