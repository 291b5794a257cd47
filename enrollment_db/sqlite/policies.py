"""Which policy of a model and kind is in force: inside a write transaction of a Store."""

from __future__ import annotations

import sqlite3

from enrollment_db.errors import UnknownPolicy
from enrollment_db.records import NewPolicy
from enrollment_db.sqlite.schema import now


def insert(connection: sqlite3.Connection, model_id: int, policy: NewPolicy) -> int:
    """Put a new policy in force, after the one that was; returns its id."""
    before = connection.execute(
        "SELECT id FROM policies WHERE (model_id, kind) = (?, ?) AND active", (model_id, policy.kind)
    ).fetchone()
    if before is not None:
        _withdraw(connection, before[0])
    time = now()
    values = (
        *(
            model_id,
            policy.kind,
            policy.target,
            policy.threshold,
            policy.data,
            policy.mated,
            policy.non_mated,
        ),
        *(policy.low, policy.high, policy.calibration, policy.by_hand),
        *(time, 1, None if before is None else before[0], time),
    )
    cursor = connection.execute(
        """
        INSERT INTO policies (model_id, kind, target, threshold, data, mated, non_mated, low, high, calibration,
                              by_hand, created_at, active, follows, since)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        values,
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def restore(connection: sqlite3.Connection, policy_id: int, path: str) -> None:
    """Put a policy in force again, in place of the one that is. Raises UnknownPolicy."""
    _withdraw(connection, policy_id, path)
    connection.execute("UPDATE policies SET active = 1, since = ? WHERE id = ?", (now(), policy_id))


def withdraw(connection: sqlite3.Connection, policy_id: int, path: str) -> None:
    """Put what was in force before a policy in force again, if anything was.

    Raises UnknownPolicy for one that is not in force.
    """
    row = connection.execute("SELECT follows FROM policies WHERE id = ? AND active", (policy_id,)).fetchone()
    if row is None:
        raise UnknownPolicy(
            f"policy {policy_id} is not in force", hint="see `faceid policy history`", path=path
        )
    if row[0] is None:
        _withdraw(connection, policy_id)
    else:
        restore(connection, row[0], path)


def _withdraw(connection: sqlite3.Connection, policy_id: int, path: str | None = None) -> None:
    """Take what is in force of this policy's model and kind out of force."""
    row = connection.execute("SELECT model_id, kind FROM policies WHERE id = ?", (policy_id,)).fetchone()
    if row is None:
        raise UnknownPolicy(f"there is no policy {policy_id}", hint="see `faceid policy history`", path=path)
    connection.execute("UPDATE policies SET active = 0 WHERE (model_id, kind) = (?, ?)", row)
