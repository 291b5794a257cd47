"""One gallery file: the parts of a database, on shared connections."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from enrollment_db.sqlite.changes import ChangeLog
from enrollment_db.sqlite.connections import Connections, OnRemoval
from enrollment_db.sqlite.integrity import problems_of
from enrollment_db.sqlite.journal import Journal
from enrollment_db.sqlite.migration import Migration
from enrollment_db.sqlite.policies import Policies
from enrollment_db.sqlite.templates import Templates


class SqliteDatabase:
    """An open gallery file: `templates`, `policies`, `journal`, `changes` and `migration`.

    Several processes may read and write one file at once; a writer waits up to `timeout_s` for another. Threads may
    share a database: reads do not wait, writes run one after the other. After a fork, open another.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self.templates = Templates(connections)
        self.policies = Policies(connections)
        self.journal = Journal(connections)
        self.changes = ChangeLog(connections)
        self.migration = Migration(connections)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        create: bool = True,
        read_only: bool = False,
        timeout_s: float = 5.0,
        on_removal: Sequence[OnRemoval] = (),
    ) -> SqliteDatabase:
        """Open the gallery at `path`; with `create`, create it and its directory if there is none.

        `read_only` creates nothing and refuses writes. It can open files without write permission. If the directory
        cannot be written either, it shows the gallery as it was on opening.

        `on_removal` are the listeners that keep copies of vectors, such as snapshots of an index: each is called after
        the commit of a removal. `enrollment_db.registry.open_database` sets them.

        Raises Missing, Corrupt, NotAGallery, Locked, ReadOnly, NewerSchema, DiskFull or Unusable.
        """
        return cls(
            Connections.open(
                Path(path).expanduser(),
                create=create,
                read_only=read_only,
                timeout_s=timeout_s,
                on_removal=on_removal,
            )
        )

    @property
    def location(self) -> str:
        """The path of the database file, as the caller gave it."""
        return self._connections.path

    def check(self) -> list[str]:
        """The problems of the database, one line each; empty if there are none. Reads all of it."""
        return problems_of(self._connections)

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        self._connections.close()

    def __enter__(self) -> SqliteDatabase:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
