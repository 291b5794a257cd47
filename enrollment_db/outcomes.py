"""What an unfinished enrolment decided about photos that it did not store: inside a transaction of a Store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from enrollment_db.rows import to_digest


def insert(connection: sqlite3.Connection, run: str, name: str, outcomes: Iterable[tuple[str, str]]) -> None:
    """Keep what became of photos of `name`, (SHA-256, outcome), in place of what is known of them."""
    connection.executemany(
        "INSERT OR REPLACE INTO outcomes (sha256, name, run, outcome) VALUES (?, ?, ?, ?)",
        [(to_digest(sha256), name, run, outcome) for sha256, outcome in outcomes],
    )


def forget(connection: sqlite3.Connection) -> None:
    """Remove all that is kept, of every run."""
    connection.execute("DELETE FROM outcomes")


def forget_person(connection: sqlite3.Connection, name: str) -> None:
    """Remove what is kept about photos of `name`."""
    connection.execute("DELETE FROM outcomes WHERE name = ?", (name,))


def told(rows: Iterable[tuple[str, bytes, str]]) -> Iterator[tuple[tuple[str, str], str]]:
    """Outcomes by name and SHA-256, from rows of these and the outcome."""
    for name, digest, outcome in rows:
        yield (name, digest.hex()), outcome
