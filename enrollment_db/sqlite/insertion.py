"""The rows of one enrolment: an identity, its templates, the crops of its photos. Inside a write transaction."""

from __future__ import annotations

import sqlite3
from typing import TypeAlias

from enrollment_db.records import Added, FaceCrop
from enrollment_db.sqlite.rows import to_json, to_state

TemplateRow: TypeAlias = tuple[
    int, int, bytes, str | None, bytes, str | None, str | None, float | None, str | None, str, bool
]
"""A row of templates without its id; `confirmed` is the last column, `detector` follows `quality`."""


def identity_id(connection: sqlite3.Connection, name: str, time: str) -> int:
    """The identity's row id; inserts the row of a new identity."""
    row = connection.execute("SELECT id FROM identities WHERE name = ?", (name,)).fetchone()
    if row is not None:
        return int(row[0])
    return _inserted(
        connection.execute("INSERT INTO identities (name, created_at) VALUES (?, ?)", (name, time))
    )


def add_template(connection: sqlite3.Connection, row: TemplateRow) -> Added:
    """Insert a row of templates, given without its id, unless the identity has the photo already."""
    owner_id, model_id, _, _, digest, *_ = row
    found = connection.execute(
        "SELECT id, confirmed FROM templates WHERE (sha256, identity_id, model_id) = (?, ?, ?)",
        (digest, owner_id, model_id),
    ).fetchone()
    if found is not None:
        return Added(found[0], duplicate=True, state=to_state(found[1]))
    cursor = connection.execute(
        """
        INSERT INTO templates
            (identity_id, model_id, vector, source, sha256, box, landmarks, quality, detector, created_at, confirmed)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        row,
    )
    return Added(_inserted(cursor), duplicate=False, state=to_state(row[-1]))


def keep_crop(connection: sqlite3.Connection, owner_id: int, digest: bytes, crop: FaceCrop) -> None:
    """Store the crop of an identity's photo, unless it is stored already."""
    connection.execute(
        """
        INSERT INTO crops (identity_id, sha256, picture, box, landmarks) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (sha256, identity_id) DO NOTHING
        """,
        (owner_id, digest, crop.picture, to_json(crop.box), to_json(crop.landmarks)),
    )


def _inserted(cursor: sqlite3.Cursor) -> int:
    """The id of the row that the cursor has just inserted."""
    assert cursor.lastrowid is not None
    return cursor.lastrowid
