"""What an index leaves on disk: named arrays, from which single templates can be erased where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """The content of an index as arrays, from which one of a suitable kind can take it up again.

    Each array of `by_row` has one element a row, of which the first `count` are meant; when it is taken up it has
    more, room for what is added later. One of them is `ids` (int64, -1 where a row holds nothing). The arrays of
    `whole` are the index's own; those of `LISTS` are known to `erase`.
    """

    count: int
    by_row: Mapping[str, NDArray[Any]]
    whole: Mapping[str, NDArray[Any]]

    @property
    def ids(self) -> NDArray[np.int64]:
        """(count,) int64: the id of each row."""
        ids: NDArray[np.int64] = self.by_row["ids"][: self.count]
        return ids


LISTS = ("list_sizes", "list_rows", "list_blocks", "list_lanes")
"""Inverted lists of codes, packed in blocks: how many entries each list has (lists,) int64; the row of each entry,
list by list, (entries,) int64; the blocks, list by list, (blocks, bytes) uint8; and the bits of each entry of a
block, (entries a block, bytes) uint8 masks. Each list begins with a block of its own."""


class CannotErase(Exception):
    """The arrays say more about the templates than anybody knows how to blank. Never leaves this package."""


def erase(kept: Kept, ids: NDArray[np.int64]) -> list[tuple[str, int, int]]:
    """Overwrite with zeros all that the arrays say of (n,) ids, apart from the ids themselves.

    Returns which bytes were changed: name of the array, first byte, end; none where that was done before. Raises
    CannotErase, having changed nothing.
    """
    foreign = set(kept.whole) - set(LISTS) - {"trained"}
    if foreign:
        raise CannotErase(f"{', '.join(sorted(foreign))} cannot be blanked in part")
    changed = []
    arrays = {name: array for name, array in kept.by_row.items() if name != "ids"}
    for row in _rows_of(kept.ids, ids):
        if not any(np.any(array[row]) for array in arrays.values()):
            continue
        for name, array in arrays.items():
            array[row] = 0
            size = array[row].nbytes
            changed.append((name, row * size, row * size + size))
        if "list_rows" in kept.whole:
            changed += _erase_entry(kept.whole, row)
    return changed


def _rows_of(held: NDArray[np.int64], ids: NDArray[np.int64]) -> list[int]:
    """The rows of those ids that are held."""
    if not len(held):
        return []
    # Nearly always the ids ascend: then this looks at a few of them, and not at a million.
    at = np.minimum(np.searchsorted(held, ids), len(held) - 1)
    found = at[held[at] == ids]
    if len(found) < len(ids):
        found = np.flatnonzero(np.isin(held, ids))
    rows: list[int] = found.tolist()
    return rows


def _erase_entry(whole: Mapping[str, NDArray[Any]], row: int) -> list[tuple[str, int, int]]:
    sizes, blocks, lanes = whole["list_sizes"], whole["list_blocks"], whole["list_lanes"]
    changed = []
    for entry in np.flatnonzero(whole["list_rows"] == row).tolist():
        ends = np.cumsum(sizes)
        of_list = int(np.searchsorted(ends, entry, side="right"))
        place = entry - int(ends[of_list] - sizes[of_list])
        first_block = int((-(-sizes[:of_list] // len(lanes))).sum())
        block, lane = first_block + place // len(lanes), place % len(lanes)
        blocks[block] &= ~lanes[lane]
        changed.append(("list_blocks", block * blocks.shape[1], (block + 1) * blocks.shape[1]))
    return changed
