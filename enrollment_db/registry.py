"""From the URL of a database to the open database: one registry of schemes.

`sqlite` is built in, and is what a plain path means. A package adds a scheme by an entry point of the group
`faceid.databases`: its name is the scheme, its object an `Opener`.
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

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
        """Open the database at `url`, which starts with the scheme. Raises DatabaseError."""
        ...


def open_database(
    url: str | Path, *, create: bool = True, read_only: bool = False, timeout_s: float = 5.0
) -> Database:
    """Open the database at `url`, or the SQLite file at a plain path; with `create`, make it where there is none.

    Raises UsageError (`unknown_database`) for a scheme that no package offers, else what the opener raises.
    """
    scheme = scheme_of(url)
    if scheme == "sqlite":
        return open_sqlite(url, create=create, read_only=read_only, timeout_s=timeout_s)
    return _opener(scheme)(str(url), create=create, read_only=read_only, timeout_s=timeout_s)


def scheme_of(url: str | Path) -> str:
    """The scheme of a URL; `sqlite` for a plain path."""
    scheme, separator, _ = str(url).partition("://")
    return scheme if separator and not isinstance(url, Path) else "sqlite"


def schemes() -> list[str]:
    """The schemes that can be opened, sorted."""
    return sorted({"sqlite", *(point.name for point in entry_points(group=GROUP))})


def check_scheme(url: str | Path) -> None:
    """Raise UsageError (`unknown_database`) unless a database of this scheme can be opened."""
    scheme = scheme_of(url)
    if scheme != "sqlite" and scheme not in schemes():
        raise _unknown(scheme)


def sqlite_path(url: str | Path) -> Path:
    """The file of a SQLite URL or a plain path. As in SQLAlchemy: sqlite:///relative and sqlite:////absolute."""
    _, separator, rest = str(url).partition("://")
    if isinstance(url, Path) or not separator:
        return Path(url).expanduser()
    return Path(rest.removeprefix("/")).expanduser()


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
    # Whether an index is open or not: snapshots still hold the vectors of what was removed.
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
        remedy="sqlite_url",
        scheme=scheme,
        schemes=known,
    )
