"""The choice of an index, and of its settings, by the size of the gallery and the machine."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.index.port import GPU_FROM, SWITCH_AT, Kind, VectorIndex

if TYPE_CHECKING:
    from collections.abc import Callable

    from enrollment_db.search.index.selector import Selector

# Of 2,328 real probes among a million embeddings, a share of .5 / .6 / .7 of 256 lists held the exact nearest of .9991
# / 1.000 / 1.000 or more (dlib-resnet) and of .9979 / .9996 / 1.000 (mobilefacenet), in lists from two samples.
# Smaller galleries can afford all lists. Of the candidates by 4 bits a value, the first 128 / 256 / 384 held the
# nearest of .9987 / .9991 / 1.000 (dlib-resnet) and all (mobilefacenet); of those by 1 bit, the first 1,200 of .9996.
_SHARE = 0.6
_ALWAYS_LOOKED_THROUGH = 200_000
_PQ4_CANDIDATES, _PQ4_PER_NEIGHBOUR = 384, 3
_RABITQ_CANDIDATES = 1200
# Beyond, the 16 bits in which faiss adds up the parts of a code are too few for a part a value.
_LONGEST_PQ4 = 256
# With fewer, the codes of a small gallery are less precise: they are relative to the centre of a list.
_FEWEST_LISTS = 128


def chosen(dim: int, kind: Kind, *, expected: int, device: str) -> VectorIndex:
    """See `open_index`."""
    if kind == "auto":
        kind = kind_for_machine(dim, expected, device)
    # Unused room costs address space, not memory. Making more room copies all vectors, and the first enrolment after
    # opening should not pay for that.
    capacity = expected + expected // 4 + 1024
    if kind == "numpy":
        return FlatIndex(dim, capacity=capacity)
    if kind == "faiss":
        from enrollment_db.search.index.faiss import FaissFlatIndex

        return FaissFlatIndex(dim, capacity=capacity)
    if kind in ("gpu", "gpu-half"):
        from enrollment_db.search.index.gpu import GpuFlatIndex

        return GpuFlatIndex(dim, capacity=capacity, half=kind == "gpu-half", device=device)
    from enrollment_db.search.index.growing import GrowingIndex
    from enrollment_db.search.index.rebuild import SAMPLE

    makers: dict[Kind, Callable[[int, int], Selector]] = {
        "auto": compressed,
        "pq4": pq4,
        "rabitq": rabitq,
        "ivf": ivf,
        "hnsw": hnsw,
        "gpu-ivfpq": partial(gpu_ivfpq, device),
    }
    # A kind that was requested by name is used from the first vectors that it can be trained on. But lists for all
    # expected vectors, trained on a few, would be badly placed: some centroids would be those few vectors.
    switch_at = SWITCH_AT if kind == "auto" else max(1024, min(expected, SAMPLE))
    return GrowingIndex(dim, partial(makers[kind], dim), switch_at=switch_at, expected=expected)


def reason(dim: int, kind: Kind, *, expected: int, device: str) -> str:
    """See `reason_for`."""
    if kind != "auto":
        return f"{kind}, as asked for"
    kind = kind_for_machine(dim, expected, device)
    if kind != "auto":
        room = _usable_memory(device) / 2**30
        return f"{kind}: {_bytes_for(dim, expected) / 2**30:.2f} GiB in float32, {room:.2f} GiB usable on {device}"
    where = "no GPU" if device == "cpu" else f"too few for {device}"
    if expected < SWITCH_AT:
        return f"exact on the CPU: {where}, and fewer than {SWITCH_AT:,} templates"
    return f"compressed on the CPU: {where}, and {SWITCH_AT:,} templates or more"


def kind_for_machine(dim: int, expected: int, device: str) -> Kind:
    """The kind that `auto` means on a CUDA device: the most exact that fits `expected` vectors into its memory."""
    if device == "cpu" or expected < GPU_FROM:
        return "auto"
    room, needed = _usable_memory(device), _bytes_for(dim, expected)
    return "gpu" if needed <= room else "gpu-half" if needed / 2 <= room else "gpu-ivfpq"


def _bytes_for(dim: int, expected: int) -> int:
    """The bytes of the vectors in float32, with room for a quarter more."""
    return 4 * dim * (expected + expected // 4)


def _usable_memory(device: str) -> int:
    from enrollment_db.search.index.gpu import usable_memory

    return usable_memory(device)


def compressed(dim: int, count: int) -> Selector:
    """The selector that `auto` compresses with."""
    return pq4(dim, count) if dim <= _LONGEST_PQ4 else rabitq(dim, count)


def pq4(dim: int, count: int) -> Selector:
    """Four bits a value, each quantized by itself; a search reads a large part of all lists.

    Faiss compares 32 codes at once by shuffles of bytes (Andre, Kermarrec and Le Scouarnec 2017), and drops most of
    them there. It corrects every single RaBitQ code in float32, which takes longer than reading four times the bits.
    """
    from enrollment_db.search.index.lists import Lists

    lists, share = _many_lists(count)
    return Lists(
        dim,
        "PQx4fsr",
        made_for=count,
        lists=lists,
        share=share,
        candidates=_PQ4_CANDIDATES,
        per_neighbour=_PQ4_PER_NEIGHBOUR,
    )


def rabitq(dim: int, count: int) -> Selector:
    """One bit a value (Gao and Long 2024); a search reads a large part of all lists."""
    from enrollment_db.search.index.lists import Lists

    lists, share = _many_lists(count)
    return Lists(dim, "RaBitQfs", made_for=count, lists=lists, share=share, candidates=_RABITQ_CANDIDATES)


def _many_lists(count: int) -> tuple[int, float]:
    """The number of lists for `count` rows, and the share of them that a search reads."""
    lists = max(_power_of_two(count**0.5 / 4), min(_FEWEST_LISTS, _power_of_two(count / 64)))
    return lists, min(1.0, max(_SHARE, _ALWAYS_LOOKED_THROUGH / max(count, 1)))


def ivf(dim: int, count: int) -> Selector:
    """Eight bits a value; a search reads few lists."""
    from enrollment_db.search.index.lists import Lists

    lists = _power_of_two(count**0.5)
    return Lists(dim, "SQ8", made_for=count, lists=lists, share=max(32 / lists, 1 / 16), candidates=64)


def hnsw(dim: int, count: int) -> Selector:
    """A graph."""
    from enrollment_db.search.index.graph import Graph

    return Graph(dim, made_for=count)


def gpu_ivfpq(device: str, dim: int, count: int) -> Selector:
    """Product codes on a CUDA device."""
    from enrollment_db.search.index.gpu import GpuLists

    lists = _power_of_two(4 * count**0.5)
    number = int(device.partition(":")[2] or 0)
    return GpuLists(dim, made_for=count, lists=lists, probed=max(1, lists // 16), device=number)


def _power_of_two(about: float) -> int:
    """The power of two that is nearest by ratio, 16 to 65536."""
    return min(max(1 << round(math.log2(max(about, 1))), 16), 65_536)
