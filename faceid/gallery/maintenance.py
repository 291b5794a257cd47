"""Maintenance of the index for an operator: status, verification, compaction and rebuild."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from faceid.errors import UsageError
from faceid.gallery.gallery import Gallery
from faceid.gallery.search import MirrorSearch
from faceid.results import IndexDifference, IndexResult, IndexStatus, IndexVerification, SnapshotInfo

if TYPE_CHECKING:
    from enrollment_db.search.mirror import Mirror
    from faceid.ports.search import IndexMaintenance


def index_status(gallery: Gallery) -> IndexStatus:
    """The state of the index and of its snapshot on the disk. Reads headers and counters only."""
    return _maintenance(gallery).status()


def rebuild_index(gallery: Gallery) -> IndexResult:
    """Delete the snapshots on the disk and rebuild the index from the database."""
    return _maintenance(gallery).rebuild()


def compact_index(gallery: Gallery) -> IndexResult:
    """Free the room of removed templates, and update the snapshot."""
    return _maintenance(gallery).compact()


def verify_index(gallery: Gallery) -> IndexVerification:
    """Compare the index, as the next search would open it, with the database, template by template."""
    return _maintenance(gallery).verify()


class MirrorMaintenance:
    """`IndexMaintenance` of the index that a `MirrorSearch` opens."""

    def __init__(self, search: MirrorSearch) -> None:
        self._search = search

    def status(self) -> IndexStatus:
        """See `IndexMaintenance.status`."""
        _, templates = self._search.templates.counts()
        place, model = self._search.changes.place()
        return IndexStatus(
            kind=self._search.index_kind,
            index=self._search.reason(),
            model=None if model is None else str(model),
            templates=templates,
            changes=place.seq,
            snapshot=self._snapshot(place.seq),
        )

    def leave(self, added: int) -> bool:
        """See `IndexMaintenance.leave`."""
        # Not at the top: what asks for no index needs none of its modules.
        from enrollment_db.search.mirror import SNAPSHOT_FROM

        mirror = self._mirror() if added >= SNAPSHOT_FROM else None
        if mirror is None:
            return False
        mirror.leave_snapshot()
        return True

    def rebuild(self) -> IndexResult:
        """See `IndexMaintenance.rebuild`."""
        return self._worked("rebuilt", lambda mirror: mirror.rebuild())

    def compact(self) -> IndexResult:
        """See `IndexMaintenance.compact`."""
        return self._worked("compacted", lambda mirror: mirror.compact())

    def verify(self) -> IndexVerification:
        """See `IndexMaintenance.verify`."""
        mirror = self._mirror()
        if mirror is None:
            return IndexVerification("equal", self._search.index_kind, "an empty gallery", 0, ())
        found = mirror.compare()
        differences = (
            *(IndexDifference(id_, "missing") for id_ in found.missing.tolist()),
            *(IndexDifference(id_, "extra") for id_ in found.extra.tolist()),
            *(IndexDifference(id_, "different") for id_ in found.different.tolist()),
            *(IndexDifference(id_, "unreachable") for id_ in found.unreachable.tolist()),
        )
        return IndexVerification(
            "equal" if found.equal else "differs",
            self._search.index_kind,
            mirror.reason,
            found.compared,
            differences,
        )

    def _worked(self, status: str, work: Callable[[Mirror], int]) -> IndexResult:
        started = time.perf_counter()
        mirror = self._mirror()
        if mirror is None:
            return IndexResult(status, self._search.index_kind, "an empty gallery", 0, None, 0.0)
        work(mirror)
        path = mirror.renew_snapshot()
        return IndexResult(
            status,
            self._search.index_kind,
            mirror.reason,
            len(mirror),
            None if path is None else str(path),
            round(time.perf_counter() - started, 3),
        )

    def _mirror(self) -> Mirror | None:
        model = self._search.templates.model()
        return None if model is None else self._search.mirror(model, leave_snapshot=False)

    def _snapshot(self, seq: int) -> SnapshotInfo | None:
        from enrollment_db.search.snapshot_directory import SnapshotDirectory

        file = self._search.changes.file
        found = None if file is None else SnapshotDirectory(file).header()
        if found is None:
            return None
        path, header = found
        stat = path.stat()
        written = datetime.fromtimestamp(stat.st_mtime, timezone.utc).isoformat(timespec="seconds")
        return SnapshotInfo(
            path=str(path),
            index=header.stamp.index,
            model=str(header.stamp.model),
            rows=header.count,
            # The space on the disk, reserved room included.
            bytes=stat.st_size if sys.platform == "win32" else stat.st_blocks * 512,
            written_at=written.replace("+00:00", "Z"),
            behind=seq - header.stamp.place.seq,
        )


def _maintenance(gallery: Gallery) -> IndexMaintenance:
    if gallery.maintenance is None:
        raise UsageError(f"the search of {gallery.location} has no index on this machine", code="no_index")
    return gallery.maintenance
