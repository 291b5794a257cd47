"""Search on a CUDA device: exact if the vectors fit into its memory, else by compressed lists."""

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
"""Probes (m, d) and vectors (n, d), both on the device, and k: the k greatest products (m, k) float32, descending, and
their rows (m, k)."""

# So many more than k are fetched, so that equal cosines at the end of the list can be ordered by id; and the largest k
# of faiss on a GPU.
_SPARE = 32
_MOST = 2048

# Twice the largest error of the product of two unit vectors in float16 (relative error 2**-11 each).
_HALF_ROUNDING = 4 * 2.0**-11

# The numbers of codes that a vector can have in faiss on a GPU.
_CODES = (96, 64, 56, 48, 40, 32, 28, 24, 20, 16, 12, 8, 4, 3, 2, 1)

# Bounds of the memory that copying takes, on the host and on the device.
_COPIED_AT_ONCE = 65_536

# The share of a device's free memory that an index may take: the network and faiss's workspace need the rest.
_SHARE_OF_MEMORY = 0.5


class GpuFlatIndex(FlatIndex):
    """FlatIndex with a copy of the vectors on a GPU, which selects; the results are the same, to the last bit.

    Faiss's own GPU indexes cannot remove a vector. Here faiss searches in a tensor of this class, and changed rows are
    written again: removing costs the same as in FlatIndex.
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
        """`half` keeps float16 on the device. `knn` defaults to faiss's search."""
        self._half = half
        self._device = device
        self._knn = faiss_knn(device) if knn is None else knn
        self._copy: torch.Tensor | None = None
        self._stale: list[NDArray[np.int64]] = []
        super().__init__(dim, capacity=capacity)

    @property
    def reason(self) -> str:
        """A description of this index."""
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
                # So many vectors are equally near that some are beyond the list: let NumPy compare all.
                super()._search(probes[i : i + 1], cosines[i : i + 1], ids[i : i + 1])
            else:
                self._merge(probes[i], rows[i][scores[i] >= floor], cosines[i], ids[i])

    def _on_device(self) -> torch.Tensor:
        """The copy on the device, brought up to date."""
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
    """Inverted lists of product codes on a GPU (Jégou et al. 2011): an eighth of the bytes of float32.

    Faiss cannot remove anything from them.
    """

    def __init__(self, dim: int, *, made_for: int, lists: int, probed: int, device: int) -> None:
        """Each search reads `probed` of the `lists`."""
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
        """A description of these lists."""
        return f"product codes on the GPU, {self._index.nprobe} of {self._index.nlist} lists"

    @property
    def made_for(self) -> int:
        """The number of rows that the number of lists is chosen for."""
        return self._made_for

    def candidates(self, k: int) -> int:
        """The number of rows to compare exactly for the k nearest."""
        return 512 + 4 * k

    def train(self, sample: NDArray[np.float32]) -> None:
        """Find the centroids of a (n, d) sample."""
        # Faiss refuses fewer vectors than lists, or than values of a code.
        least = max(int(self._index.nlist), 256)
        self._index.train(np.resize(sample, (max(len(sample), least), self._index.d)))

    def add(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add (n,) rows with their (n, d) vectors."""
        self._index.add_with_ids(vectors, rows)
        self._known.append(rows.copy())

    def remove(self, rows: NDArray[np.int64]) -> bool:
        """Not possible; returns False."""
        return not len(rows)

    def fetch(self, probes: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """The rows (m, count) that are nearest by their codes, at most as many as faiss finds on a GPU."""
        found: NDArray[np.int64] = self._index.search(probes, min(count, _MOST))[1]
        return np.pad(found, ((0, 0), (0, count - found.shape[1])), constant_values=-1)

    def known(self) -> NDArray[np.int64]:
        """All rows, (n,)."""
        return np.concatenate([np.empty(0, np.int64), *self._known])

    def dump(self) -> Parts | None:
        """None: the lists are rebuilt on the device in seconds."""
        return None

    def load(self, parts: Parts) -> bool:
        """Nothing to load."""
        return False


def usable_memory(device: str) -> int:
    """The number of bytes that an index may take on a CUDA device."""
    import torch

    return int(_SHARE_OF_MEMORY * torch.cuda.mem_get_info(device)[0])


def faiss_knn(device: str) -> Knn:
    """Faiss's exhaustive search on a CUDA device, in a tensor that is not copied."""
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
    """The number of product codes of a vector: one for two values, at most the largest number of faiss's kernels."""
    return next(codes for codes in _CODES if codes <= max(dim // 2, 1) and dim % codes == 0)
