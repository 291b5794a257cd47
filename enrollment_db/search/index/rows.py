"""Vectors in half the bytes of float32, in rows that keep their numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enrollment_db.search.index.arguments import rounding
from enrollment_db.search.index.kept import Kept
from enrollment_db.search.index.places import NOWHERE, Places

_LARGEST = 32_767
_TINY = np.float32(1e-30)

NO_ID = -1
"""The id of an empty row."""

# Bounds of the memory that comparing takes: 16384 x 128 float64 are 16 MB.
_ROWS_AT_ONCE = 16_384


class Rows:
    """Ids and 16-bit vectors by row number.

    A vector is stored as int16 multiples of its own largest value / 32767. That takes the bytes of float16 and is ten
    times as precise: on embeddings of 128 and 192 floats the error of a cosine is 2.5e-6 (standard deviation; the
    largest observed was 2e-5), with float16 it is 3e-5.

    A row whose vector is removed is blank at once and *dead*: a selector may still hold its number. `free` lets it be
    used again.
    """

    def __init__(self, dim: int, *, capacity: int = 1024) -> None:
        """`capacity` is the initial number of rows; the arrays double when they are full."""
        self._size = 0
        self._codes = np.empty((max(capacity, 1), dim), np.int16)
        self._steps = np.empty(len(self._codes), np.float32)
        self._ids = np.empty(len(self._codes), np.int64)
        self._places = Places()
        self._dead: set[int] = set()
        self._free: list[int] = []

    def __len__(self) -> int:
        """The number of rows, empty ones included."""
        return self._size

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._codes.shape[1])

    @property
    def live(self) -> int:
        """The number of rows that hold a vector."""
        return len(self._places)

    @property
    def dead(self) -> int:
        """The number of empty rows that cannot be used yet."""
        return len(self._dead)

    @property
    def ids(self) -> NDArray[np.int64]:
        """The id of each row, (rows,) int64; NO_ID for an empty row. A view: valid until the next change."""
        return self._ids[: self._size]

    @property
    def step(self) -> float:
        """The largest distance between neighbouring values that a row can store."""
        return float(self._steps[: self._size].max(initial=0))

    def live_rows(self) -> NDArray[np.int64]:
        """The rows (n,) that hold a vector, ascending."""
        return np.flatnonzero(self.ids != NO_ID)

    def dead_rows(self) -> NDArray[np.int64]:
        """The dead rows (n,), ascending."""
        return np.array(sorted(self._dead), np.int64)

    def rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows (n,) of (n,) ids. Raises KeyError for an unknown id."""
        return self._places.held(ids)

    def append(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> NDArray[np.int64]:
        """Store (n,) new ids, each of which occurs once, with (n, d) finite vectors; returns their rows (n,)."""
        reused = [self._free.pop() for _ in range(min(len(self._free), len(ids)))]
        end = self._size + len(ids) - len(reused)
        self._reserve(end)
        rows = np.concatenate((np.array(reused, np.int64), np.arange(self._size, end)))
        self._size = end
        for start in range(0, len(ids), _ROWS_AT_ONCE):
            part, some = vectors[start : start + _ROWS_AT_ONCE], rows[start : start + _ROWS_AT_ONCE]
            # Zeros have a step too, so that nothing is divided by 0.
            steps = np.maximum(np.abs(part).max(axis=1), _TINY) / _LARGEST
            self._steps[some] = steps
            self._codes[some] = np.rint(part / steps[:, None])
        self._ids[rows] = ids
        self._places.put(ids, rows)
        return rows

    def kill(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Blank the rows of (n,) ids, ignoring unknown ones and repetitions; returns the rows that are dead now."""
        ids = np.unique(ids)
        rows = self._places.rows(ids)
        held = rows != NOWHERE
        died: NDArray[np.int64] = rows[held]
        self._places.drop(ids[held])
        self._ids[died] = NO_ID
        self._codes[died] = 0
        self._steps[died] = 0
        self._dead.update(died.tolist())
        return died

    def free(self, rows: NDArray[np.int64]) -> None:
        """Let (n,) dead rows be used again."""
        self._dead.difference_update(rows.tolist())
        self._free += rows.tolist()

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors of (n,) rows as they are stored, (n, d) float32."""
        return self._codes[rows] * self._steps[rows, None]

    def nearest(
        self, probe: NDArray[np.float32], rows: NDArray[np.int64], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], bool]:
        """The k nearest of (n,) live rows to a (d,) unit probe, 1 <= k <= n: cosines and ids, (k,).

        Cosines descend, equal ones are ordered by id. The last value is true if any of the rows is farther than those,
        within the precision of float32. If not, there may be more that are as near beyond `rows`.

        The cosines are summed row by row in float64, so that equal rows have equal ones in any position; a matrix
        product, which rounds by position, only selects.
        """
        scores = np.concatenate(
            [(self._codes[part].astype(np.float32) @ probe) * self._steps[part] for part in _parts(rows)]
        )
        slack = rounding(len(probe))
        floor = np.partition(scores, len(scores) - k)[len(scores) - k] - slack
        near = rows[scores >= floor]
        exact = probe.astype(np.float64)
        sums = np.concatenate(
            [(self._codes[part] * exact).sum(axis=1) * self._steps[part] for part in _parts(near)]
        )
        cosines, ids = np.clip(sums, -1, 1).astype(np.float32), self._ids[near]
        order = np.lexsort((ids, -cosines))[:k]
        return cosines[order], ids[order], bool(scores.min() < floor)

    def dump(self) -> Kept:
        """The rows as they are now. They are views: write them before the next change."""
        return Kept(
            self._size,
            {"ids": self.ids, "codes": self._codes[: self._size], "steps": self._steps[: self._size]},
            {},
        )

    @classmethod
    def loaded(cls, kept: Kept) -> Rows:
        """Rows over dumped arrays, which belong to them from now on; no vector is copied.

        Empty rows are dead until they are freed. Raises ValueError for invalid arrays.
        """
        ids, codes, steps = (kept.by_row[name] for name in ("ids", "codes", "steps"))
        room = len(ids)
        if codes.ndim != 2 or not len(codes) == len(steps) == room >= kept.count:
            raise ValueError(f"ids {ids.shape}, codes {codes.shape} and steps {steps.shape} are no rows")
        rows = cls(codes.shape[1], capacity=1)
        rows._ids, rows._codes, rows._steps, rows._size = ids, codes, steps, kept.count
        live = rows.live_rows()
        rows._places = Places.of(ids[live], live)
        rows._dead = set(np.flatnonzero(rows.ids == NO_ID).tolist())
        return rows

    def _reserve(self, size: int) -> None:
        if size <= len(self._codes):
            return
        capacity = max(size, 2 * len(self._codes))
        codes = np.empty((capacity, self._codes.shape[1]), np.int16)
        steps = np.empty(capacity, np.float32)
        ids = np.empty(capacity, np.int64)
        codes[: self._size] = self._codes[: self._size]
        steps[: self._size] = self._steps[: self._size]
        ids[: self._size] = self._ids[: self._size]
        self._codes, self._steps, self._ids = codes, steps, ids


def _parts(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return np.split(rows, range(_ROWS_AT_ONCE, len(rows), _ROWS_AT_ONCE))
