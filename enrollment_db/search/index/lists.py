"""Rows in inverted lists by faiss, on the CPU: a search reads only the lists nearest to a probe."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrollment_db.search.index.selector import Parts, faiss_index

# Bounds of the memory that encoding takes.
_ENCODED_AT_ONCE = 65_536
# With 64, up to 2 in 1,000 more of a million mobilefacenet embeddings were in none of the lists that are read.
_TRAINED_ON_PER_LIST = 256
# The centroids need not be good, since a search reads more than half of the lists: twice the rounds gain nothing.
_ROUNDS = 10
# The directions that are left out hold at most this share of the variance of all vectors: dlib-resnet's 128 values have
# 80 others, mobilefacenet's 192 have 64. Sixteen vectors for each direction tell the empty ones from the others.
_LEFT_OUT = 1e-5
_ROWS_PER_DIRECTION = 16
# The way in which faiss searches for one probe: codes list by list, the best in a reservoir. Its own choice takes a
# seventh longer; for several probes it is the faster one.
_ONE_PROBE, _FAISS_CHOICE = 11, 0


class Lists:
    """Inverted lists of codes; `code` is faiss's encoding of a vector.

    It is RaBitQfs (1 bit a value), SQ8 (8 bits), or PQx4fsr: 4 bits for each value of the difference to the centroid
    of the list.

    All vectors get the same random rotation, which spreads the information of a few values over all bits. Before
    PQx4fsr, the directions in which vectors hardly differ are left out: an embedding of 192 values may have 64 others.
    """

    def __init__(
        self,
        dim: int,
        code: str,
        *,
        made_for: int,
        lists: int,
        share: float,
        candidates: int,
        per_neighbour: int = 8,
    ) -> None:
        """Each search reads `share` (0..1) of the `lists`.

        It fetches `candidates` rows, and `per_neighbour` more for each neighbour that is asked for.
        """
        self._code = code
        self._made_for = made_for
        self._lists = lists
        self._probed = max(1, round(share * lists))
        self._candidates = candidates
        self._per_neighbour = per_neighbour
        self._rotation = _rotation(dim)
        self._index = self._empty(dim)

    @property
    def name(self) -> str:
        """A description of these lists."""
        return f"{self._code} codes of {self._index.d} values, {self._probed} of {self._lists} lists"

    @property
    def made_for(self) -> int:
        """The number of rows that the number of lists is chosen for."""
        return self._made_for

    def candidates(self, k: int) -> int:
        """The number of rows to compare exactly for the k nearest."""
        return self._candidates + self._per_neighbour * k

    def train(self, sample: NDArray[np.float32]) -> None:
        """Find the centroids of a (n, d) sample; uses no more of it than needed."""
        most = _TRAINED_ON_PER_LIST * self._lists
        if len(sample) > most:
            sample = sample[np.random.default_rng(0).choice(len(sample), most, replace=False)]
        if self._code == "PQx4fsr":
            self._rotation = _reduced(sample, self._rotation)
            self._index = self._empty(self._rotation.shape[1])
        if len(sample) < self._lists:
            # Faiss refuses fewer vectors than lists. Repeated vectors make lists that stay empty.
            sample = np.resize(sample, (self._lists, sample.shape[1]))
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
        if self._code == "PQx4fsr":
            self._index.implem = _ONE_PROBE if len(probes) == 1 else _FAISS_CHOICE
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
        if (type(index), index.nlist) != (type(self._index), self._lists):
            return False
        if parts["rotation"].shape != (len(self._rotation), index.d):
            return False
        index.nprobe = self._probed
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

    def _empty(self, dim: int) -> Any:
        """An untrained faiss index of vectors of length `dim`."""
        product = self._code == "PQx4fsr"
        index = faiss_index(dim, f"IVF{self._lists},{f'PQ{dim}x4fsr' if product else self._code}")
        trained = [index.cp, index.pq.cp] if product else [index.cp]
        for settings in trained:
            settings.niter = _ROUNDS
            # Faiss would print a warning to the terminal for few vectors a centroid.
            settings.min_points_per_centroid = 1
        index.nprobe = self._probed
        return index

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


def _reduced(sample: NDArray[np.float32], rotation: NDArray[np.float32]) -> NDArray[np.float32]:
    """The matrix (d, r) that keeps the r <= d directions in which a (n, d) sample varies, in a random rotation.

    All d are kept where the sample is too small to tell, and `rotation` (d, d) is returned.
    """
    dim = len(rotation)
    if len(sample) < _ROWS_PER_DIRECTION * dim:
        return rotation
    values, directions = np.linalg.eigh(np.atleast_2d(np.cov(sample.T.astype(np.float64))))
    # Ascending: the sum of the first ones is what would be left out.
    empty = int((np.cumsum(values) < _LEFT_OUT * values.sum()).sum())
    # Faiss packs codes of an even number of values.
    kept = dim - empty + (dim - empty) % 2
    if kept >= dim:
        return rotation
    matrix: NDArray[np.float32] = (directions[:, dim - kept :] @ _rotation(kept)).astype(np.float32)
    return matrix
