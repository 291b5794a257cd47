"""The row of each id, in 16 bytes an id."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NOWHERE = -1

# The dict holds up to so many ids, plus a quarter of the others, before they are sorted into the arrays.
_LOOSE = 4096


class Places:
    """A map from ids to row numbers, both int64.

    A dict of a million ids takes 100 MB and is filled in 0.3 s. Most ids arrive in ascending order and never move: they
    stay in two arrays, and a dict holds the latest.
    """

    def __init__(self) -> None:
        self._ids = np.empty(0, np.int64)
        self._rows = np.empty(0, np.int64)
        self._loose: dict[int, int] = {}
        self._count = 0

    @classmethod
    def of(cls, ids: NDArray[np.int64], rows: NDArray[np.int64]) -> Places:
        """The map of (n,) ids to (n,) rows. Raises ValueError for negative ids, or one that occurs twice."""
        if (ids < 0).any() or (not (ids[1:] > ids[:-1]).all() and len(np.unique(ids)) < len(ids)):
            raise ValueError("ids are not negative, and none is held twice")
        places = cls()
        places.put(ids, rows)
        return places

    def __len__(self) -> int:
        """The number of ids that have a row."""
        return self._count

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows (n,) of (n,) ids, NOWHERE for an id without a row."""
        at = self._found(ids)
        rows = np.where(at == NOWHERE, NOWHERE, self._rows[at]) if len(self._rows) else at
        if self._loose:
            for i in np.flatnonzero(rows == NOWHERE).tolist():
                rows[i] = self._loose.get(int(ids[i]), NOWHERE)
        return rows

    def held(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows (n,) of (n,) ids. Raises KeyError for an id without a row."""
        rows = self.rows(ids)
        if (rows == NOWHERE).any():
            raise KeyError(int(ids[int(np.argmin(rows))]))
        return rows

    def put(self, ids: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Set the rows of (n,) ids, each of which occurs once."""
        self._count += int((self.rows(ids) == NOWHERE).sum())
        at = self._found(ids)
        known = at != NOWHERE
        self._rows[at[known]] = rows[known]
        fresh_ids, fresh_rows = ids[~known], rows[~known]
        if len(fresh_ids) + len(self._loose) > _LOOSE + len(self._ids) // 4:
            self._fold(fresh_ids, fresh_rows)
        else:
            self._loose.update(zip(fresh_ids.tolist(), fresh_rows.tolist(), strict=True))

    def drop(self, ids: NDArray[np.int64]) -> None:
        """Remove (n,) ids, each of which has a row and occurs once."""
        at = self._found(ids)
        known = at != NOWHERE
        self._count -= len(ids)
        # An id whose row is NOWHERE is still found here, and may get a row again.
        self._rows[at[known]] = NOWHERE
        for id_ in ids[~known].tolist():
            del self._loose[id_]

    def _found(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The places of (n,) ids in the arrays, NOWHERE for others."""
        if not len(self._ids):
            return np.full(len(ids), NOWHERE, np.int64)
        at = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return np.where(self._ids[at] == ids, at, NOWHERE)

    def _fold(self, fresh_ids: NDArray[np.int64], fresh_rows: NDArray[np.int64]) -> None:
        """Sort the dict, and these newer (n,) ids with their rows, into the arrays."""
        for id_ in fresh_ids.tolist() if self._loose else ():
            self._loose.pop(id_, None)
        held = self._rows != NOWHERE
        loose_ids = np.fromiter(self._loose.keys(), np.int64, len(self._loose))
        loose_rows = np.fromiter(self._loose.values(), np.int64, len(self._loose))
        ids = np.concatenate((self._ids[held], loose_ids, fresh_ids))
        rows = np.concatenate((self._rows[held], loose_rows, fresh_rows))
        if not (ids[1:] > ids[:-1]).all():
            order = np.argsort(ids, kind="stable")
            ids, rows = ids[order], rows[order]
        self._ids, self._rows, self._loose = ids, rows, {}
