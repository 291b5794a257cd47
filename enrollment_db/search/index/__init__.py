"""Finding the nearest of many vectors: one port, exact and compressed search behind it."""

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
    """An empty index for vectors of length `dim`, with room for the `expected` number of them.

    - `numpy` and `faiss` are exact, and alike in speed on a CPU; importing faiss takes 0.3 s.
    - `rabitq` compresses to 1 bit a value and looks at the nearest again; `ivf` (8 bits a value, few lists looked
      through) and `hnsw` (a graph) trade more of the nearest for time.
    - `gpu` and `gpu-half` are exact, in float32 and float16, and `gpu-ivfpq` compressed, on the CUDA `device`.
    - `auto` is, on a CUDA device, the most exact of these three that its memory holds; on a CPU it is `numpy` below
      SWITCH_AT vectors and `rabitq` from there on.

    `device` is cpu, cuda or cuda:N. Raises ValueError for a dimension below 1, another kind, or a kind that is not
    for the device.
    """
    if kind not in KINDS:
        raise ValueError(f"an index is {', '.join(KINDS)}, not {kind!r}")
    if kind.startswith("gpu") and device == "cpu":
        raise ValueError(f"the index {kind} needs a CUDA device")
    # NumPy is imported only when an index is opened: listing the kinds needs none of it.
    from enrollment_db.search.index.choice import chosen

    return chosen(dim, kind, expected=expected, device=device)


def reason_for(dim: int, kind: Kind = "auto", *, expected: int, device: str = "cpu") -> str:
    """What `open_index` would open, and why, in words for an operator."""
    from enrollment_db.search.index.choice import reason

    return reason(dim, kind, expected=expected, device=device)


def gpu_count() -> int:
    """How many GPUs faiss can use."""
    import faiss

    return int(faiss.get_num_gpus())
