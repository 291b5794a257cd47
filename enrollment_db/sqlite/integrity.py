"""The check of a gallery file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np

from enrollment_db.sqlite.connections import Connections
from enrollment_db.vectors import what_is_wrong, wrong_rows

_BATCH = 16_384


def problems_of(connections: Connections) -> list[str]:
    """The problems of the database, one line each; empty if there are none. Reads all of it."""
    problems = [str(row[0]) for row in connections.query("PRAGMA integrity_check") if row[0] != "ok"]
    problems += [
        f"row {row} of {table} refers to a row of {parent} that is not there"
        for table, row, parent, _ in connections.query("PRAGMA foreign_key_check")
    ]
    problems += [
        f"template {id_} has {length} bytes, not {expected}"
        for id_, length, expected in connections.query(
            """
            SELECT t.id, length(t.vector), 4 * m.dim FROM templates t JOIN models m ON m.id = t.model_id
            WHERE length(t.vector) <> 4 * m.dim
            """
        )
    ]
    problems += _wrong_vectors(connections)
    problems += [
        f"the gallery has templates and no model: no search finds {count} of them"
        for (count,) in connections.query(
            "SELECT count(*) FROM templates, settings s WHERE s.pinned_model_id IS NULL"
        )
        if count
    ]
    problems += [
        f"crop {id_} is of a photo that has no template"
        for (id_,) in connections.query(
            """
            SELECT id FROM crops c WHERE NOT EXISTS (
                SELECT 1 FROM templates t WHERE (t.sha256, t.identity_id) = (c.sha256, c.identity_id)
            )
            """
        )
    ]
    problems += [
        f"identity {name} has no template"
        for (name,) in connections.query(
            "SELECT name FROM identities WHERE id NOT IN (SELECT identity_id FROM templates)"
        )
    ]
    return problems


def _wrong_vectors(connections: Connections) -> Iterator[str]:
    """Stored vectors of the right length that are not finite or not of unit length, of all models."""
    with connections.snapshot() as connection, closing(connection.cursor()) as cursor:
        for dim, models in connection.execute(
            "SELECT dim, json_group_array(id) FROM models GROUP BY dim"
        ).fetchall():
            cursor.execute(
                """
                SELECT id, vector FROM templates NOT INDEXED
                WHERE model_id IN (SELECT value FROM json_each(?)) AND length(vector) = 4 * ? ORDER BY id
                """,
                (models, dim),
            )
            while rows := cursor.fetchmany(_BATCH):
                vectors = np.frombuffer(b"".join(row[1] for row in rows), "<f4").reshape(len(rows), dim)
                for row in wrong_rows(vectors).tolist():
                    yield f"template {rows[row][0]} {what_is_wrong(vectors[row])}"
