"""The input of an index: the gallery's model, its change log, and all templates as of one moment."""

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

# If the log is ever pruned, it must keep its last entry.
_PLACE = f"""
    SELECT c.seq, c.mark, {MODEL_COLUMNS}
    FROM settings s
    LEFT JOIN models m ON m.id = s.pinned_model_id
    LEFT JOIN (SELECT seq, mark FROM changes ORDER BY seq DESC LIMIT 1) c
"""


class ChangeLog:
    """The change log and the templates that it records. Every method raises DatabaseErrors if the file fails.

    The *active* model is the one that the gallery is pinned to. Templates of other models are staged for a move to that
    model, or remain after one: they are in the log, but no search finds them.

    The log contains a template from its confirmation on.

    It contains only what is committed, for a thread inside a transaction too: an index must not follow what is undone.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @property
    def location(self) -> str:
        """The path of the database file, as the caller gave it."""
        return self._connections.path

    @property
    def file(self) -> str | None:
        """The database file: an index may leave snapshots beside it."""
        return self._connections.path

    @property
    def database_id(self) -> str:
        """The unique id of this gallery, 32 hex digits."""
        return str(self._connections.query("SELECT database_id FROM settings")[0][0])

    def model(self) -> ModelKey | None:
        """The active model, of the templates that a search can find; None while the gallery is empty."""
        return models.active_model(self._connections, committed=True)

    def place(self) -> tuple[Place, ModelKey | None]:
        """The newest entry of the change log, and `model`, as of one moment. One short query."""
        ((seq, mark, *model),) = self._connections.query(_PLACE, committed=True)
        return Place(seq or 0, mark or 0), None if model[0] is None else to_model(model)

    def has(self, place: Place) -> bool:
        """Whether the log contains `place`: not if a backup from before it was restored."""
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
        """The changes of one model in the log after `after_seq`, in stretches of at most `batch_size` entries.

        `model` defaults to the active one. Entries of other models are skipped: a stretch may be empty and still
        advances the place in the log.

        Each stretch is consistent in itself. Others may write between two stretches. Their changes come later in the
        log, so an index that applies the whole log has the content of the gallery.
        """
        wanted = model or self.model()
        model_id = None if wanted is None else models.row_of(self._connections, wanted, committed=True)
        while rows := self._connections.query(
            """
            SELECT c.seq, c.op, c.template_id, t.identity_id, t.vector, c.model_id IS ?, c.mark
            FROM changes c
            LEFT JOIN templates t ON t.id = c.template_id AND t.model_id = ? AND t.confirmed AND c.op = 'add'
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
        """The confirmed templates of the active model by id, in parts of at most `batch_size`, as of one moment.

        Later writes are not in it. There is always at least one part, since even an empty gallery has a place in its
        log. Close the iterator, or exhaust it, to release its connection.
        """
        with self._connections.snapshot() as connection, closing(connection.cursor()) as cursor:
            seq, mark, *columns = cursor.execute(_PLACE).fetchone()
            place = Place(seq or 0, mark or 0)
            model = None if columns[0] is None else to_model(columns)
            # Reads the table in order: with an index of models SQLite would look up each row by itself.
            cursor.execute(
                f"""
                SELECT id, identity_id, vector FROM templates t NOT INDEXED WHERE {models.SEARCHED} ORDER BY id
                """
            )
            rows = cursor.fetchmany(batch_size)
            yield Loaded(place, to_batch(rows, model, self.location))
            while rows := cursor.fetchmany(batch_size):
                yield Loaded(place, to_batch(rows, model, self.location))
