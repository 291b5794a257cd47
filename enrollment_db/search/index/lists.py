"""Rows in inverted lists by faiss, on the CPU: a search reads only the lists nearest to a probe."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrollment_db.search.index.selector import Parts, faiss_index

# Bounds of the memory that encoding takes.
_ENCODED_AT_ONCE = 65_536
_TRAINED_ON_PER_LIST = 64
# The centroids need not be good, since a search reads nearly half of the lists; more rounds are not worth their cost.
_ROUNDS = 10


class Lists:
    """Inverted lists of codes; `code` is faiss's encoding of a vector: RaBitQfs (1 bit a value) or SQ8 (8 bits).

    All vectors get the same random rotation, which spreads the information of a few values over all bits.
    """

    def __init__(
        self, dim: int, code: str, *, made_for: int, lists: int, share: float, candidates: int
    ) -> None:
        """Each search reads `share` (0..1) of the `lists` and fetches `candidates` or more."""
        self._code = code
        self._made_for = made_for
        self._candidates = candidates
        self._rotation = _rotation(dim)
        self._index = faiss_index(dim, f"IVF{lists},{code}")
        self._index.cp.niter = _ROUNDS
        # Faiss would print a warning to the terminal for few vectors a list.
        self._index.cp.min_points_per_centroid = 1
        self._index.nprobe = max(1, round(share * lists))

    @property
    def name(self) -> str:
        """A description of these lists."""
        return f"{self._code} codes, {self._index.nprobe} of {self._index.nlist} lists"

    @property
    def made_for(self) -> int:
        """The number of rows that the number of lists is chosen for."""
        return self._made_for

    def candidates(self, k: int) -> int:
        """The number of rows to compare exactly for the k nearest."""
        return self._candidates + 8 * k

    def train(self, sample: NDArray[np.float32]) -> None:
        """Find the centroids of a (n, d) sample; uses no more of it than needed."""
        most = _TRAINED_ON_PER_LIST * self._index.nlist
        if len(sample) > most:
            sample = sample[np.random.default_rng(0).choice(len(sample), most, replace=False)]
        elif len(sample) < self._index.nlist:
            # Faiss refuses fewer vectors than lists. Repeated vectors make lists that stay empty.
            sample = np.resize(sample, (self._index.nlist, sample.shape[1]))
        self._index.train(sample @ self._rotation)

    def add(self, rows: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add (n,) rows with their (n, d) vectors."""
        for start in range(0, len(rows), _ENCODED_AT_ONCE):
            some = slice(start, start + _ENCODED_AT_ONCE)
            self._index.add_with_ids(vectors[some] @ self._rotation, rows[some])

    def remove(self, rows: NDArray[np.int64]) -> bool:
        """Remove (n,) rows: takes 5 ms with a million held, even for one row."""
        self._index.remove_ids(rows)
        return True

    def fetch(self, probes: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        """The rows (m, count) that are nearest by their codes."""
        rows: NDArray[np.int64] = self._index.search(probes @ self._rotation, count)[1]
        return rows

    def known(self) -> NDArray[np.int64]:
        """All rows, (n,)."""
        return self._entries(self._sizes())

    def dump(self) -> Parts:
        """The trained index without entries, in faiss's format; the lists in the form that `kept.find` reads."""
        import faiss

        empty = faiss.clone_index(self._index)
        empty.reset()
        sizes = self._sizes()
        per_block, block_size = self._geometry()
        lanes = self._lanes(per_block, block_size)
        return {
            "trained": faiss.serialize_index(empty),
            # The training is valid for this rotation alone, and a later NumPy may draw another one.
            "rotation": self._rotation,
            "list_sizes": sizes,
            "list_rows": self._entries(sizes),
            "list_blocks": np.concatenate(
                [
                    _without_rest(self._blocks(list_, size, per_block, block_size), size, lanes)
                    for list_, size in enumerate(sizes.tolist())
                ]
            ),
            "list_lanes": lanes,
        }

    def load(self, parts: Parts) -> bool:
        """Load lists of the same code and number."""
        import faiss

        if not {"trained", "rotation"} <= parts.keys():
            return False
        index: Any = faiss.deserialize_index(np.array(parts["trained"]))
        if (index.d, type(index), index.nlist) != (self._index.d, type(self._index), self._index.nlist):
            return False
        index.nprobe = self._index.nprobe
        kept, self._index = self._index, index
        per_block, block_size = self._geometry()
        sizes, rows, blocks = parts["list_sizes"], parts["list_rows"], parts["list_blocks"]
        if blocks.shape != (int((-(-sizes // per_block)).sum()), block_size) or len(rows) != sizes.sum():
            self._index = kept
            return False
        row = block = 0
        for list_, size in enumerate(sizes.tolist()):
            if size:
                index.invlists.resize(list_, size)
                _view(index.invlists.get_ids(list_), size)[:] = rows[row : row + size]
                held = self._blocks(list_, size, per_block, block_size)
                held[:] = blocks[block : block + len(held)]
                row, block = row + size, block + len(held)
        index.ntotal = row
        self._rotation = np.array(parts["rotation"])
        return True

    def _sizes(self) -> NDArray[np.int64]:
        lists = self._index.invlists
        return np.array([lists.list_size(list_) for list_ in range(self._index.nlist)], np.int64)

    def _entries(self, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
        lists = self._index.invlists
        # A list without entries has no memory.
        return np.concatenate(
            [np.empty(0, np.int64)]
            + [_view(lists.get_ids(list_), size) for list_, size in enumerate(sizes.tolist()) if size]
        )

    def _blocks(self, list_: int, size: int, per_block: int, block_size: int) -> NDArray[np.uint8]:
        """The memory of a list's blocks, (blocks, block_size)."""
        if not size:
            return np.empty((0, block_size), np.uint8)
        count = -(-size // per_block)
        blocks = _view(self._index.invlists.get_codes(list_), count * block_size)
        return blocks.reshape(count, block_size)

    def _geometry(self) -> tuple[int, int]:
        """The numbers of entries and of bytes of a block."""
        packer = self._index.get_CodePacker()
        return int(packer.nvec), int(packer.block_size)

    def _lanes(self, per_block: int, block_size: int) -> NDArray[np.uint8]:
        """The bits of a block that belong to each entry, (per_block, block_size)."""
        packer = self._index.get_CodePacker()
        lanes = np.zeros((per_block, 1, block_size), np.uint8)
        every_bit = np.full(packer.code_size, 255, np.uint8)
        for place, lane in enumerate(lanes):
            packer.pack_1(every_bit, place, lane)
        return lanes[:, 0]


def _view(pointer: Any, count: int) -> NDArray[Any]:
    """Memory of faiss as an array; valid until the list is changed."""
    import faiss

    view: NDArray[Any] = faiss.rev_swig_ptr(pointer, count)
    return view


def _without_rest(blocks: NDArray[np.uint8], size: int, lanes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy of the blocks of a list, without the data of removed entries that faiss leaves behind its end."""
    blocks = blocks.copy()
    if used := size % len(lanes):
        blocks[-1] &= np.bitwise_or.reduce(lanes[:used])
    return blocks


def _rotation(dim: int) -> NDArray[np.float32]:
    gaussian = np.random.default_rng(dim).standard_normal((dim, dim))
    return np.linalg.qr(gaussian)[0].astype(np.float32)
