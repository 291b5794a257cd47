"""Search on a CUDA device: exact where the vectors fit into its memory, by compressed lists where they do not."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from enrollment_db.search.index.arguments import rounding
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.index.selector import Parts, faiss_index

if TYPE_CHECKING:
    import torch

Knn: TypeAlias = "Callable[[torch.Tensor, torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]]"
"""Probes (m, d) and vectors (n, d), both on the device, and k: the k greatest products (m, k) float32, falling, and
their rows (m, k)."""

# How many more than k are fetched, so that equal cosines at the end of the list can be ordered by id; and the most
# that faiss finds on a GPU.
_SPARE = 32
_MOST = 2048

# Twice what rounding both unit vectors to float16 can move their product (relative error 2**-11 each).
_HALF_ROUNDING = 4 * 2.0**-11

# How many codes a vector can have in faiss on a GPU.
_CODES = (96, 64, 56, 48, 40, 32, 28, 24, 20, 16, 12, 8, 4, 3, 2, 1)

# Bounds of the memory that copying takes, here and there.
_COPIED_AT_ONCE = 65_536

# Of the free memory of a device, what an index may take: the network and faiss's own workspace need the rest.
_SHARE_OF_MEMORY = 0.5


class GpuFlatIndex(FlatIndex):
    """FlatIndex with a copy of the vectors on a GPU, which selects; it finds the same, to the last bit.

    Faiss's own GPU indexes cannot forget a vector. Here faiss searches in a tensor that is ours, whose rows are
    written again when they change: removing costs what it costs in FlatIndex.
    """

    def __init__(
        self,
        dim: int,
        *,
        capacity: int = 1024,
        half: bool = False,
        device: str = "cuda:0",
        knn: Knn | None = None,
    ) -> None:
        """`half` keeps float16 on the device; `knn` is faiss's, unless another is given."""
        self._half = half
        self._device = device
        self._knn = faiss_knn(device) if knn is None else knn
        self._copy: torch.Tensor | None = None
        self._stale: list[NDArray[np.int64]] = []
        super().__init__(dim, capacity=capacity)

    @property
    def reason(self) -> str:
        """What this index is, in words."""
        precision = "float16, the nearest again in float32" if self._half else "float32"
        return f"exact ({self._device}): all of {len(self):,} templates compared in {precision}"

    def _written(self, rows: NDArray[np.int64]) -> None:
        self._stale.append(rows)

    def _search(
        self, probes: NDArray[np.float32], cosines: NDArray[np.float32], ids: NDArray[np.int64]
    ) -> None:
        import torch

        k = cosines.shape[1]
        fetched = min(k + _SPARE, len(self))
        if fetched > _MOST:
            super()._search(probes, cosines, ids)
            return
        stored = self._on_device()[: len(self)]
        asked = torch.tensor(probes).to(stored)
        slack = rounding(self.dim) + (_HALF_ROUNDING if self._half else 0)
        found = self._knn(asked, stored, fetched)
        scores, rows = (part.cpu().numpy() for part in found)
        floors = scores[:, k - 1] - slack
        for i, floor in enumerate(floors):
            if fetched < len(self) and scores[i, -1] >= floor:
                # So many equally near that some are beyond the list: let NumPy look at all.
                super()._search(probes[i : i + 1], cosines[i : i + 1], ids[i : i + 1])
            else:
                self._merge(probes[i], rows[i][scores[i] >= floor], cosines[i], ids[i])

    def _on_device(self) -> torch.Tensor:
        """The copy, brought up to date."""
        import torch

        if self._copy is None:
            kind = torch.float16 if self._half else torch.float32
            self._copy = torch.zeros(self._vectors.shape, dtype=kind, device=self._device)
            self._stale = [np.arange(len(self))]
        if self._stale:
            rows = np.unique(np.concatenate(self._stale))
            rows = rows[rows < len(self)]
            for start in range(0, len(rows), _COPIED_AT_ONCE):
                part = rows[start : start + _COPIED_AT_ONCE]
                vectors = torch.from_numpy(self._vectors[part])
                self._copy[torch.from_numpy(part).to(self._device)] = vectors.to(self._copy)
            self._stale = []
        return self._copy

    def _replaced(self) -> None:
        self._copy = None


class GpuLists:
    """Inverted lists of product codes on a GPU (Jégou et al. 2011): an eighth of what float32 takes.

    Faiss cannot take anything out of them.
    """

    def __init__(self, dim: int, *, made_for: int, lists: int, probed: int, device: int) -> None:
        """`probed` of the `lists` are looked through for each probe."""
        # The types that faiss declares leave out what is for GPUs.
        faiss: Any = import_module("faiss")
        self._made_for = made_for
        self._resources = faiss.StandardGpuResources()
        options = faiss.GpuClonerOptions()
        # Without it the tables of so many codes a vector do not fit into a GPU's shared memory.
        options.useFloat16 = True
        options.indicesOptions = faiss.INDICES_64_BIT
        on_cpu = faiss_index(dim, f"IVF{lists},PQ{_codes(dim)}")
        self._index = faiss.index_cpu_to_gpu(self._resources, device, on_cpu, options)
        self._index.nprobe = probed
        self._known: list[NDArray[np.int64]] = []

    @property
    def name(self) -> str:
        """What this is, in words."""
        return f"product codes on the GPU, {self._index.nprobe} of {self._index.nlist} lists"

    @property
    def made_for(self) -> int:
        """How many rows the number of lists is right for."""
        return self._made_for

    def candidates(self, k: int) -> int:
        """How many rows to look at closely for the k nearest."""
        return 512 + 4 * k

    def train(self, sample: NDArray[np.float32]) -> None:
        """Find the centroids of a (n, d) sample."""
        # Faiss refuses fewer vectors than lists, or than values of a code.
        least = max(int(self._index.nlist), 256)
        self._index.train(np.resize(sample, (max(len(sample), least), self._index.d)))

    def add(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Take up (n,) rows with their (n, d) vectors."""
        self._index.add_with_ids(vectors, rows)
        self._known.append(rows.copy())

    def remove(self, rows: NDArray[np.int64]) -> bool:
        """Not possible."""
        return not len(rows)

    def fetch(self, probes: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """The rows (m, count) that look nearest by their codes, as far as faiss finds so many on a GPU."""
        found: NDArray[np.int64] = self._index.search(probes, min(count, _MOST))[1]
        return np.pad(found, ((0, 0), (0, count - found.shape[1])), constant_values=-1)

    def known(self) -> NDArray[np.int64]:
        """All rows, (n,)."""
        return np.concatenate([np.empty(0, np.int64), *self._known])

    def dump(self) -> Parts | None:
        """Nothing: they are made anew on the device in seconds."""
        return None

    def load(self, parts: Parts) -> bool:
        """Nothing to load."""
        return False


def usable_memory(device: str) -> int:
    """How many bytes of its memory an index may take on a CUDA device."""
    import torch

    return int(_SHARE_OF_MEMORY * torch.cuda.mem_get_info(device)[0])


def faiss_knn(device: str) -> Knn:
    """Faiss's exhaustive search on a CUDA device, in a tensor that stays where it is."""
    import faiss
    import faiss.contrib.torch_utils
    import torch

    resources = faiss.StandardGpuResources()
    number = torch.device(device).index or 0

    def knn(probes: torch.Tensor, vectors: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        found: Any = faiss.knn_gpu(
            resources, probes, vectors, k, metric=faiss.METRIC_INNER_PRODUCT, device=number
        )
        return found[0], found[1]

    return knn


def _codes(dim: int) -> int:
    """How many product codes a vector gets: one for two values, or the most that faiss's kernels know."""
    return next(codes for codes in _CODES if codes <= max(dim // 2, 1) and dim % codes == 0)
