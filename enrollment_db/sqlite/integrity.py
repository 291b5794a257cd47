"""Whether a gallery file is sound."""

from __future__ import annotations

from enrollment_db.sqlite.connections import Connections


def problems_of(connections: Connections) -> list[str]:
    """What is wrong with the database, one line each; empty if nothing is. Reads all of it."""
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
    problems += [
        f"the gallery has templates and no model: nobody finds {count} of them"
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
