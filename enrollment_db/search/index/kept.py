"""The content of an index on disk: named arrays, from which single templates can be erased in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """The content of an index as arrays, which an index of a suitable kind can load.

    Each array of `by_row` has one element a row. The first `count` elements are valid; a loaded array has more, as room
    for later additions. One of them is `ids` (int64, -1 for an empty row). In the others, the data of a vector are
    never all zeros. The arrays of `whole` belong to the kind of index; `find` knows those of `LISTS` and `ABOUT_ALL`.
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
"""Inverted lists of codes, packed in blocks: the number of entries of each list (lists,) int64; the row of each entry,
list by list, (entries,) int64; the blocks, list by list, (blocks, bytes) uint8; and the bits of each entry of a block,
(entries a block, bytes) uint8 masks. Each list begins with a block of its own."""


SIGNPOSTS = ("ids", "list_rows")
"""The arrays in which `find` looks for a template. Damage elsewhere in them does not affect what it found."""

TABLES = ("list_sizes", "list_lanes")
"""The arrays that `find` needs besides: they must be intact before it is called."""

ABOUT_ALL = ("trained", "rotation", "made_for")
"""Arrays that hold no data of a single row: settings, and results of training on many rows."""

_MOST_ERASED = 10_000
# Up to so many rows are looked up one by one: sorting a million others costs more.
_FEW = 8


class CannotErase(Exception):
    """The arrays hold data of the templates that cannot be blanked. Never leaves this package."""


class Trace(NamedTuple):
    """The place of a template's data in an array: one element along its first axis, without the bits `others`."""

    array: str
    element: int
    others: NDArray[np.uint8] | None


class Found(NamedTuple):
    """The data of some templates in the arrays, and the elements that led to them.

    `consulted` are the elements of `SIGNPOSTS` that led to the traces. `certain` is true if every template was found by
    them, so that no other element of these arrays matters.
    """

    traces: list[Trace]
    consulted: list[tuple[str, int]]
    certain: bool


def find(kept: Kept, ids: NDArray[np.int64]) -> Found:
    """All data of (n,) ids in the arrays, without the ids themselves and without data that are zero already.

    Raises CannotErase if the data cannot be located, or if there are so many that a new file costs less.
    """
    foreign = set(kept.whole) - set(LISTS) - set(ABOUT_ALL)
    if foreign:
        raise CannotErase(f"{', '.join(sorted(foreign))} cannot be blanked in part")
    ids = np.unique(ids)
    rows = _rows_of(kept.ids, ids)
    if len(rows) > _MOST_ERASED:
        raise CannotErase(f"{len(rows)} templates are too many to erase one by one")
    found = [
        Trace(name, row, None)
        for name, array in kept.by_row.items()
        if name != "ids"
        for row in rows.tolist()
        if np.any(array[row])
    ]
    consulted = [("ids", row) for row in rows.tolist()]
    certain = len(rows) == len(ids)
    if "list_rows" in kept.whole:
        entries = _entries_of(kept.whole["list_rows"], rows)
        found += _codes(kept.whole, entries)
        consulted += [("list_rows", entry) for entry in entries]
        certain = certain and len(entries) == len(rows)
    return Found(found, consulted, certain)


def blanked(kept: Kept) -> NDArray[np.int64]:
    """The ids (n,) of rows that were erased in full or in part."""
    rows = kept.ids >= 0
    blank = np.zeros(kept.count, bool)
    for name, array in kept.by_row.items():
        if name != "ids":
            columns = array[: kept.count].reshape(kept.count, -1)
            # Few vectors begin with a zero: only those are checked in full.
            at = np.flatnonzero(rows & (columns[:, 0] == 0))
            blank[at[~columns[at].any(axis=1)]] = True
    return kept.ids[blank]


def _rows_of(held: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of the ids that are held."""
    if not len(held):
        return np.empty(0, np.int64)
    # The ids nearly always ascend: then this reads a few of them, not a million.
    at = np.minimum(np.searchsorted(held, ids), len(held) - 1)
    found: NDArray[np.int64] = at[held[at] == ids]
    return found if len(found) == len(ids) else np.flatnonzero(np.isin(held, ids))


def _entries_of(list_rows: NDArray[np.int64], rows: NDArray[np.int64]) -> list[int]:
    """The places of (n,) rows in the lists."""
    if len(rows) > _FEW:
        several: list[int] = np.flatnonzero(np.isin(list_rows, rows)).tolist()
        return several
    return [entry for row in rows for entry in np.flatnonzero(list_rows == row).tolist()]


def _codes(whole: Mapping[str, NDArray[Any]], entries: list[int]) -> Iterator[Trace]:
    sizes, blocks, lanes = whole["list_sizes"], whole["list_blocks"], whole["list_lanes"]
    ends, block_ends = np.cumsum(sizes), np.cumsum(-(-sizes // len(lanes)))
    for entry in entries:
        of_list = int(np.searchsorted(ends, entry, side="right"))
        in_list = entry - int(ends[of_list] - sizes[of_list])
        first_block = int(block_ends[of_list]) - -(-int(sizes[of_list]) // len(lanes))
        block, lane = first_block + in_list // len(lanes), lanes[in_list % len(lanes)]
        if np.any(blocks[block] & lane):
            yield Trace("list_blocks", block, ~lane)
