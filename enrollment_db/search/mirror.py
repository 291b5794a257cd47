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
"""The number of templates or changes from which reading them on opening costs more than leaving a snapshot.

With 128 values, 20,000 templates are read in 0.1 s, written in 0.04 s and mapped in 0.01 s; a million in 4.4 s, 2.2 s
and 0.3 s. Below, a snapshot saves no time, and a second copy of the vectors is avoided.
"""


class Mirror:
    """Follows the change log of a gallery, to which any process may write, and searches its present content.

    The index starts empty and belongs to the mirror. It is filled from the newest snapshot on disk and the log after
    it, or from the database if no snapshot can be used. If the log is pruned one day, a mirror that is behind its first
    entry must load everything again.

    A mirror that reads many templates on opening leaves a snapshot, if it may write. Later it writes one only on
    request: `leave_snapshot` after many changes. When it finds a removal in the log, it erases the template from the
    snapshots that still hold it.

    Threads may share a Mirror: its calls run one after the other.
    """

    def __init__(
        self,
        feed: ChangeFeed,
        index: VectorIndex,
        *,
        model: ModelKey | None = None,
        snapshot_from: int = SNAPSHOT_FROM,
        leave_snapshots: bool = True,
    ) -> None:
        """`model` is the network of the vectors; None takes that of the first vector that is read.

        `snapshot_from` is the number of changes or templates read on opening that leaves a snapshot; None: never.
        """
        self._feed = feed
        self._index = index
        self._snapshot_from = snapshot_from
        self._leave_snapshots = leave_snapshots
        self._snapshots = None if feed.file is None else SnapshotDirectory(feed.file)
        self._place: Place | None = None
        self._saved: int | None = None
        self._model = model
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """The number of templates that a search could find at the last `sync`."""
        return len(self._index)

    @property
    def seq(self) -> int | None:
        """The last entry of the change log that the index contains; None before the first `sync`."""
        return None if self._place is None else self._place.seq

    @property
    def reason(self) -> str:
        """A description of the index, with the reason for it."""
        return self._index.reason

    @property
    def model(self) -> ModelKey | None:
        """The network of the vectors; without a requested one, None until the first vector is read."""
        return self._model

    def sync(self) -> int:
        """Bring the index to the committed state; returns how many templates were added and removed.

        Takes one short query if nothing changed. If the log does not contain the index's last entry, a backup was
        restored, and everything is loaded again. Raises OtherModel if the gallery has moved to another network, or has
        another dimension than the index: then open another mirror.
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
        """`sync`, then write the index to disk, so that the next opening does not read the database.

        Returns None for an empty gallery, or if another process removed the file: because of a removed template, or for
        a newer file. Raises ReadOnly, DiskFull or Unusable.
        """
        with self._lock:
            self.sync()
            kept, model, place = self._index.dump(), self._model, self._place
            if self._snapshots is None or kept is None or model is None or place is None:
                return None
            stamp = Stamp(self._feed.database_id, model, place, self._index.reason)
            path = self._snapshots.write(stamp, kept)
            # A removal that was committed before the file existed has not erased from it.
            self.sync()
            if path is None or not path.exists():
                return None
            self._saved = place.seq
            return path

    def renew_snapshot(self) -> Path | None:
        """`snapshot`, if the gallery is large enough to gain by it, else None."""
        with self._lock:
            self.sync()
            return self.snapshot() if len(self._index) >= self._snapshot_from else None

    def leave_snapshot(self) -> None:
        """`sync`, and write a snapshot if the next opening would read many templates or changes without it.

        For the end of work that added many. If none can be written, the next opening takes longer: no error.
        """
        with self._lock:
            self.sync()
            self._leave_snapshot()

    def rebuild(self) -> int:
        """Load everything again from the database, without snapshots; returns the number of templates."""
        with self._lock:
            if self._snapshots is not None:
                self._snapshots.discard()
            self._empty()
            return self._load()

    def compact(self) -> int:
        """`sync`, then free the room of removed templates; returns their number."""
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
        """Fill the empty index; leave a snapshot if many templates were read."""
        model = self._feed.model()
        place = None if model is None else self._load_snapshot(model)
        mapped = len(self._index)
        if place is None:
            if self._snapshots is not None:
                # A process may have been killed between a removal and the erasure from the snapshots.
                self._snapshots.discard_outlived(self._feed)
            read = self._load()
        else:
            read = self._replay(place)
        if self._leave_snapshots:
            self._leave_snapshot()
        return mapped + read

    def _leave_snapshot(self) -> None:
        """Write a snapshot if there is much that none on the disk contains."""
        if self._place is None or len(self._index) < self._snapshot_from:
            return
        if self._saved is None or self._place.seq - self._saved >= self._snapshot_from:
            try:
                self.snapshot()
            except DatabaseError as error:
                _log.debug("%s", error)

    def _load_snapshot(self, model: ModelKey) -> Place | None:
        """The place in the log that the loaded index has; None if no snapshot can be used."""
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
        self._model, self._place, self._saved = stamp.model, stamp.place, stamp.place.seq
        return stamp.place

    def _load(self) -> int:
        """Read all of the database; returns the number of templates."""
        with closing(self._feed.load_all()) as parts:
            try:
                for part in parts:
                    self._add(part.batch)
            except BaseException:
                # A loaded template may be removed from the database before the next attempt.
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
        self._place = self._saved = None
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
