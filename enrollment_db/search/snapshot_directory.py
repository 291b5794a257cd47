"""The snapshots of a gallery: a directory beside the database, of which the newest file counts."""

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

# The place in the change log comes first. A file that is being written has a name that nobody else has.
_NAME = re.compile(r"(\d{20})(?:\.snapshot|\.[0-9a-f]{32}\.tmp)")
# Each round removes what the one before it saw; another is needed where a file was renamed meanwhile.
_ROUNDS = 3


class SnapshotDirectory:
    """`gallery.db-index/`, which may be removed at any time, by any process: what has been mapped stays usable.

    Whoever finds a removal in the change log, or makes one, erases the templates from all snapshots: they still hold
    the vectors.
    """

    def __init__(self, file: str) -> None:
        """`file` is the database file, which is not touched."""
        # Resolved as SQLite does for its own files: one gallery has one directory, under whatever name.
        database = Path(file).resolve()
        self.path = database.with_name(f"{database.name}-index")

    def newest(self, feed: ChangeFeed, model: ModelKey) -> tuple[Stamp, Kept] | None:
        """The newest snapshot that belongs to the history of `store`; None where there is none.

        A file that is damaged, of another gallery or of a history that was undone by restoring a backup is removed with
        a warning, one of another model or an older format without; one of a newer format is left alone with a warning.
        """
        for path in sorted(self._files(), reverse=True):
            if path.suffix == ".tmp":
                continue
            try:
                # Asked first: to open a pipe would wait for a writer.
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
        """The newest snapshot as it says of itself, not checked further; None where there is none to be read."""
        for path in sorted(self._files(), reverse=True):
            if path.suffix != ".tmp":
                with suppress(BadSnapshot, OSError), path.open("rb") as file:
                    return path, read_header(file)
        return None

    def write(self, stamp: Stamp, kept: Kept) -> Path | None:
        """Write what an index has dumped to a new file, and remove those before it.

        The file is there whole or not at all, for its owner's eyes only. None if a removal, or another process
        with as new a snapshot, took away what was being written. Raises ReadOnly, DiskFull or Unusable.
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
        """Overwrite what snapshots from before a place in the change log say of (n,) templates, as far as permitted.

        A file in which that cannot be done is removed, and one that is being written is taken away from its writer.
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
        """Remove all snapshots, as far as that is permitted; one that is being written, too."""
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
    """Raise BadSnapshot unless the snapshot is of a state that the store was in."""
    if stamp.database_id != feed.database_id:
        raise BadSnapshot("it is of another gallery")
    if stamp.model != model:
        raise Outlived(f"it is of {stamp.model}, the gallery of {model}")
    if not feed.has(stamp.place):
        raise BadSnapshot("it is of a history that the gallery has not: was a backup restored?")


def _check_erased(kept: Kept, feed: ChangeFeed) -> None:
    """Raise BadSnapshot if templates were erased that the store holds: restoring a backup brought them back."""
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
