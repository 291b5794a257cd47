"""Inserts many templates in few statements, which makes an import fast."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from enrollment_db.errors import BadTemplate
from enrollment_db.names import check_detector, clean_name
from enrollment_db.records import Part, now
from enrollment_db.sqlite.rows import to_blobs
from enrollment_db.vectors import to_digest

CACHE_KIB = 256 * 1024
"""KiB of cached pages while many rows are written. Writes to the index of hashes are at random places: with SQLite's
default of 2 MiB nearly every page is read and written again, and an import takes more than twice as long."""

_NAMES_A_QUERY = 500


@contextmanager
def logged_together(connection: sqlite3.Connection) -> Iterator[None]:
    """Write the change log of all templates inserted inside in one statement, not by a trigger for each.

    Use it inside a transaction, so that no other connection sees the gallery without its trigger. Saves a fifth of the
    time.
    """
    (trigger,) = connection.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = 'templates_log_insert'"
    ).fetchone()
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'templates'").fetchone()
    connection.execute("DROP TRIGGER templates_log_insert")
    yield
    connection.execute(
        """
        INSERT INTO changes (op, template_id, identity_id, model_id, mark)
        SELECT 'add', id, identity_id, model_id, random() FROM templates NOT INDEXED
        WHERE id > ? AND confirmed ORDER BY id
        """,
        (row[0] if row else 0,),
    )
    connection.execute(trigger)


def insert_part(connection: sqlite3.Connection, model_id: int, dim: int, part: Part) -> int:
    """Insert the templates of one part, of `dim` numbers, unless stored already; returns the number of new ones.

    Raises BadName and BadTemplate; the caller then undoes the transaction.
    """
    if part.vectors.ndim != 2 or part.vectors.shape[1] != dim:
        raise BadTemplate(
            f"the templates have shape {part.vectors.shape}, not (n, {dim})", remedy="one_model"
        )
    states = ["confirmed"] * len(part.names) if part.states is None else part.states
    detectors = [None] * len(part.names) if part.detectors is None else part.detectors
    columns = (part.names, part.vectors, part.digests, part.sources, states, detectors)
    if len({len(column) for column in columns}) > 1:
        raise BadTemplate(
            "names, vectors, hashes, sources, states and detectors differ in number", remedy="one_of_each"
        )
    for detector in set(detectors):
        check_detector(detector)
    time = now()
    cleaned = {name: clean_name(name) for name in dict.fromkeys(part.names)}
    connection.executemany(
        "INSERT INTO identities (name, created_at) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
        ((name, time) for name in cleaned.values()),
    )
    ids = _ids(connection, list(cleaned.values()))
    inserted = connection.executemany(
        """
        INSERT INTO templates (identity_id, model_id, vector, source, sha256, created_at, confirmed, detector)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (sha256, identity_id, model_id) DO NOTHING
        """,
        (
            (
                ids[cleaned[name]],
                model_id,
                blob,
                source,
                to_digest(digest),
                time,
                state == "confirmed",
                detector,
            )
            for name, blob, source, digest, state, detector in zip(
                part.names, to_blobs(part.vectors), part.sources, part.digests, states, detectors, strict=True
            )
        ),
    )
    return inserted.rowcount


def _ids(connection: sqlite3.Connection, names: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(names), _NAMES_A_QUERY):
        some = names[start : start + _NAMES_A_QUERY]
        marks = ", ".join("?" * len(some))
        found.update(connection.execute(f"SELECT name, id FROM identities WHERE name IN ({marks})", some))
    return found
