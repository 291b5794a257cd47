"""What an index follows: the gallery's model, its change log, and a load of all as of one moment."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from enrollment_db.records import NOWHERE, Changes, Loaded, ModelKey, Place
from enrollment_db.sqlite import models
from enrollment_db.sqlite.connections import Connections
from enrollment_db.sqlite.rows import MODEL_COLUMNS, to_batch, to_ids, to_model

# A log that is pruned one day must keep its last entry.
_PLACE = f"""
    SELECT c.seq, c.mark, {MODEL_COLUMNS}
    FROM settings s
    LEFT JOIN models m ON m.id = s.pinned_model_id
    LEFT JOIN (SELECT seq, mark FROM changes ORDER BY seq DESC LIMIT 1) c
"""


class ChangeLog:
    """The change log with what it is the log of. Every method raises DatabaseErrors where the file fails it.

    The *active* model is the one that the gallery is pinned to. Templates of other models are staged for a
    change of the model, or left from one: they are in the log, but no search finds them.

    All of it is what is committed, also for a thread inside a transaction: what that undoes no index may have followed.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @property
    def location(self) -> str:
        """The database file, as it was given."""
        return self._connections.path

    @property
    def file(self) -> str | None:
        """The database file: an index may leave snapshots beside it."""
        return self._connections.path

    @property
    def database_id(self) -> str:
        """32 hex digits by which this gallery is told from every other."""
        return str(self._connections.query("SELECT database_id FROM settings")[0][0])

    def model(self) -> ModelKey | None:
        """The active model: that of the templates that can be found; None while the gallery is empty."""
        return models.active_model(self._connections, committed=True)

    def place(self) -> tuple[Place, ModelKey | None]:
        """How far the change log has come, and `model`, as of one moment, in one short query."""
        ((seq, mark, *model),) = self._connections.query(_PLACE, committed=True)
        return Place(seq or 0, mark or 0), None if model[0] is None else to_model(model)

    def has(self, place: Place) -> bool:
        """Whether the log went through `place`: not if a backup from before it was restored."""
        if place == NOWHERE:
            return True
        return bool(
            self._connections.query(
                "SELECT 1 FROM changes WHERE (seq, mark) = (?, ?)", (place.seq, place.mark), committed=True
            )
        )

    def last_removal(self, after_seq: int) -> int | None:
        """The place in the change log of the last removal after `after_seq`; None if there is none."""
        rows = self._connections.query(
            "SELECT max(seq) FROM changes WHERE seq > ? AND op = 'remove'", (after_seq,), committed=True
        )
        found: int | None = rows[0][0]
        return found

    def holds_any(self, template_ids: NDArray[np.int64]) -> bool:
        """Whether one of (n,) template ids is stored now, under any model."""
        rows = self._connections.query(
            "SELECT EXISTS (SELECT 1 FROM templates WHERE id IN (SELECT value FROM json_each(?)))",
            (json.dumps(template_ids.tolist()),),
            committed=True,
        )
        return bool(rows[0][0])

    def since(
        self, after_seq: int, model: ModelKey | None = None, batch_size: int = 16_384
    ) -> Iterator[Changes]:
        """What the change log after `after_seq` says of one model, in stretches of at most `batch_size` entries.

        `model` is the active one where none is given. Entries of other models are passed over: a stretch may be
        empty, and moves the place in the log all the same.

        Each stretch is consistent in itself. Between two of them others may write: what they do comes later
        in the log, so that who applies all of it ends up with what the gallery holds.
        """
        wanted = model or self.model()
        model_id = None if wanted is None else models.row_of(self._connections, wanted, committed=True)
        while rows := self._connections.query(
            """
            SELECT c.seq, c.op, c.template_id, t.identity_id, t.vector, c.model_id IS ?, c.mark
            FROM changes c
            LEFT JOIN templates t ON t.id = c.template_id AND t.model_id = ? AND c.op = 'add'
            WHERE c.seq > ? ORDER BY c.seq LIMIT ?
            """,
            (model_id, model_id, after_seq, batch_size),
            committed=True,
        ):
            after_seq = rows[-1][0]
            alive = [row[2:5] for row in rows if row[4] is not None]
            yield Changes(
                place=Place(after_seq, rows[-1][6]),
                added=to_batch(alive, wanted if alive else None, self.location),
                removed=to_ids([row[2] for row in rows if row[1] == "remove" and row[5]]),
            )

    def load_all(self, batch_size: int = 16_384) -> Generator[Loaded, None, None]:
        """All templates of the active model by id, in parts of at most `batch_size`, as of one moment.

        What others write meanwhile is not in it. There is always at least one part, since even an empty
        gallery has a place in its log. Close the iterator (or exhaust it) to give back the connection that it
        holds.
        """
        with self._connections.snapshot() as connection, closing(connection.cursor()) as cursor:
            seq, mark, *columns = cursor.execute(_PLACE).fetchone()
            place = Place(seq or 0, mark or 0)
            model = None if columns[0] is None else to_model(columns)
            # Read as they lie in the file: by an index of models each row would be looked up on its own.
            cursor.execute(
                """
                SELECT id, identity_id, vector FROM templates NOT INDEXED
                WHERE model_id = (SELECT pinned_model_id FROM settings) ORDER BY id
                """
            )
            rows = cursor.fetchmany(batch_size)
            yield Loaded(place, to_batch(rows, model, self.location))
            while rows := cursor.fetchmany(batch_size):
                yield Loaded(place, to_batch(rows, model, self.location))
