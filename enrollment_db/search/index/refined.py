"""Search in two steps: a selector finds candidates, and vectors of 16 bits a value put them in order."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from enrollment_db.search.index.arguments import (
    checked_dim,
    checked_ids,
    checked_k,
    checked_vectors,
    last_of_each,
)
from enrollment_db.search.index.kept import Kept
from enrollment_db.search.index.rebuild import Rebuild, built
from enrollment_db.search.index.rows import NO_ID, Rows
from enrollment_db.search.index.selector import Selector

_log = logging.getLogger("enrollment_db")

# Dead rows are dropped above this number and this share. Below, they hardly slow a search.
_DEAD_ROWS = 4096
_DEAD_SHARE = 0.25

# A new selector is built at this many times the rows that the old one was made for.
_OUTGROWN = 4

# Bounds of the memory that searching takes.
_FETCHED_AT_ONCE = 2**20
_PROBES_AT_ONCE = 256


class RefinedIndex:
    """`Rows` of 16 bits a value, and a selector that chooses the rows to compare.

    Every result is correct: an id that is held, with a cosine as precise as `Rows`, in descending order, equal ones by
    id. A search may miss a near vector that was not among the candidates.

    A removed row is blank at once. The selector may still return its number: then more rows are fetched until enough
    live ones are found. When a quarter is dead, the selector removes the dead rows. A selector that cannot remove rows
    is rebuilt, and so is one that the index has outgrown. A rebuild runs in another thread, while the old selector
    stays in use.
    """

    def __init__(self, dim: int, make: Callable[[int], Selector], *, expected: int = 0) -> None:
        """`make` returns an empty selector for a number of rows; `expected` is the least number to prepare for."""
        self._dim = checked_dim(dim)
        self._make = make
        self._expected = expected
        self.clear()

    def clear(self) -> None:
        """Return to the state of a new index."""
        self._rows = Rows(self._dim, capacity=self._expected + self._expected // 4 + 1024)
        self._selector: Selector | None = None
        self._rebuild: Rebuild | None = None

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    @property
    def reason(self) -> str:
        """A description of this index."""
        how = "nothing yet" if self._selector is None else self._selector.name
        return f"compressed ({how}; the nearest compared in 16 bits): {self._rows.live:,} templates"

    @property
    def dead(self) -> int:
        """The number of removed or replaced rows that still take up room."""
        return self._rows.dead

    @property
    def precision(self) -> float:
        """The largest error of a stored value."""
        # Half a step, and the rounding of float32.
        return 0.51 * self._rows.step

    def __len__(self) -> int:
        return self._rows.live

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add (n,) ids with (n, d) unit vectors; of an id that is present, or given twice, the last vector counts.

        Raises ValueError for another shape, values that are not finite, or negative ids.
        """
        vectors = checked_vectors(vectors, self._dim)
        ids, vectors = last_of_each(checked_ids(ids, len(vectors)), vectors)
        if not len(ids):
            return
        self._exchange_if_ready()
        replaced = self._rows.kill(ids)
        rows = self._rows.append(ids, vectors)
        if self._selector is None:
            self._selector = self._made(vectors)
        self._selector.add(rows, vectors)
        self._changed(np.concatenate((replaced, rows)))

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Remove (n,) ids; returns the number that were present."""
        self._exchange_if_ready()
        removed = self._rows.kill(np.asarray(ids, np.int64))
        self._changed(removed)
        return len(removed)

    def search(self, probes: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k nearest candidates of each of (m, d) unit probes: cosines (m, k), descending, and ids (m, k).

        Equal cosines are ordered by id. With fewer than k vectors, the rest is -inf and -1; otherwise there are k
        results, even after removals.

        Raises ValueError for another shape, values that are not finite, or k below 1.
        """
        probes = checked_vectors(probes, self._dim)
        cosines = np.full((len(probes), checked_k(k)), -np.inf, np.float32)
        ids = np.full((len(probes), k), -1, np.int64)
        self._exchange_if_ready()
        held = min(k, self._rows.live)
        if held and self._selector is not None:
            wanted = self._selector.candidates(held)
            fetch = wanted * (self._rows.live + self._rows.dead) // self._rows.live
            block = min(_PROBES_AT_ONCE, 1 + _FETCHED_AT_ONCE // fetch)
            for start in range(0, len(probes), block):
                part = slice(start, start + block)
                first = self._fetched(self._selector, probes[part], fetch)
                for i, probe in enumerate(probes[part]):
                    out = cosines[start + i, :held], ids[start + i, :held]
                    self._nearest(self._selector, probe, None if first is None else first[i], *out)
        return cosines, ids

    def held(self) -> NDArray[np.int64]:
        """All ids, (n,), in no order."""
        return self._rows.ids[self._rows.live_rows()]

    def vectors(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The vectors (n, d) of (n,) ids as they are stored, to `precision`. Raises KeyError for an unknown id."""
        return self._rows.vectors(self._rows.rows_of(ids))

    def unreachable(self) -> NDArray[np.int64]:
        """Ids (n,) that are held and that no search can find."""
        rows = self._rows.live_rows()
        if self._selector is not None:
            rows = rows[~np.isin(rows, self._selector.known())]
        return self._rows.ids[rows]

    def compact(self) -> None:
        """Free the dead rows, and rebuild the selector if that is due, before this returns."""
        self._exchange_if_ready(wait=True)
        if self._selector is None:
            return
        if self._selector.remove(self._rows.dead_rows()) and not self._outgrown():
            self._rows.free(self._rows.dead_rows())
        else:
            self._start_rebuild()
            self._exchange_if_ready(wait=True)

    def dump(self) -> Kept | None:
        """The whole index, compacted, as arrays for `load`. They are views: write them before the next change.

        None if the index is empty or could not be compacted: the selector would contain data of dead rows.
        """
        self.compact()
        if self._selector is None or not self._rows.live or self._rows.dead:
            return None
        kept = self._rows.dump()
        parts = self._selector.dump() or {}
        return Kept(kept.count, kept.by_row, {**parts, "made_for": np.array([self._selector.made_for])})

    def load(self, kept: Kept) -> bool:
        """Load dumped arrays, which belong to the index from now on; the index must be unused.

        Returns False and changes nothing for a dump of another kind or dimension. A selector of another kind, or one
        that the index has outgrown, is rebuilt.
        """
        if "codes" not in kept.by_row or kept.by_row["codes"].shape[1:] != (self._dim,):
            return False
        rows = Rows.loaded(kept)
        made_for = int(kept.whole["made_for"][0]) if "made_for" in kept.whole else 0
        expected = max(rows.live, self._expected)
        selector = self._make(expected if expected > _OUTGROWN * made_for else made_for)
        if not selector.load(kept.whole):
            selector = built(self._make, rows, rows.live_rows(), self._expected)
        if rows.dead:
            dead = rows.dead_rows()
            rows.free(dead[~np.isin(dead, selector.known())])
        self._rows, self._selector = rows, selector
        return True

    def _made(self, sample: NDArray[np.float32]) -> Selector:
        selector = self._make(max(len(sample), self._expected))
        selector.train(sample)
        return selector

    def _changed(self, rows: NDArray[np.int64]) -> None:
        """Note that the content of (n,) rows has changed, and start or finish the work that is due."""
        if self._rebuild is not None:
            self._rebuild.missed(rows)
            return
        dead = self._rows.dead >= max(_DEAD_ROWS, _DEAD_SHARE * (self._rows.live + self._rows.dead))
        if dead and self._selector is not None and self._selector.remove(self._rows.dead_rows()):
            self._rows.free(self._rows.dead_rows())
            dead = False
        if dead or self._outgrown():
            self._start_rebuild()

    def _outgrown(self) -> bool:
        return self._selector is not None and self._rows.live > _OUTGROWN * self._selector.made_for

    def _start_rebuild(self) -> None:
        self._rebuild = Rebuild(self._make, self._rows, self._expected)

    def _exchange_if_ready(self, *, wait: bool = False) -> None:
        """Switch to the selector that another thread has built, if it is ready."""
        if self._rebuild is None or not (wait or self._rebuild.ready):
            return
        rebuild, self._rebuild = self._rebuild, None
        try:
            selector = rebuild.result()
            changed = np.unique(rebuild.changed())
            stale = changed[np.isin(changed, rebuild.rows)]
            forgotten = selector.remove(stale)
            fresh = changed[self._rows.ids[changed] != NO_ID]
            selector.add(fresh, self._rows.vectors(fresh))
        except (MemoryError, RuntimeError) as error:
            # The old one stays in use; the next change that makes a rebuild due tries again.
            _log.warning("the index could not be compacted: %s", error)
            return
        self._selector = selector
        dead = self._rows.dead_rows()
        self._rows.free(dead if forgotten else dead[~np.isin(dead, stale)])

    def _nearest(
        self,
        selector: Selector,
        probe: NDArray[np.float32],
        fetched: NDArray[np.int64] | None,
        cosines: NDArray[np.float32],
        ids: NDArray[np.int64],
    ) -> None:
        """Fill in `cosines` and `ids` (k,) from the `fetched` rows; fetch more if these are not enough."""
        k = len(cosines)
        wanted = selector.candidates(k)
        while fetched is not None:
            live = fetched[(fetched >= 0) & (self._rows.ids[fetched] != NO_ID)]
            # Half of the wanted number is enough: dead rows are not spread evenly, and fetching twice costs double.
            if len(live) >= max(k, wanted // 2):
                cosines[:], ids[:], farther = self._rows.nearest(probe, live, k)
                # If no row is farther than the last, there may be more that are as near, with lower ids.
                if farther:
                    return
            more = self._fetched(selector, probe[None], 4 * len(fetched))
            fetched = None if more is None else more[0]
        cosines[:], ids[:], _ = self._rows.nearest(probe, self._rows.live_rows(), k)

    def _fetched(
        self, selector: Selector, probes: NDArray[np.float32], count: int
    ) -> NDArray[np.int64] | None:
        """The rows (m, count) that the selector finds nearest, dead ones too; None if all rows should be compared."""
        if 2 * count >= self._rows.live + self._rows.dead:
            return None
        return selector.fetch(probes, count)
