"""Templates that are not confirmed: those of a person, and their confirmation."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from enrollment_db.records import ModelKey, Unconfirmed
from enrollment_db.sqlite import models
from enrollment_db.sqlite.connections import Connections
from enrollment_db.sqlite.rows import to_ids, to_vectors

_UNCONFIRMED_OF = """
    SELECT t.id, t.vector, t.source, lower(hex(t.sha256)), t.quality, i.id, i.name
    FROM templates t JOIN identities i ON i.id = t.identity_id
    WHERE t.identity_id IN (SELECT value FROM json_each(?)) AND t.model_id = ? AND NOT t.confirmed ORDER BY t.id
"""


def unconfirmed_of(
    connections: Connections, identity_ids: Sequence[int], model: ModelKey
) -> dict[int, Unconfirmed]:
    """The unconfirmed templates by identity id; an identity that has none is left out. Raises Corrupt."""
    rows = connections.query(
        _UNCONFIRMED_OF, (json.dumps(list(identity_ids)), models.row_of(connections, model))
    )
    found = {}
    for identity_id in dict.fromkeys(row[5] for row in rows):
        own = [row for row in rows if row[5] == identity_id]
        ids, blobs, sources, digests, qualities, _, names = zip(*own, strict=True)
        vectors = to_vectors(blobs, ids, model.dim, connections.path)
        found[identity_id] = Unconfirmed(names[0], to_ids(ids), vectors, sources, digests, qualities)
    return found


def unconfirmed_counts(connections: Connections) -> dict[str, int]:
    """The number of unconfirmed templates of the active model by identity, for those that have some, by name."""
    rows = connections.query(
        f"""
        SELECT i.name, count(*) FROM templates t JOIN identities i ON i.id = t.identity_id
        WHERE t.model_id = {models.ACTIVE} AND NOT t.confirmed GROUP BY i.id ORDER BY i.name
        """
    )
    return {str(name): int(count) for name, count in rows}


def was_confirmed(connections: Connections, name: str) -> bool:
    """Whether a template of this identity is or was confirmed, under any model.

    The log tells it, also of templates that were removed. It is read to its end for an identity that never had any.
    """
    rows = connections.query(
        """
        SELECT EXISTS (
            SELECT 1 FROM identities i CROSS JOIN changes c ON c.identity_id = i.id WHERE i.name = ?
        )
        """,
        (name,),
    )
    return bool(rows[0][0])


def confirm(connection: sqlite3.Connection, template_ids: Sequence[int]) -> list[int]:
    """Confirm templates, inside a write; returns the ids of those that were not confirmed before, ascending.

    The templates of the same photo under other models are confirmed too: they carry the state over when the model
    changes.
    """
    rows = connection.execute(
        "SELECT id FROM templates WHERE id IN (SELECT value FROM json_each(?)) AND NOT confirmed ORDER BY id",
        (json.dumps(list(template_ids)),),
    ).fetchall()
    connection.executemany(
        """
        UPDATE templates SET confirmed = 1
        WHERE (sha256, identity_id) = (SELECT sha256, identity_id FROM templates WHERE id = ?) AND NOT confirmed
        """,
        rows,
    )
    return [int(id_) for (id_,) in rows]
