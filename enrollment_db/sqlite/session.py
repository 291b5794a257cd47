"""One connection with its lock, its transactions and its errors."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from enrollment_db.search.snapshot_directory import SnapshotDirectory
from enrollment_db.sqlite.opening import Address, open_database
from enrollment_db.sqlite.translate import translated

_CACHE_SIZE = -2000
"""SQLite's default, KiB when negative."""


class Session:
    """A connection that threads may share: statements and transactions are taken in turn.

    Every method raises DatabaseErrors where sqlite3 would raise its own.
    """

    def __init__(self, address: Address, connection: sqlite3.Connection) -> None:
        self._address = address
        self._connection = connection
        self._lock = threading.RLock()
        self._purge = False
        self._cache_raised = False

    @classmethod
    def open(cls, path: Path, *, create: bool, read_only: bool, timeout_s: float) -> Session:
        """As `open_database`."""
        return cls(*open_database(path, create=create, read_only=read_only, timeout_s=timeout_s))

    @property
    def path(self) -> str:
        """The database file, as it was given."""
        return self._address.path

    def close(self) -> None:
        """Give the file back; more than once does no harm."""
        with self._lock:
            self._connection.close()

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of one SELECT."""
        with self._lock, translated(self.path):
            return self._connection.execute(sql, parameters).fetchall()

    @contextmanager
    def write(self, *, cache_kib: int | None = None) -> Iterator[sqlite3.Connection]:
        """One write transaction: all of it is committed on leaving, or none on an exception.

        Inside another one it is a part of that one, and an exception undoes this part only. `cache_kib` is how
        many pages are held meanwhile, from now on until the outermost transaction ends.
        """
        with self._lock, translated(self.path):
            connection = self._connection
            nested = connection.in_transaction
            if cache_kib is not None and not self._cache_raised:
                connection.execute(f"PRAGMA cache_size = {-cache_kib}")
                self._cache_raised = True
            # IMMEDIATE takes the write lock now, where waiting for it is still possible.
            connection.execute("SAVEPOINT part" if nested else "BEGIN IMMEDIATE")
            try:
                began_at = 0 if nested else _last_seq(connection)
                yield connection
                purge = self._purge and not nested
                removed = _removed_since(connection, began_at) if purge else []
                ends_at = _last_seq(connection) if purge else 0
                connection.execute("RELEASE part" if nested else "COMMIT")
            except BaseException:
                # A full disk can have undone the whole transaction already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK TO part" if nested else "ROLLBACK")
                if connection.in_transaction:
                    connection.execute("RELEASE part")
                self._purge = self._purge and nested
                raise
            finally:
                if self._cache_raised and not connection.in_transaction:
                    connection.execute(f"PRAGMA cache_size = {_CACHE_SIZE}")
                    self._cache_raised = False
            if purge:
                self._purge = False
                self._empty_log()
                SnapshotDirectory(self.path).erase(np.array(removed, np.int64), before_seq=ends_at)

    def purge_on_commit(self) -> None:
        """After this transaction, empty the write-ahead log and clear the index's snapshots of what it removed.

        Both still hold that.
        """
        self._purge = True

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A second connection inside a read transaction: it sees one state throughout and holds up nobody."""
        with translated(self.path):
            connection = self._address.connect()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                connection.close()

    def _empty_log(self) -> None:
        """Move the log into the file and truncate it, as far as that is possible now.

        Where somebody still reads from it, or the disk is full, a later removal or the last process to close
        the file does the work. The transaction is committed: this must not make it look as if it had failed.
        """
        connection = self._connection
        connection.execute("PRAGMA busy_timeout = 0")
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {round(self._address.timeout_s * 1000)}")


def _last_seq(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").fetchone()
    return int(row[0]) if row else 0


def _removed_since(connection: sqlite3.Connection, seq: int) -> list[int]:
    """The templates that were removed after a place in the change log."""
    removed = connection.execute("SELECT template_id FROM changes WHERE seq > ? AND op = 'remove'", (seq,))
    return [id_ for (id_,) in removed]
