"""The connections to one file, one for writing and a few for reading, with their transactions and errors."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from enrollment_db.sqlite.opening import Address, open_file
from enrollment_db.sqlite.translate import translated

OnRemoval: TypeAlias = Callable[[NDArray[np.int64], int], None]
"""Called after the commit of a removal with the removed template ids (n,) and the place in the change log after it."""

MOST_READERS = 16
"""The most reading connections at once; a further thread waits for one of them."""

_LONGEST_WAIT_S = 1.0
"""How long a removal waits for reads that go on: they keep what it removed in the write-ahead log."""

_REST = 10
"""After a wait in vain none is waited for, for so many times as long."""

_CACHE_SIZE = -2000
"""SQLite's default, KiB when negative."""


class Connections:
    """Connections that threads may share: reads run side by side, write transactions one after the other.

    A thread inside a write transaction reads its own writes. All others read the committed state, and wait neither for
    the writer nor for each other. Every method raises DatabaseErrors in place of the errors of sqlite3.
    """

    def __init__(
        self, address: Address, writer: sqlite3.Connection, on_removal: Sequence[OnRemoval] = ()
    ) -> None:
        self._address = address
        self._writer = writer
        self._readers = _Readers(address, MOST_READERS)
        self._on_removal = tuple(on_removal)
        self._lock = threading.RLock()
        self._writing_thread: int | None = None
        self._purge = False
        self._purge_after: int | None = None
        self._log_is_full = False
        self._wait_from = 0.0
        self._cache_raised = False

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        create: bool,
        read_only: bool,
        timeout_s: float,
        on_removal: Sequence[OnRemoval] = (),
    ) -> Connections:
        """As `open_file`."""
        return cls(*open_file(path, create=create, read_only=read_only, timeout_s=timeout_s), on_removal)

    @property
    def path(self) -> str:
        """The path of the database file, as the caller gave it."""
        return self._address.path

    def close(self) -> None:
        """Close the file, after running reads have finished. A second call does nothing."""
        self._readers.close()
        with self._lock:
            # Closed last: the writer moves the write-ahead log into the file.
            self._writer.close()

    def query(
        self, sql: str, parameters: Sequence[Any] = (), *, committed: bool = False
    ) -> list[tuple[Any, ...]]:
        """All rows of one SELECT; `committed` leaves out what this thread has written and not committed yet."""
        with translated(self.path), self._reader(committed=committed) as connection:
            return connection.execute(sql, parameters).fetchall()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A read transaction for a few short queries: they all see one state."""
        with translated(self.path), self._reader() as connection:
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    @contextmanager
    def write(self, *, cache_kib: int | None = None) -> Iterator[sqlite3.Connection]:
        """One write transaction: all of it is committed at the end, or none on an exception.

        Inside another transaction it is a part of that one, and an exception undoes this part only. `cache_kib` is the
        size of the page cache, KiB, until the outermost transaction ends.
        """
        with self._lock, translated(self.path):
            connection = self._writer
            nested = connection.in_transaction
            if cache_kib is not None and not self._cache_raised:
                connection.execute(f"PRAGMA cache_size = {-cache_kib}")
                self._cache_raised = True
            # IMMEDIATE takes the write lock now, where waiting for it is still possible.
            connection.execute("SAVEPOINT part" if nested else "BEGIN IMMEDIATE")
            self._writing_thread = threading.get_ident()
            try:
                began_at = 0 if nested else _last_seq(connection)
                yield connection
                purge = self._purge and not nested
                after = began_at if self._purge_after is None else self._purge_after
                removed = _removed_since(connection, after) if purge else []
                ends_at = _last_seq(connection) if purge else 0
                connection.execute("RELEASE part" if nested else "COMMIT")
            except BaseException:
                # On a full disk SQLite may have undone the whole transaction already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK TO part" if nested else "ROLLBACK")
                if connection.in_transaction:
                    connection.execute("RELEASE part")
                self._purge = self._purge and nested
                if not self._purge:
                    self._purge_after = None
                raise
            finally:
                if not nested:
                    self._writing_thread = None
                if self._cache_raised and not connection.in_transaction:
                    connection.execute(f"PRAGMA cache_size = {_CACHE_SIZE}")
                    self._cache_raised = False
            if purge or (self._log_is_full and not nested):
                self._empty_log()
            if purge:
                self._purge, self._purge_after = False, None
                for listener in self._on_removal:
                    listener(np.array(removed, np.int64), ends_at)

    def purge_on_commit(self, after_seq: int | None = None) -> None:
        """After this transaction, empty the write-ahead log and call the listeners that keep copies of vectors.

        The log and the copies still hold the removed templates. With `after_seq`, the listeners receive all that was
        removed after that place in the change log.
        """
        self._purge = True
        if after_seq is not None:
            self._purge_after = after_seq

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection for a long read, inside a read transaction: it sees one state and delays no other read."""
        with translated(self.path):
            connection = self._address.connect()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                connection.close()

    @contextmanager
    def _reader(self, *, committed: bool = False) -> Iterator[sqlite3.Connection]:
        if not committed and self._writing_thread == threading.get_ident():
            yield self._writer
            return
        connection = self._readers.take()
        try:
            yield connection
        finally:
            self._readers.give_back(connection)

    def _empty_log(self) -> None:
        """Move the log into the file and truncate it, if that is possible now.

        Running reads get a moment to end, and other threads start none meanwhile. If one lasts longer, or the disk is
        full, a later commit or the last process to close the file does the work. The transaction is committed already,
        so a failure here must not raise.
        """
        now = time.monotonic()
        wait_s = min(_LONGEST_WAIT_S, self._address.timeout_s) if now >= self._wait_from else 0.0
        self._log_is_full = True
        with self._readers.paused(wait_s):
            connection = self._writer
            try:
                # Reads of other processes.
                connection.execute(f"PRAGMA busy_timeout = {round(wait_s * 1000)}")
                with suppress(sqlite3.OperationalError):
                    (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                    self._log_is_full = bool(busy)
            finally:
                connection.execute(f"PRAGMA busy_timeout = {round(self._address.timeout_s * 1000)}")
        if self._log_is_full and wait_s:
            self._wait_from = now + _REST * wait_s


class _Readers:
    """At most `most` connections that only read, opened when they are first needed."""

    def __init__(self, address: Address, most: int) -> None:
        self._address = address
        self._most = most
        self._idle: list[sqlite3.Connection] = []
        self._opened = 0
        self._closed = False
        self._paused = False
        self._condition = threading.Condition()

    def take(self) -> sqlite3.Connection:
        """A connection for this thread alone, until it is given back."""
        with self._condition:
            self._condition.wait_for(self._can_take)
            if self._closed:
                raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
            if self._idle:
                return self._idle.pop()
            self._opened += 1
        try:
            connection = self._address.connect()
            connection.execute("PRAGMA query_only = ON")
        except BaseException:
            with self._condition:
                self._opened -= 1
                self._condition.notify_all()
            raise
        return connection

    @contextmanager
    def paused(self, wait_s: float) -> Iterator[None]:
        """No connection is taken inside; waits up to `wait_s` for those that are taken. Without a wait, no pause."""
        try:
            if wait_s:
                with self._condition:
                    self._paused = True
                    self._condition.wait_for(lambda: self._opened == len(self._idle), wait_s)
            yield
        finally:
            with self._condition:
                self._paused = False
                self._condition.notify_all()

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Return the connection for use by other threads."""
        with self._condition:
            if self._closed:
                connection.close()
                self._opened -= 1
                self._condition.notify_all()
                return
            self._idle.append(connection)
            self._condition.notify_all()

    def close(self) -> None:
        """Close all of them; waits for those in use."""
        with self._condition:
            self._closed = True
            self._opened -= len(self._idle)
            while self._idle:
                self._idle.pop().close()
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._opened == 0)

    def _can_take(self) -> bool:
        return self._closed or (not self._paused and (bool(self._idle) or self._opened < self._most))


def _last_seq(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").fetchone()
    return int(row[0]) if row else 0


def _removed_since(connection: sqlite3.Connection, seq: int) -> list[int]:
    """The ids of the templates that were removed after a place in the change log."""
    removed = connection.execute("SELECT template_id FROM changes WHERE seq > ? AND op = 'remove'", (seq,))
    return [id_ for (id_,) in removed]
