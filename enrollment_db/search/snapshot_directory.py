"""The snapshots of a gallery: a directory beside the database, whose newest file is the valid one."""

from __future__ import annotations

import errno
import logging
import re
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from enrollment_db.errors import DiskFull, GalleryError, ReadOnly, Unusable
from enrollment_db.files import open_atomically
from enrollment_db.records import ModelKey
from enrollment_db.search.index.kept import Kept, blanked
from enrollment_db.search.snapshot import (
    BadSnapshot,
    Header,
    NewerFormat,
    Outlived,
    Stamp,
    erase_from,
    map_kept,
    read_header,
    write,
)

if TYPE_CHECKING:
    from enrollment_db.ports import ChangeFeed

_log = logging.getLogger("enrollment_db")

# The place in the change log comes first. A file that is being written has a unique name.
_NAME = re.compile(r"(\d{20})(?:\.snapshot|\.[0-9a-f]{32}\.tmp)")
# Each round removes the files that it lists; another is needed if a file was renamed meanwhile.
_ROUNDS = 3


class SnapshotDirectory:
    """`gallery.db-index/`. Any process may remove it at any time: mapped files stay usable.

    A process that removes templates, or finds a removal in the change log, erases them from all snapshots, which still
    hold the vectors.
    """

    def __init__(self, file: str) -> None:
        """`file` is the database file; it is never changed."""
        # Resolved as SQLite resolves its own files: one gallery has one directory, under any of its names.
        database = Path(file).resolve()
        self.path = database.with_name(f"{database.name}-index")

    def newest(self, feed: ChangeFeed, model: ModelKey) -> tuple[Stamp, Kept] | None:
        """The newest snapshot that belongs to the history of `store`; None if there is none.

        A file is removed with a warning if it is damaged, of another gallery, or of a history that a restored backup
        undid. A file of another model or an older format is removed without a warning. A file of a newer format is kept
        with a warning.
        """
        for path in sorted(self._files(), reverse=True):
            if path.suffix == ".tmp":
                continue
            try:
                # Checked first: opening a pipe would wait for a writer.
                if not stat.S_ISREG(path.stat().st_mode):
                    raise BadSnapshot("it is no file")
                with path.open("rb") as file:
                    header = read_header(file)
                    _check(header.stamp, feed, model)
                    kept = map_kept(file, header)
                    _check_erased(kept, feed)
                    return header.stamp, kept
            except FileNotFoundError:
                continue
            except (BadSnapshot, OSError) as error:
                level = logging.DEBUG if isinstance(error, Outlived) else logging.WARNING
                _log.log(level, "ignored the snapshot %s: %s", path, error)
                if isinstance(error, BadSnapshot) and not isinstance(error, NewerFormat):
                    _unlink(path)
        return None

    def header(self) -> tuple[Path, Header] | None:
        """The header of the newest snapshot, without further checks; None if none can be read."""
        for path in sorted(self._files(), reverse=True):
            if path.suffix != ".tmp":
                with suppress(BadSnapshot, OSError), path.open("rb") as file:
                    return path, read_header(file)
        return None

    def write(self, stamp: Stamp, kept: Kept) -> Path | None:
        """Write the dump of an index to a new file, and remove the older files.

        The file appears complete or not at all, and only its owner can read it. Returns None if a removal, or another
        process with as new a snapshot, deleted the file during the write. Raises ReadOnly, DiskFull or Unusable.
        """
        path = self.path / f"{stamp.place.seq:020d}.snapshot"
        unfinished = self.path / f"{stamp.place.seq:020d}.{uuid.uuid4().hex}.tmp"
        with self._translated():
            self.path.mkdir(mode=0o700, exist_ok=True)
            try:
                with open_atomically(path, temporary=unfinished) as file:
                    write(file, stamp, kept)
            except FileNotFoundError:
                return None
        for old in self._files():
            seq = _seq(old)
            if seq < stamp.place.seq or (seq == stamp.place.seq and old.suffix == ".tmp"):
                _unlink(old)
        return path

    def erase(self, ids: NDArray[np.int64], *, before_seq: int) -> None:
        """Overwrite the data of (n,) templates in snapshots from before a place in the change log, if permitted.

        A file from which the data cannot be erased is removed, and so is a file that is being written.
        """
        if not len(ids):
            return
        done: set[Path] = set()
        for _ in range(_ROUNDS):
            found = [path for path in self._files() if _seq(path) < before_seq and path not in done]
            for path in found:
                if path.suffix == ".tmp" or not _erased(path, ids):
                    _unlink(path)
                else:
                    done.add(path)
            if not found:
                return

    def discard(self) -> None:
        """Remove all snapshots, if permitted, and any that is being written."""
        for _ in range(_ROUNDS):
            found = self._files()
            for path in found:
                _unlink(path)
            if not found:
                return

    def discard_outlived(self, feed: ChangeFeed) -> None:
        """Remove the snapshots from before the last removal in the change log of `store`."""
        if files := self._files():
            removal = feed.last_removal(after_seq=min(map(_seq, files)))
            if removal is not None:
                for path in files:
                    if _seq(path) < removal:
                        _unlink(path)

    def _files(self) -> list[Path]:
        try:
            return [path for path in self.path.iterdir() if _NAME.fullmatch(path.name)]
        except OSError:
            return []

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind: type[GalleryError] = Unusable
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                kind = ReadOnly
            elif error.errno in (errno.ENOSPC, errno.EDQUOT):
                kind = DiskFull
            raise kind(
                f"no snapshot could be written to {self.path}: {error.strerror}",
                remedy="no_snapshot",
                path=str(self.path),
            ) from error


def _check(stamp: Stamp, feed: ChangeFeed, model: ModelKey) -> None:
    """Raise BadSnapshot unless the snapshot is of a past or present state of the store."""
    if stamp.database_id != feed.database_id:
        raise BadSnapshot("it is of another gallery")
    if stamp.model != model:
        raise Outlived(f"it is of {stamp.model}, the gallery of {model}")
    if not feed.has(stamp.place):
        raise BadSnapshot("it is of a history that the gallery has not: was a backup restored?")


def _check_erased(kept: Kept, feed: ChangeFeed) -> None:
    """Raise BadSnapshot if erased templates are in the store again, from a restored backup."""
    ids = blanked(kept)
    if len(ids) and feed.holds_any(ids):
        raise BadSnapshot("templates that the gallery holds were erased from it: restored?")


def _erased(path: Path, ids: NDArray[np.int64]) -> bool:
    """Whether templates are erased from a file."""
    try:
        with path.open("r+b") as file:
            erase_from(file, read_header(file), ids)
    except (BadSnapshot, OSError) as error:
        _log.debug("could not erase from the snapshot %s: %s", path, error)
        return False
    return True


def _seq(path: Path) -> int:
    return int(path.name[:20])


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
