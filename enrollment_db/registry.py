"""From the URL of a database to the open database: one registry of schemes.

`sqlite` is built in. A plain path means a SQLite file. A package adds a scheme by an entry point of the group
`faceid.databases`: its name is the scheme, its object an `Opener`.
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from enrollment_db.address import DatabaseAddress, sqlite_path
from enrollment_db.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from enrollment_db.ports import Database
    from enrollment_db.sqlite.database import SqliteDatabase

GROUP = "faceid.databases"


class Opener(Protocol):
    """Opens the databases of one scheme."""

    def __call__(self, url: str, *, create: bool, read_only: bool, timeout_s: float) -> Database:
        """Open the database at `url`, which starts with the scheme.

        Raises DatabaseError: Missing where there is no database and `create` is false.
        """
        ...


def open_database(
    location: str | Path | DatabaseAddress,
    *,
    create: bool = True,
    read_only: bool = False,
    timeout_s: float = 5.0,
) -> Database:
    """Open the database at a URL, or the SQLite file at a plain path; with `create`, create it if there is none.

    Raises UsageError (`unknown_database`) for a scheme that no package offers, and the errors of the opener.
    """
    address = DatabaseAddress.of(location)
    if address.file is not None:
        return open_sqlite(address.file, create=create, read_only=read_only, timeout_s=timeout_s)
    return _opener(address.scheme)(address.url, create=create, read_only=read_only, timeout_s=timeout_s)


def schemes() -> list[str]:
    """The schemes that can be opened, sorted."""
    return sorted({"sqlite", *(point.name for point in entry_points(group=GROUP))})


def check_scheme(location: str | Path | DatabaseAddress) -> None:
    """Raise UsageError (`unknown_database`) unless a database of this scheme can be opened."""
    scheme = DatabaseAddress.of(location).scheme
    if scheme != "sqlite" and scheme not in schemes():
        raise _unknown(scheme)


def open_sqlite(
    url: str | Path, *, create: bool = True, read_only: bool = False, timeout_s: float = 5.0
) -> SqliteDatabase:
    """Open a SQLite file, by a URL or a path, so that a removal also erases from the snapshots of its index.

    Raises as `SqliteDatabase.open` does.
    """
    from enrollment_db.sqlite.database import SqliteDatabase

    path = sqlite_path(url)
    return SqliteDatabase.open(
        path,
        create=create,
        read_only=read_only,
        timeout_s=timeout_s,
        on_removal=[partial(_erase_from_snapshots, str(path))],
    )


def _erase_from_snapshots(file: str, template_ids: NDArray[np.int64], before_seq: int) -> None:
    # Also without an open index: snapshots still hold the vectors of removed templates.
    from enrollment_db.search.snapshot_directory import SnapshotDirectory

    SnapshotDirectory(file).erase(template_ids, before_seq=before_seq)


def _opener(scheme: str) -> Opener:
    for point in entry_points(group=GROUP, name=scheme):
        opener: Opener = point.load()
        return opener
    raise _unknown(scheme)


def _unknown(scheme: str) -> UsageError:
    known = schemes()
    return UsageError(
        f"cannot open a {scheme}:// database; known are {', '.join(known)}",
        code="unknown_database",
        remedy="url_of_known_scheme",
        scheme=scheme,
        schemes=known,
    )
