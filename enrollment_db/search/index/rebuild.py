"""Building a new selector while the old one stays in use."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from enrollment_db.search.index.rows import Rows
from enrollment_db.search.index.selector import Selector

SAMPLE = 131_072
"""The number of vectors that is enough to train a selector of any size."""

_ROWS_AT_ONCE = 65_536


def built(
    make: Callable[[int], Selector], rows: Rows, live: NDArray[np.int64], expected: int = 0
) -> Selector:
    """A selector that holds (n,) live rows, is trained on some of them and laid out for at least `expected`.

    Raises MemoryError or RuntimeError, as faiss does, if memory runs out.
    """
    selector = make(max(len(live), expected))
    if len(live):
        some = live if len(live) <= SAMPLE else np.random.default_rng(0).choice(live, SAMPLE, replace=False)
        selector.train(rows.vectors(some))
    else:
        selector.train(np.zeros((1, rows.dim), np.float32))
    for start in range(0, len(live), _ROWS_AT_ONCE):
        part = live[start : start + _ROWS_AT_ONCE]
        selector.add(part, rows.vectors(part))
    return selector


class Rebuild:
    """`built` in another thread.

    The index may change rows meanwhile and reports them with `missed`. A row that is read while it changes can be wrong
    in the selector, but it is among the `changed` rows, which the index adds again.
    """

    def __init__(self, make: Callable[[int], Selector], rows: Rows, expected: int) -> None:
        self.rows = rows.live_rows()
        """The rows (n,) that the selector holds when it is ready."""
        self._changed: list[NDArray[np.int64]] = []
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="faceid-index")
        self._future = executor.submit(built, make, rows, self.rows, expected)
        executor.shutdown(wait=False)

    @property
    def ready(self) -> bool:
        """Whether `result` returns without waiting."""
        return self._future.done()

    def missed(self, rows: NDArray[np.int64]) -> None:
        """Note (n,) rows whose content has changed."""
        self._changed.append(rows)

    def changed(self) -> NDArray[np.int64]:
        """All rows that were noted, (n,)."""
        return np.concatenate([np.empty(0, np.int64), *self._changed])

    def result(self) -> Selector:
        """The selector, when it is ready. Raises what `built` raises."""
        return self._future.result()
