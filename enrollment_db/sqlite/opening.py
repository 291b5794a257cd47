"""From a path to a connection, with one error for each failure before the first query."""

from __future__ import annotations

import sqlite3
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from enrollment_db.errors import Corrupt, Locked, Missing, NewerSchema, NotAGallery, ReadOnly, Unusable
from enrollment_db.sqlite.schema import APPLICATION_ID, SCHEMA_VERSION, migrate
from enrollment_db.sqlite.translate import translated

# foreign_keys: SQLite ignores them unless asked. recursive_triggers: without it a REPLACE deletes rows behind the
# change log's back. secure_delete: removed data are overwritten, not only unlinked: templates are biometric data.
# synchronous=FULL: in WAL mode NORMAL may lose the last commits in a power cut; an enrolment that was acknowledged must
# outlive one. It costs an fsync a commit: 0.5 to 4 ms where NORMAL takes 0.2, next to the tens of ms that a photo
# takes. macOS needs fullfsync for a real sync; other systems ignore it.
_PRAGMAS = """
    PRAGMA foreign_keys = ON;
    PRAGMA recursive_triggers = ON;
    PRAGMA secure_delete = ON;
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
"""

_SMALLEST_PAGE = 512


@dataclass(frozen=True, slots=True)
class Address:
    """How to connect to an existing database file."""

    path: str
    uri: str
    timeout_s: float

    def connect(self) -> sqlite3.Connection:
        """A configured connection in autocommit mode: transactions begin and end only by explicit statements.

        Any thread may use the connection, one at a time. Raises the errors of sqlite3.
        """
        connection = sqlite3.connect(
            self.uri, uri=True, timeout=self.timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            connection.executescript(_PRAGMAS)
        except BaseException:
            connection.close()
            raise
        return connection


def open_file(
    path: Path, *, create: bool, read_only: bool, timeout_s: float
) -> tuple[Address, sqlite3.Connection]:
    """Connect to the gallery at `path`; with `create`, create it if there is none.

    An older schema is migrated, also by a reader. A reader without write permission for the directory uses SQLite's
    immutable mode and sees the gallery as it was on opening.

    Raises Missing, Corrupt, NotAGallery, Locked, ReadOnly, NewerSchema, DiskFull or Unusable.
    """
    create = create and not read_only
    if not _find(path, create=create):
        _create(path)
    base = path.absolute().as_uri()
    address = Address(str(path), f"{base}?mode=rw", timeout_s)
    try:
        return address, _open(address, create=create, read_only=read_only)
    except ReadOnly:
        if not read_only or _has_log(path):
            raise
        # The WAL's files cannot be created here. Without a WAL, no process is writing, and the file is complete.
        address = Address(str(path), f"{base}?mode=ro&immutable=1", timeout_s)
        return address, _open(address, create=False, read_only=True)


def _find(path: Path, *, create: bool) -> bool:
    """Whether there is a file at `path` that can be a database; with `create`, creates its directory.

    Reads only metadata: opening and closing the file would drop the locks that SQLite holds on it for other connections
    of this process (POSIX).
    """
    try:
        if create:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except PermissionError as error:
        raise ReadOnly(
            f"the gallery {path} cannot be {'created' if create else 'opened'}: not permitted",
            path=str(path),
        ) from error
    except OSError as error:
        if create and isinstance(error, FileNotFoundError):
            return False
        if isinstance(error, (FileNotFoundError, NotADirectoryError)) and not create:
            raise _missing(path) from error
        raise Unusable(
            f"the gallery {path} cannot be opened: {error.strerror}", remedy="other_db", path=str(path)
        ) from error
    if stat.S_ISDIR(status.st_mode):
        raise Unusable(f"{path} is a directory, not a gallery", remedy="path_of_a_file", path=str(path))
    if 0 < status.st_size < _SMALLEST_PAGE:
        # SQLite would treat it as an empty database, and overwrite it.
        raise Corrupt(f"{path} is not a SQLite database", remedy="other_file", path=str(path))
    return True


def _create(path: Path) -> None:
    """Create an empty file that only the owner can read: templates are biometric data.

    SQLite gives its write-ahead log the same permissions.
    """
    with translated(str(path)):
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=rwc", uri=True).close()
    path.chmod(0o600)


def _open(address: Address, *, create: bool, read_only: bool) -> sqlite3.Connection:
    with translated(address.path):
        connection = address.connect()
        try:
            version = _version(connection, address.path)
            if version == 0 and not create:
                raise _missing(Path(address.path), empty_file=True)
            if version < SCHEMA_VERSION:
                _upgrade(connection, address)
            if read_only:
                connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
    return connection


def _version(connection: sqlite3.Connection, path: str) -> int:
    """The schema's version, 0 for an empty file. Raises NotAGallery or NewerSchema."""
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application_id == 0 and version == 0 and tables == 0:
        return 0
    if application_id != APPLICATION_ID:
        raise NotAGallery(f"{path} is a database of another program", remedy="other_file", path=path)
    if version > SCHEMA_VERSION:
        raise NewerSchema(
            f"the gallery {path} has schema {version}, this version of faceid knows {SCHEMA_VERSION}",
            path=path,
        )
    return int(version)


def _upgrade(connection: sqlite3.Connection, address: Address) -> None:
    """Create or migrate the tables, in one transaction. The second of two processes finds the work done."""
    _write_ahead(connection, address)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection, address.path) < SCHEMA_VERSION:
            migrate(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _write_ahead(connection: sqlite3.Connection, address: Address) -> None:
    """Switch the file to WAL, so that readers and the writer do not wait for each other.

    SQLite does not apply its timeout to this switch, so two processes that switch at once need a timeout here. A file
    system without shared memory keeps the rollback journal, which also works.
    """
    deadline = time.monotonic() + address.timeout_s
    while True:
        try:
            with translated(address.path):
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except Locked:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _has_log(path: Path) -> bool:
    """Whether there is a WAL beside the file: the immutable mode would not see its commits."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except OSError:
        return False


def _missing(path: Path, *, empty_file: bool = False) -> Missing:
    return Missing(f"there is no gallery at {path}", path=str(path), empty_file=empty_file)
