"""What an unfinished enrolment decided about photos that it did not store: inside a transaction of a Store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator

from enrollment_db.sqlite.rows import to_digest
from enrollment_db.sqlite.schema import now

KEPT_DAYS = 30
"""Nobody goes on with a run that was cut short longer ago."""


def insert(connection: sqlite3.Connection, run: str, name: str, outcomes: Iterable[tuple[str, str]]) -> None:
    """Keep what became of photos of `name`, (SHA-256, outcome), in place of what is known of them."""
    time = now()
    connection.executemany(
        "INSERT OR REPLACE INTO outcomes (sha256, name, run, outcome, created_at) VALUES (?, ?, ?, ?, ?)",
        [(to_digest(sha256), name, run, outcome, time) for sha256, outcome in outcomes],
    )


def forget(connection: sqlite3.Connection, run: str, names: Iterable[str]) -> None:
    """Remove what a run has kept about photos of `names`, and what is old of all runs."""
    connection.execute(
        "DELETE FROM outcomes WHERE run = ? AND name IN (SELECT value FROM json_each(?))",
        (run, json.dumps(list(names))),
    )
    connection.execute(
        "DELETE FROM outcomes WHERE julianday(created_at) < julianday('now') - ?", (KEPT_DAYS,)
    )


def forget_person(connection: sqlite3.Connection, name: str) -> None:
    """Remove what is kept about photos of `name`."""
    connection.execute("DELETE FROM outcomes WHERE name = ?", (name,))


def told(rows: Iterable[tuple[str, bytes, str]]) -> Iterator[tuple[tuple[str, str], str]]:
    """Outcomes by name and SHA-256, from rows of these and the outcome."""
    for name, digest, outcome in rows:
        yield (name, digest.hex()), outcome
