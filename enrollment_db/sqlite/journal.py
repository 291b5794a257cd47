"""The decisions of an unfinished enrolment about photos that it did not store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from enrollment_db.names import clean_name
from enrollment_db.records import now
from enrollment_db.sqlite.connections import Connections
from enrollment_db.vectors import to_digest

KEPT_DAYS = 30
"""Days after which an interrupted run is no longer continued."""


class Journal:
    """Outcomes by run, name and photo: a repeated run skips photos that are decided already.

    Every method raises DatabaseErrors if the file fails.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def outcomes(self, run: str) -> dict[tuple[str, str], str]:
        """The kept outcomes of an unfinished run, by name and SHA-256 (hex)."""
        rows = self._connections.query("SELECT name, sha256, outcome FROM outcomes WHERE run = ?", (run,))
        return {(name, digest.hex()): outcome for name, digest, outcome in rows}

    def keep(self, run: str, name: str, decided: Iterable[tuple[str, str]]) -> None:
        """Keep outcomes of an unfinished `run` for photos of `name`: pairs of SHA-256 (hex) and outcome.

        A later outcome replaces an earlier one. Raises BadName, and BadTemplate for a hash that is not a SHA-256.
        """
        with self._connections.write() as connection:
            cleaned, time = clean_name(name), now()
            connection.executemany(
                "INSERT OR REPLACE INTO outcomes (sha256, name, run, outcome, created_at) VALUES (?, ?, ?, ?, ?)",
                [(to_digest(sha256), cleaned, run, outcome, time) for sha256, outcome in decided],
            )

    def forget(self, run: str, names: Iterable[str]) -> None:
        """Remove the outcomes of a finished run for photos of `names`, and the old outcomes of all runs."""
        with self._connections.write() as connection:
            connection.execute(
                "DELETE FROM outcomes WHERE run = ? AND name IN (SELECT value FROM json_each(?))",
                (run, json.dumps(list(names))),
            )
            connection.execute(
                "DELETE FROM outcomes WHERE julianday(created_at) < julianday('now') - ?", (KEPT_DAYS,)
            )


def forget_person(connection: sqlite3.Connection, name: str) -> None:
    """Remove the outcomes for photos of `name`, as a part of the removal of that person."""
    connection.execute("DELETE FROM outcomes WHERE name = ?", (name,))
