"""Moving a gallery to another model while it is in use."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from enrollment_db.names import check_detector
from enrollment_db.records import FaceCrop, ModelKey, Pending, Start, Twin, now
from enrollment_db.sqlite.connections import Connections
from enrollment_db.sqlite.models import ACTIVE, SHOWN, made_row_of
from enrollment_db.sqlite.rows import to_blob, to_box, to_json, to_landmarks

DROPPED_AT_ONCE = 4096
"""The number of templates removed in one transaction: others may write between transactions."""

_TWIN_OF = "(n.sha256, n.identity_id, n.model_id) = (t.sha256, t.identity_id"
# CROSS JOIN: reads by template id, in the order of the file.
_PENDING = f"""
    SELECT t.id, i.name, t.source, lower(hex(t.sha256)), t.box, t.landmarks, t.model_id = {ACTIVE},
           c.picture, c.box, c.landmarks
    FROM templates t NOT INDEXED CROSS JOIN identities i ON i.id = t.identity_id
    LEFT JOIN crops c ON (c.sha256, c.identity_id) = (t.sha256, t.identity_id)
    WHERE t.id > ? AND t.model_id <> ? AND {SHOWN}
    AND NOT EXISTS (SELECT 1 FROM templates n WHERE {_TWIN_OF}, ?))
    ORDER BY t.id LIMIT ?
"""


class Migration:
    """Moves of the gallery to other models."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def changeover(self, model: ModelKey) -> Changeover:
        """The gallery's move to another model. Raises Locked, ReadOnly or DiskFull."""
        with self._connections.write() as connection:
            return Changeover(self._connections, made_row_of(connection, model), model)


class Changeover:
    """The move of one gallery to one model; `Migration.changeover` returns it.

    A *twin* is the template of the same photo of the same identity under another model. Twins under the new model are
    staged beside the old templates, one group at a time. Each group is on the disk when `stage` returns, so a run after
    an interruption continues from it. No search finds twins before `switch`.

    The order of calls: `start`; `pending` and `stage` until nothing is pending; `switch`. It returns False if a
    template was enrolled or removed meanwhile: then another round follows.
    """

    def __init__(self, connections: Connections, model_id: int, model: ModelKey) -> None:
        """`model_id` is the row of `model`, the new model."""
        self._connections = connections
        self._model_id = model_id
        self._model = model

    def start(self) -> Start:
        """Begin a pass; call it before the first `pending`."""
        ((model_id, seq),) = self._connections.query(
            f"SELECT {ACTIVE}, (SELECT seq FROM sqlite_sequence WHERE name = 'changes')"
        )
        return Start(model_id, int(seq or 0))

    def staged(self) -> int:
        """The number of templates of the new model."""
        ((count,),) = self._connections.query(
            "SELECT count(*) FROM templates WHERE model_id = ?", (self._model_id,)
        )
        return int(count)

    def shown(self) -> int:
        """The number of photos of all identities, with templates of any model."""
        ((count,),) = self._connections.query(f"SELECT count(*) FROM templates t WHERE {SHOWN}")
        return int(count)

    def pending(self, after_id: int, limit: int) -> list[Pending]:
        """The first `limit` templates after `after_id` that have no twin under the new model, by id.

        Each photo of an identity occurs once: with its template of the active model, or its newest one.
        """
        rows = self._connections.query(_PENDING, (after_id, self._model_id, self._model_id, limit))
        return [
            Pending(
                template_id=id_,
                name=name,
                source=source,
                sha256=sha256,
                box=None if box is None else to_box(box),
                landmarks=None if landmarks is None else to_landmarks(landmarks),
                active=bool(active),
                crop=None
                if picture is None
                else FaceCrop(picture, to_box(crop_box), to_landmarks(crop_landmarks)),
            )
            for id_, name, source, sha256, box, landmarks, active, picture, crop_box, crop_landmarks in rows
        ]

    def stage(self, twins: Sequence[Twin]) -> int:
        """Store twins under the new model, all or none; returns the number of new ones.

        A template that was removed meanwhile gets none. Raises BadTemplate for a vector that is not of the new
        model's dimension, Locked, ReadOnly or DiskFull.
        """
        rows = [
            (
                self._model_id,
                to_blob(twin.vector, self._model.dim, f"the new template for {twin.template_id}"),
                to_json(twin.box),
                to_json(twin.landmarks),
                check_detector(twin.detector),
                twin.template_id,
            )
            for twin in twins
        ]
        with self._connections.write() as connection:
            time = now()
            # The hash and the other columns are copied in this statement, so no writer can remove the template in
            # between.
            return connection.executemany(
                f"""
                INSERT INTO templates
                    (identity_id, model_id, vector, source, sha256, box, landmarks, quality, created_at, confirmed,
                     detector)
                SELECT identity_id, ?, ?, source, sha256, coalesce(box, ?), coalesce(landmarks, ?), quality, '{time}',
                       confirmed, CASE WHEN landmarks IS NULL THEN ? ELSE detector END
                FROM templates WHERE id = ?
                ON CONFLICT (sha256, identity_id, model_id) DO NOTHING
                """,
                rows,
            ).rowcount

    def switch(self, start: Start, after_id: int) -> bool:
        """Make the new model the active one, if the pass from `start` to `after_id` is still valid.

        The pass is not valid if templates were added or staged ones removed since, if the active model has changed, or
        if no template is left. Then this returns False and changes nothing. Templates that the pass left pending stay
        without a twin. Takes one short transaction.
        """
        with self._connections.write() as connection:
            active = self.start().model_id
            if (
                active is None
                or active != start.model_id
                or self._lost_since(connection, start.seq)
                or self.pending(after_id, 1)
            ):
                return False
            connection.execute("UPDATE settings SET pinned_model_id = ?", (self._model_id,))
            # Snapshots on disk are of the old model.
            self._connections.purge_on_commit()
        return True

    def drop_others(self) -> int:
        """Remove the templates of other models that have a twin under the active one; returns their number.

        Templates without a twin stay. The removed data are overwritten, as by `Templates.remove`.
        """
        dropped, after_id, began_at = 0, 0, self.start().seq
        while True:
            with self._connections.write() as connection:
                ids = connection.execute(
                    f"""
                    SELECT t.id FROM templates t NOT INDEXED WHERE t.id > ? AND t.model_id <> {ACTIVE}
                    AND EXISTS (SELECT 1 FROM templates n WHERE {_TWIN_OF}, {ACTIVE})) ORDER BY t.id LIMIT ?
                    """,
                    (after_id, DROPPED_AT_ONCE),
                ).fetchall()
                connection.executemany("DELETE FROM templates WHERE id = ?", ids)
                if not ids:
                    # Only once, since it waits for the disk.
                    self._connections.purge_on_commit(began_at)
                    return dropped
            dropped, after_id = dropped + len(ids), ids[-1][0]

    def unfindable(self) -> list[str]:
        """The names of the identities without a confirmed template of the active model that have one of another."""
        rows = self._connections.query(
            f"""
            SELECT name FROM identities i
            WHERE EXISTS (SELECT 1 FROM templates t WHERE t.identity_id = i.id AND t.confirmed)
            AND NOT EXISTS (
                SELECT 1 FROM templates t WHERE t.identity_id = i.id AND t.model_id = {ACTIVE} AND t.confirmed
            ) ORDER BY name
            """
        )
        return [str(name) for (name,) in rows]

    def _lost_since(self, connection: sqlite3.Connection, seq: int) -> bool:
        """Whether a template of the new model was removed since a place in the change log."""
        row = connection.execute(
            "SELECT 1 FROM changes WHERE seq > ? AND op = 'remove' AND model_id = ?", (seq, self._model_id)
        ).fetchone()
        return row is not None
