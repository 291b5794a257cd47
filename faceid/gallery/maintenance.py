"""What an operator asks of the index: what it is, that it is right, and to make it anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from faceid.gallery.gallery import Gallery
from faceid.results import IndexDifference, IndexResult, IndexStatus, IndexVerification, SnapshotInfo

if TYPE_CHECKING:
    from enrollment_db.search.mirror import Mirror


def index_status(gallery: Gallery) -> IndexStatus:
    """What is in force and what lies on the disk. Reads headers and counters only."""
    from enrollment_db.search.snapshot_directory import SnapshotDirectory

    _, templates = gallery.store.counts()
    place, model = gallery.store.place()
    found = SnapshotDirectory(gallery.store.path).header()
    snapshot = None
    if found is not None:
        path, header = found
        stat = path.stat()
        written = datetime.fromtimestamp(stat.st_mtime, timezone.utc).isoformat(timespec="seconds")
        snapshot = SnapshotInfo(
            path=str(path),
            index=header.stamp.index,
            model=str(header.stamp.model),
            rows=header.count,
            # What it takes on the disk, the reserved room too.
            bytes=stat.st_blocks * 512,
            written_at=written.replace("+00:00", "Z"),
            behind=place.seq - header.stamp.place.seq,
        )
    return IndexStatus(
        kind=gallery.index_kind,
        index=gallery.index_reason(),
        model=None if model is None else str(model),
        templates=templates,
        changes=place.seq,
        snapshot=snapshot,
    )


def rebuild_index(gallery: Gallery) -> IndexResult:
    """Throw away what is on the disk and make the index from the database."""
    return _worked("rebuilt", gallery, lambda mirror: mirror.rebuild())


def compact_index(gallery: Gallery) -> IndexResult:
    """Give back the room of removed templates, and bring the snapshot up to date."""
    return _worked("compacted", gallery, lambda mirror: mirror.compact())


def verify_index(gallery: Gallery) -> IndexVerification:
    """Compare the index, as the next search would open it, with the database, template by template.

    Writes nothing.
    """
    mirror = gallery.mirror(leave_snapshot=False)
    if mirror is None:
        return IndexVerification("equal", gallery.index_kind, "an empty gallery", 0, ())
    found = mirror.compare()
    differences = (
        *(IndexDifference(id_, "missing") for id_ in found.missing.tolist()),
        *(IndexDifference(id_, "extra") for id_ in found.extra.tolist()),
        *(IndexDifference(id_, "different") for id_ in found.different.tolist()),
        *(IndexDifference(id_, "unreachable") for id_ in found.unreachable.tolist()),
    )
    return IndexVerification(
        "equal" if found.equal else "differs",
        gallery.index_kind,
        mirror.reason,
        found.compared,
        differences,
    )


def _worked(status: str, gallery: Gallery, work: Callable[[Mirror], int]) -> IndexResult:
    started = time.perf_counter()
    mirror = gallery.mirror(leave_snapshot=False, synchronised=False)
    if mirror is None:
        return IndexResult(status, gallery.index_kind, "an empty gallery", 0, None, 0.0)
    work(mirror)
    path = mirror.leave_snapshot()
    return IndexResult(
        status,
        gallery.index_kind,
        mirror.reason,
        len(mirror),
        None if path is None else str(path),
        round(time.perf_counter() - started, 3),
    )
