"""The index as a mirror of the database."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enrollment_db.errors import DatabaseError, OtherModel
from enrollment_db.ports import ChangeFeed
from enrollment_db.records import Batch, ModelKey, Place
from enrollment_db.search.comparison import Comparison, compare
from enrollment_db.search.index import VectorIndex
from enrollment_db.search.snapshot import Stamp
from enrollment_db.search.snapshot_directory import SnapshotDirectory

_log = logging.getLogger("enrollment_db")

SNAPSHOT_FROM = 20_000
"""How much must have been read on opening for a snapshot to be left behind.

With 128 values, 20,000 templates are read in 0.1 s, written in 0.04 s and mapped in 0.01 s; a million in 4.4 s,
2.2 s and 0.3 s. Below, there is nothing to gain, and no second copy of the vectors is made.
"""


class Mirror:
    """Follows the change log of a gallery, whichever process writes to it, and searches what is there now.

    The index starts empty and belongs to the mirror. It is filled from the newest snapshot on disk and the log
    after it, or from the database where there is no snapshot to be used. Should the log be pruned, a mirror that is
    further behind than its first entry must load anew.

    A mirror that had to read much on opening leaves a snapshot behind, where it may write; later it writes one only
    when it is asked. When it passes a removal it erases the template from the snapshots that still hold it.

    Threads may share a Mirror: its calls are taken in turn.
    """

    def __init__(
        self,
        feed: ChangeFeed,
        index: VectorIndex,
        *,
        snapshot_from: int = SNAPSHOT_FROM,
        leave_snapshots: bool = True,
    ) -> None:
        """`snapshot_from` is how many changes, or templates, must be read on opening to leave a snapshot, if at all."""
        self._feed = feed
        self._index = index
        self._snapshot_from = snapshot_from
        self._leave_snapshots = leave_snapshots
        self._snapshots = None if feed.file is None else SnapshotDirectory(feed.file)
        self._place: Place | None = None
        self._model: ModelKey | None = None
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """How many templates could be found at the last `sync`."""
        return len(self._index)

    @property
    def seq(self) -> int | None:
        """How far in the change log the index is true; None before the first `sync`."""
        return None if self._place is None else self._place.seq

    @property
    def reason(self) -> str:
        """What the index is, and why, in words."""
        return self._index.reason

    @property
    def model(self) -> ModelKey | None:
        """The network of the vectors; None until the first of them is seen, then always the same."""
        return self._model

    def sync(self) -> int:
        """Bring the index up to what is committed now; returns how many templates were added and removed.

        Costs one short query when there is nothing to do. If the log has not been where the index is, a backup has been
        restored, and all is loaded anew. Raises OtherModel if the gallery has gone over to another network, or is
        of another dimension than the index: then open another mirror.
        """
        with self._lock:
            if self._place is None:
                return self._open()
            place, model = self._feed.place()
            self._check_model(model)
            if place == self._place:
                return 0
            if place.seq <= self._place.seq or not self._feed.has(self._place):
                _log.warning(
                    "the gallery %s was restored from a backup; loading it anew", self._feed.location
                )
                self._empty()
                return self._open()
            return self._replay(self._place)

    def search(self, probes: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """`sync`, then the k nearest templates of each of (m, d) probes: cosines (m, k), template ids (m, k).

        A template that was removed before the call is never among them.
        """
        with self._lock:
            self.sync()
            return self._index.search(probes, k)

    def snapshot(self) -> Path | None:
        """`sync`, then write the index to disk, so that the next opening need not read the database.

        None if there is nothing to write, an empty gallery, or another process took the file away: because somebody was
        removed, or with a newer one. Raises ReadOnly, DiskFull or Unusable.
        """
        with self._lock:
            self.sync()
            kept, model, place = self._index.dump(), self._model, self._place
            if self._snapshots is None or kept is None or model is None or place is None:
                return None
            stamp = Stamp(self._feed.database_id, model, place, self._index.reason)
            path = self._snapshots.write(stamp, kept)
            # A removal that was committed before the file was there has not erased from it.
            self.sync()
            return path if path is not None and path.exists() else None

    def leave_snapshot(self) -> Path | None:
        """`snapshot`, where the gallery is large enough to gain by it; None where it is not."""
        with self._lock:
            self.sync()
            return self.snapshot() if len(self._index) >= self._snapshot_from else None

    def rebuild(self) -> int:
        """Load everything anew from the database, whatever snapshots say; returns how many templates there are."""
        with self._lock:
            if self._snapshots is not None:
                self._snapshots.discard()
            self._empty()
            return self._load()

    def compact(self) -> int:
        """`sync`, then give back the room of removed templates; returns how many these were."""
        with self._lock:
            self.sync()
            dead = self._index.dead
            self._index.compact()
            return dead - self._index.dead

    def compare(self) -> Comparison:
        """`sync`, then compare the index with the database, template by template."""
        with self._lock:
            return compare(self._feed, self._index, self.sync)

    def _open(self) -> int:
        """Fill the index, which is empty; leave a snapshot behind if that was much work."""
        model = self._feed.model()
        place = None if model is None else self._load_snapshot(model)
        mapped = len(self._index)
        if place is None:
            if self._snapshots is not None:
                # A process may have been killed between a removal and its erasure from what lies there.
                self._snapshots.discard_outlived(self._feed)
            read = self._load()
        else:
            read = self._replay(place)
        if self._leave_snapshots and read >= self._snapshot_from:
            try:
                self.leave_snapshot()
            except DatabaseError as error:
                _log.debug("%s", error)
        return mapped + read

    def _load_snapshot(self, model: ModelKey) -> Place | None:
        """The place in the log at which the index is now; None if there is no snapshot to be used."""
        if model.dim != self._index.dim or (self._model or model) != model:
            return None
        found = None if self._snapshots is None else self._snapshots.newest(self._feed, model)
        if found is None:
            return None
        stamp, kept = found
        try:
            if not self._index.load(kept):
                return None
        except ValueError as error:
            _log.warning("ignored a snapshot of the gallery %s: %s", self._feed.location, error)
            return None
        self._model, self._place = stamp.model, stamp.place
        return stamp.place

    def _load(self) -> int:
        """Read all of the database; returns how many templates there are."""
        with closing(self._feed.load_all()) as parts:
            try:
                for part in parts:
                    self._add(part.batch)
            except BaseException:
                # What was loaded may be gone from the database by the next attempt.
                self._empty()
                raise
        self._place = part.place
        return len(self._index)

    def _replay(self, after: Place) -> int:
        """Apply the log after a place in it; returns how many templates were added and removed."""
        applied = 0
        for changes in self._feed.since(after.seq, self._model):
            self._add(changes.added)
            self._index.remove(changes.removed)
            if self._snapshots is not None:
                self._snapshots.erase(changes.removed, before_seq=changes.place.seq)
            self._place = changes.place
            applied += len(changes.added) + len(changes.removed)
        return applied

    def _empty(self) -> None:
        """Forget all vectors."""
        self._place = None
        self._index.clear()

    def _add(self, batch: Batch) -> None:
        if batch.model is None:
            return
        self._check_model(batch.model)
        self._model = batch.model
        self._index.add(batch.template_ids, batch.vectors)

    def _check_model(self, model: ModelKey | None) -> None:
        if model is not None and ((self._model or model) != model or model.dim != self._index.dim):
            raise OtherModel(
                f"the gallery {self._feed.location} now holds templates of {model}",
                remedy="start_with_model",
                model=model.name,
                path=self._feed.location,
            )
