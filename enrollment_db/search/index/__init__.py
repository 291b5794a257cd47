"""Search for the nearest of many vectors: one port, with exact and compressed implementations."""

from __future__ import annotations

from enrollment_db.search.index.port import GPU_FROM, KINDS, SWITCH_AT, Kind, VectorIndex

__all__ = [
    "GPU_FROM",
    "KINDS",
    "SWITCH_AT",
    "Kind",
    "VectorIndex",
    "gpu_count",
    "open_index",
    "reason_for",
]


def open_index(dim: int, kind: Kind = "auto", *, expected: int = 0, device: str = "cpu") -> VectorIndex:
    """An empty index for about `expected` vectors of length `dim`.

    - `numpy` and `faiss` are exact, and alike in speed on a CPU; importing faiss takes 0.3 s.
    - `pq4` compresses to 4 bits a value and compares the nearest again; `rabitq` to 1 bit, which is smaller and
      slower. `ivf` (8 bits a value, searches few lists) and `hnsw` (a graph) miss more of the nearest.
    - `gpu` and `gpu-half` are exact, in float32 and float16, and `gpu-ivfpq` compressed, on the CUDA `device`.
    - `auto` is the most exact of these three that fits into the memory of a CUDA device. On a CPU it is `numpy` below
      SWITCH_AT vectors, else `pq4`; for vectors of more than 256 values `rabitq`.

    `device` is cpu, cuda or cuda:N. Raises ValueError for a dimension below 1, another kind, or a kind that the device
    cannot run.
    """
    if kind not in KINDS:
        raise ValueError(f"an index is {', '.join(KINDS)}, not {kind!r}")
    if kind.startswith("gpu") and device == "cpu":
        raise ValueError(f"the index {kind} needs a CUDA device")
    # NumPy is imported only when an index is opened: listing the kinds needs none of it.
    from enrollment_db.search.index.choice import chosen

    return chosen(dim, kind, expected=expected, device=device)


def reason_for(dim: int, kind: Kind = "auto", *, expected: int, device: str = "cpu") -> str:
    """The index that `open_index` would open, and the reason, in words for an operator."""
    from enrollment_db.search.index.choice import reason

    return reason(dim, kind, expected=expected, device=device)


def gpu_count() -> int:
    """The number of GPUs that faiss can use."""
    import faiss

    return int(faiss.get_num_gpus())
