"""The models of a gallery: their rows, and the active one, to which the gallery is pinned."""

from __future__ import annotations

import sqlite3

from enrollment_db.errors import OtherModel
from enrollment_db.records import ModelKey
from enrollment_db.sqlite.connections import Connections
from enrollment_db.sqlite.rows import MODEL_COLUMNS, model_parameters, to_model

ACTIVE = "(SELECT pinned_model_id FROM settings)"
"""The active model's row; NULL while the gallery is empty."""

SEARCHED = f"(t.model_id = {ACTIVE} AND t.confirmed)"
"""The templates that a search can find."""

SHOWN = f"""
    (t.model_id = {ACTIVE} OR NOT EXISTS (
        SELECT 1 FROM templates o
        WHERE (o.sha256, o.identity_id) = (t.sha256, t.identity_id) AND (o.model_id = {ACTIVE} OR o.id > t.id)
    ))
"""
"""One template for each photo and identity: that of the active model, else the newest of another."""

SAME_MODEL = f"({MODEL_COLUMNS}) = (?, ?, ?, ?, ?)"


def active_model(connections: Connections, *, committed: bool = False) -> ModelKey | None:
    """The model of the templates that a search can find; None while the gallery is empty."""
    rows = connections.query(
        f"SELECT {MODEL_COLUMNS} FROM settings s JOIN models m ON m.id = s.pinned_model_id",
        committed=committed,
    )
    return to_model(rows[0]) if rows else None


def row_of(connections: Connections, model: ModelKey, *, committed: bool = False) -> int | None:
    """The model's row id; None if the gallery never held a template of it."""
    rows = connections.query(
        f"SELECT m.id FROM models m WHERE {SAME_MODEL}", model_parameters(model), committed=committed
    )
    return int(rows[0][0]) if rows else None


def made_row_of(connection: sqlite3.Connection, model: ModelKey) -> int:
    """The model's row id; inserts the row of a new model."""
    columns = "(name, weights_sha256, aligner, dim, metric)"
    values = model_parameters(model)
    row = connection.execute(f"SELECT id FROM models WHERE {columns} = (?, ?, ?, ?, ?)", values).fetchone()
    if row is not None:
        return int(row[0])
    cursor = connection.execute(f"INSERT INTO models {columns} VALUES (?, ?, ?, ?, ?)", values)
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def pin(connections: Connections, connection: sqlite3.Connection, model: ModelKey) -> int:
    """Pin the gallery to the model, inside a write; returns the model's row id. Raises OtherModel."""
    pinned = active_model(connections)
    if pinned is not None and pinned != model:
        raise OtherModel(
            f"the gallery {connections.path} holds templates of {pinned}, not of {model}",
            remedy="other_weights" if pinned.name == model.name else "other_model",
            model=pinned.name,
            asked=model.name,
            path=connections.path,
        )
    model_id = made_row_of(connection, model)
    if pinned is None:
        connection.execute("UPDATE settings SET pinned_model_id = ?", (model_id,))
    return model_id


def unpin_if_empty(connection: sqlite3.Connection) -> None:
    """Unpin a gallery without templates, so that it can start with any model."""
    connection.execute(
        "UPDATE settings SET pinned_model_id = NULL WHERE NOT EXISTS (SELECT 1 FROM templates)"
    )
