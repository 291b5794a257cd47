"""The index as a mirror of the store."""

from __future__ import annotations

import threading
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from enrollment_db.errors import OtherModel
from enrollment_db.index import VectorIndex
from enrollment_db.reader import Reader
from enrollment_db.records import Batch, Model


class Mirror:
    """Follows the change log of a store, whoever writes to it, and searches what is there now.

    The index starts empty and belongs to the mirror. `seq` is the place in the log that it has reached: a
    snapshot of the index on disk would have to carry it, with the database's id and the model, to be taken up
    from there. Should the log be pruned, a mirror that is further behind than its first entry must load anew.

    Threads may share a Mirror: its calls are taken in turn.
    """

    def __init__(self, store: Reader, index: VectorIndex) -> None:
        self._store = store
        self._index = index
        self._seq: int | None = None
        self._model: Model | None = None
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """How many templates could be found at the last `sync`."""
        return len(self._index)

    @property
    def seq(self) -> int | None:
        """The place in the change log up to which the index is true; None before the first `sync`."""
        return self._seq

    @property
    def model(self) -> Model | None:
        """The network of the vectors; None until the first of them is seen, then always the same."""
        return self._model

    def sync(self) -> int:
        """Bring the index up to what is committed now; returns how many templates were added and removed.

        Costs one short query when there is nothing to do. Raises OtherModel if the gallery was emptied and
        begun again with another network, or is of another dimension than the index: then open another mirror.
        """
        with self._lock:
            if self._seq is None:
                return self._load()
            if self._store.last_seq() == self._seq:
                return 0
            applied = 0
            for changes in self._store.changes(self._seq):
                self._add(changes.added)
                self._index.remove(changes.removed)
                self._seq = changes.seq
                applied += len(changes.added) + len(changes.removed)
            return applied

    def search(self, probes: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """`sync`, then the k nearest templates of each of (m, d) probes: cosines (m, k), template ids (m, k).

        A template that was removed before the call is never among them.
        """
        with self._lock:
            self.sync()
            return self._index.search(probes, k)

    def _load(self) -> int:
        loaded: list[NDArray[np.int64]] = []
        with closing(self._store.load_all()) as parts:
            try:
                for part in parts:
                    loaded.append(part.batch.template_ids)
                    self._add(part.batch)
            except BaseException:
                # Whatever was loaded may be gone from the store by the next attempt.
                for ids in loaded:
                    self._index.remove(ids)
                raise
        self._seq = part.seq
        return len(self._index)

    def _add(self, batch: Batch) -> None:
        if batch.model is None:
            return
        if (self._model or batch.model) != batch.model or batch.model.dim != self._index.dim:
            raise OtherModel(
                f"the gallery {self._store.path} now holds templates of {batch.model}",
                hint=f"start again with --model {batch.model.name}",
                path=self._store.path,
            )
        self._model = batch.model
        self._index.add(batch.template_ids, batch.vectors)
