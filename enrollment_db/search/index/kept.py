"""What an index leaves on disk: named arrays, from which single templates can be erased where they lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """The content of an index as arrays, from which one of a suitable kind can take it up again.

    Each array of `by_row` has one element a row, of which the first `count` are meant; when it is taken up it has
    more, room for what is added later. One of them is `ids` (int64, -1 where a row holds nothing); in each of the
    others, what is kept of a vector is never all zeros. The arrays of `whole` are the index's own; those of `LISTS` and
    `ABOUT_ALL` are known to `find`.
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


SIGNPOSTS = ("ids", "list_rows")
"""The arrays in which `find` looks for a template: damage elsewhere in them does no harm to what was found."""

TABLES = ("list_sizes", "list_lanes")
"""The arrays by which `find` computes its way from there: they must be whole before it is called."""

ABOUT_ALL = ("trained", "rotation", "made_for")
"""Arrays that say nothing of a single row: what training learned of many together, and settings."""

_MOST_ERASED = 10_000
# So many rows are looked for one by one: to sort a million others costs more.
_FEW = 8


class CannotErase(Exception):
    """The arrays say more about the templates than anybody knows how to blank. Never leaves this package."""


class Trace(NamedTuple):
    """Where an array says something of a template: in one element along its first axis, all but the bits `others`."""

    array: str
    element: int
    others: NDArray[np.uint8] | None


class Found(NamedTuple):
    """What the arrays say of some templates, and what led there.

    `consulted` are elements of `SIGNPOSTS` that say where the traces are; `certain`, that every template was found by
    them, so that no other element of these arrays matters.
    """

    traces: list[Trace]
    consulted: list[tuple[str, int]]
    certain: bool


def find(kept: Kept, ids: NDArray[np.int64]) -> Found:
    """All that the arrays say of (n,) ids, apart from the ids themselves; less what is zero already.

    Raises CannotErase where that cannot be told, or is so much that a file is better written anew.
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
    """The ids (n,) of rows of which all or a part was erased."""
    rows = kept.ids >= 0
    blank = np.zeros(kept.count, bool)
    for name, array in kept.by_row.items():
        if name != "ids":
            columns = array[: kept.count].reshape(kept.count, -1)
            # Few vectors begin with a zero: those alone are looked at in full.
            at = np.flatnonzero(rows & (columns[:, 0] == 0))
            blank[at[~columns[at].any(axis=1)]] = True
    return kept.ids[blank]


def _rows_of(held: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of those ids that are held."""
    if not len(held):
        return np.empty(0, np.int64)
    # Nearly always the ids ascend: then this looks at a few of them, and not at a million.
    at = np.minimum(np.searchsorted(held, ids), len(held) - 1)
    found: NDArray[np.int64] = at[held[at] == ids]
    return found if len(found) == len(ids) else np.flatnonzero(np.isin(held, ids))


def _entries_of(list_rows: NDArray[np.int64], rows: NDArray[np.int64]) -> list[int]:
    """Where (n,) rows are in the lists."""
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
