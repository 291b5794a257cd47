"""Thresholds with their provenance, and the active ones among them."""

from __future__ import annotations

import sqlite3

from enrollment_db.errors import UnknownPolicy
from enrollment_db.records import ModelKey, NewPolicy, StoredPolicy, TargetKind, now
from enrollment_db.sqlite import models
from enrollment_db.sqlite.connections import Connections
from enrollment_db.sqlite.rows import MODEL_COLUMNS, POLICY_COLUMNS, model_parameters, to_policy

_POLICIES = f"SELECT {POLICY_COLUMNS}, {MODEL_COLUMNS} FROM policies p JOIN models m ON m.id = p.model_id"


class Policies:
    """All policies that were ever stored. At most one policy of a model and kind is active.

    Every method raises DatabaseErrors if the file fails.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def all(self) -> list[StoredPolicy]:
        """All policies that were ever stored, oldest first."""
        return [to_policy(row) for row in self._connections.query(f"{_POLICIES} ORDER BY p.id")]

    def active(self, model: ModelKey, kind: TargetKind) -> StoredPolicy | None:
        """The active policy of this model and kind of target; None if there is none."""
        rows = self._connections.query(
            f"{_POLICIES} WHERE p.active AND p.kind = ? AND {models.SAME_MODEL}",
            (kind, *model_parameters(model)),
        )
        return to_policy(rows[0]) if rows else None

    def activate(self, policy: NewPolicy) -> int:
        """Store a new policy and make it the active one of its model and kind; returns its id."""
        with self._connections.write() as connection:
            return _insert(connection, models.made_row_of(connection, policy.model), policy)

    def restore(self, policy_id: int) -> None:
        """Make a stored policy the active one of its model and kind again. Raises UnknownPolicy."""
        with self._connections.write() as connection:
            _restore(connection, policy_id, self._connections.path)

    def withdraw(self, policy_id: int) -> None:
        """Deactivate this policy and activate the one before it, if there was one.

        Raises UnknownPolicy for a policy that is not active.
        """
        with self._connections.write() as connection:
            _withdraw(connection, policy_id, self._connections.path)


def _insert(connection: sqlite3.Connection, model_id: int, policy: NewPolicy) -> int:
    """Insert a policy as the active one, which follows the present one; returns its id."""
    before = connection.execute(
        "SELECT id FROM policies WHERE (model_id, kind) = (?, ?) AND active", (model_id, policy.kind)
    ).fetchone()
    if before is not None:
        _deactivate(connection, before[0])
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
        *(policy.low, policy.high, policy.calibration, policy.by_hand, policy.alike),
        *(time, 1, None if before is None else before[0], time),
    )
    cursor = connection.execute(
        """
        INSERT INTO policies (model_id, kind, target, threshold, data, mated, non_mated, low, high, calibration,
                              by_hand, alike, created_at, active, follows, since)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        values,
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _restore(connection: sqlite3.Connection, policy_id: int, path: str) -> None:
    _deactivate(connection, policy_id, path)
    connection.execute("UPDATE policies SET active = 1, since = ? WHERE id = ?", (now(), policy_id))


def _withdraw(connection: sqlite3.Connection, policy_id: int, path: str) -> None:
    row = connection.execute("SELECT follows FROM policies WHERE id = ? AND active", (policy_id,)).fetchone()
    if row is None:
        raise UnknownPolicy(f"policy {policy_id} is not active", path=path)
    if row[0] is None:
        _deactivate(connection, policy_id)
    else:
        _restore(connection, row[0], path)


def _deactivate(connection: sqlite3.Connection, policy_id: int, path: str | None = None) -> None:
    """Deactivate all policies of this policy's model and kind. Raises UnknownPolicy."""
    row = connection.execute("SELECT model_id, kind FROM policies WHERE id = ?", (policy_id,)).fetchone()
    if row is None:
        raise UnknownPolicy(f"there is no policy {policy_id}", path=path)
    connection.execute("UPDATE policies SET active = 0 WHERE (model_id, kind) = (?, ?)", row)
