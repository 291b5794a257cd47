"""What can be asked of a gallery."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from enrollment_db.errors import UnknownIdentity
from enrollment_db.names import clean_name
from enrollment_db.records import Changes, Identity, Listed, Loaded, Model, Policy, TargetKind, Template
from enrollment_db.rows import (
    MODEL_COLUMNS,
    to_batch,
    to_digest,
    to_ids,
    to_model,
    to_policy,
    to_template,
    to_vectors,
)
from enrollment_db.session import Session

# The counter rather than the greatest row, so that it stays right when the log is pruned one day.
_LAST_SEQ = "SELECT seq FROM sqlite_sequence WHERE name = 'changes'"
_PINNED = f"SELECT {MODEL_COLUMNS} FROM settings s JOIN models m ON m.id = s.pinned_model_id"
_IDENTITIES = """
    SELECT i.id, i.name, count(t.id), i.created_at
    FROM identities i JOIN templates t ON t.identity_id = i.id
"""
_POLICIES = f"""
    SELECT p.id, p.kind, p.target, p.threshold, p.data, p.mated, p.non_mated, p.low, p.high, p.created_at,
           p.active, {MODEL_COLUMNS}
    FROM policies p JOIN models m ON m.id = p.model_id
"""
_SAME_MODEL = "(m.name, m.weights_sha256, m.aligner, m.dim, m.metric) = (?, ?, ?, ?, ?)"


def model_parameters(model: Model) -> tuple[str, str, str, int, str]:
    """The values that belong to MODEL_COLUMNS."""
    return model.name, model.weights_sha256, model.aligner, model.dim, model.metric


class Reader:
    """The questions; Store adds the writes. Every method raises DatabaseErrors where the file fails it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def path(self) -> str:
        """The database file, as it was given."""
        return self._session.path

    @property
    def database_id(self) -> str:
        """32 hex digits by which this gallery is told from every other."""
        return str(self._session.query("SELECT database_id FROM settings")[0][0])

    def model(self) -> Model | None:
        """The network that the gallery is pinned to: that of its templates, None while it is empty."""
        rows = self._session.query(_PINNED)
        return to_model(rows[0]) if rows else None

    def counts(self) -> tuple[int, int]:
        """How many identities and templates there are."""
        rows = self._session.query(
            "SELECT (SELECT count(*) FROM identities), (SELECT count(*) FROM templates)"
        )
        identities, templates = rows[0]
        return identities, templates

    def identities(self) -> list[Identity]:
        """Everybody, by name."""
        return [Identity(*row) for row in self._session.query(f"{_IDENTITIES} GROUP BY i.id ORDER BY i.name")]

    def identity(self, name: str) -> Identity:
        """The identity of this name. Raises UnknownIdentity or BadName."""
        cleaned = clean_name(name)
        rows = self._session.query(f"{_IDENTITIES} WHERE i.name = ? GROUP BY i.id", (cleaned,))
        if not rows:
            raise UnknownIdentity(
                f"nobody is enrolled as {cleaned}", hint="see `faceid list`", path=self.path
            )
        return Identity(*rows[0])

    def templates(self, name: str) -> list[Template]:
        """The templates of an identity in the order of enrolment. Raises UnknownIdentity or BadName."""
        rows = self._session.query(
            f"""
            SELECT t.id, i.name, t.source, t.sha256, t.quality, t.box, t.landmarks, t.created_at,
                   {MODEL_COLUMNS}
            FROM templates t JOIN identities i ON i.id = t.identity_id JOIN models m ON m.id = t.model_id
            WHERE i.id = ? ORDER BY t.id
            """,
            (self.identity(name).id,),
        )
        return [to_template(row) for row in rows]

    def holders_of(self, sha256: str, model: Model) -> dict[str, int]:
        """Whose photo this is: the ids of its templates of this model by name, in the order of enrolment.

        Raises BadTemplate for what is no hash.
        """
        rows = self._session.query(
            f"""
            SELECT i.name, t.id FROM templates t
            JOIN identities i ON i.id = t.identity_id JOIN models m ON m.id = t.model_id
            WHERE t.sha256 = ? AND {_SAME_MODEL} ORDER BY t.id
            """,
            (to_digest(sha256), *model_parameters(model)),
        )
        return {str(name): int(id_) for name, id_ in rows}

    def identity_ids_of(self, template_ids: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) int64: the identity that each of n templates belongs to, -1 for an id that is not there."""
        wanted = [int(id_) for id_ in template_ids]
        found = dict(
            self._session.query(
                "SELECT id, identity_id FROM templates WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps(wanted),),
            )
        )
        return to_ids([found.get(id_, -1) for id_ in wanted])

    def names_of(self, identity_ids: Sequence[int] | NDArray[np.int64]) -> dict[int, str]:
        """The names by identity id; an id that is not there is left out."""
        return dict(
            self._session.query(
                "SELECT id, name FROM identities WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps([int(id_) for id_ in identity_ids]),),
            )
        )

    def vectors_of(self, identity_ids: Sequence[int] | NDArray[np.int64]) -> dict[int, NDArray[np.float32]]:
        """(n, d) float32 by identity id, in the order of enrolment; an id that is not there is left out."""
        rows = self._session.query(
            """
            SELECT t.identity_id, m.dim, t.vector FROM templates t JOIN models m ON m.id = t.model_id
            WHERE t.identity_id IN (SELECT value FROM json_each(?)) ORDER BY t.id
            """,
            (json.dumps([int(id_) for id_ in identity_ids]),),
        )
        blobs: dict[int, list[bytes]] = {}
        for identity_id, _, blob in rows:
            blobs.setdefault(identity_id, []).append(blob)
        return {id_: to_vectors(own, rows[0][1], self.path) for id_, own in blobs.items()}

    def last_seq(self) -> int:
        """How far the change log has come; 0 at first. Grows with every template added or removed."""
        rows = self._session.query(_LAST_SEQ)
        return int(rows[0][0]) if rows else 0

    def last_removal(self, after_seq: int) -> int | None:
        """The place in the change log of the last removal after `after_seq`; None if there is none."""
        rows = self._session.query(
            "SELECT max(seq) FROM changes WHERE seq > ? AND op = 'remove'", (after_seq,)
        )
        found: int | None = rows[0][0]
        return found

    def lineage(self, seq: int, template_id: int) -> str | None:
        """A hash by which the history up to `seq` is told from another one of the same gallery.

        There are two where a backup was restored and written to: places in the log and template ids are given
        out again then. It covers the last 256 entries up to `seq` with the photos that they brought, and when and
        of which photo the template was made; it is another one as soon as a template of those is removed. None if
        the template or the place is not there any more.
        """
        rows = self._session.query(
            """
            SELECT c.seq, c.op, c.template_id, c.identity_id, c.model_id, t.created_at, hex(t.sha256),
                   hex(own.sha256)
            FROM changes c JOIN templates t ON t.id = ? LEFT JOIN templates own ON own.id = c.template_id
            WHERE c.seq <= ? ORDER BY c.seq DESC LIMIT 256
            """,
            (template_id, seq),
        )
        if not rows or rows[0][0] != seq:
            return None
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def changes(self, after_seq: int, batch_size: int = 16_384) -> Iterator[Changes]:
        """The change log after `after_seq`, in stretches of at most `batch_size` entries.

        Each stretch is consistent in itself. Between two of them others may write: what they do comes later
        in the log, so that whoever applies all of it ends up with what the gallery holds.
        """
        while rows := self._session.query(
            f"""
            SELECT c.seq, c.op, c.template_id, t.identity_id, t.vector, {MODEL_COLUMNS}
            FROM changes c
            LEFT JOIN templates t ON t.id = c.template_id AND c.op = 'add'
            LEFT JOIN models m ON m.id = t.model_id
            WHERE c.seq > ? ORDER BY c.seq LIMIT ?
            """,
            (after_seq, batch_size),
        ):
            after_seq = rows[-1][0]
            alive = [row for row in rows if row[4] is not None]
            yield Changes(
                seq=after_seq,
                added=to_batch(
                    [row[2:5] for row in alive], to_model(alive[0][5:]) if alive else None, self.path
                ),
                removed=to_ids([row[2] for row in rows if row[1] == "remove"]),
            )

    def load_all(self, batch_size: int = 16_384) -> Generator[Loaded, None, None]:
        """All templates by id, in parts of at most `batch_size`, as of one moment.

        What others write meanwhile is not in it. There is always at least one part, since even an empty
        gallery has a place in its log. Close the iterator (or exhaust it) to give back the connection that it
        holds.
        """
        with self._session.snapshot() as connection, closing(connection.cursor()) as cursor:
            row = cursor.execute(_LAST_SEQ).fetchone()
            seq = int(row[0]) if row else 0
            row = cursor.execute(_PINNED).fetchone()
            model = to_model(row) if row else None
            cursor.execute("SELECT id, identity_id, vector FROM templates ORDER BY id")
            rows = cursor.fetchmany(batch_size)
            yield Loaded(seq, to_batch(rows, model, self.path))
            while rows := cursor.fetchmany(batch_size):
                yield Loaded(seq, to_batch(rows, model, self.path))

    def list_all(self, batch_size: int = 16_384) -> Generator[Listed, None, None]:
        """All templates by id with whose they are, in parts of at most `batch_size`, as of one moment.

        Nothing is yielded for an empty gallery. Close the iterator (or exhaust it) as that of `load_all`.
        """
        with self._session.snapshot() as connection, closing(connection.cursor()) as cursor:
            (total,) = cursor.execute("SELECT count(*) FROM templates").fetchone()
            row = cursor.execute(_PINNED).fetchone()
            dim = to_model(row).dim if row else 0
            cursor.execute(
                """
                SELECT i.name, t.vector, t.source, t.sha256
                FROM templates t JOIN identities i ON i.id = t.identity_id ORDER BY t.id
                """
            )
            while rows := cursor.fetchmany(batch_size):
                names, blobs, sources, digests = (list(column) for column in zip(*rows, strict=True))
                yield Listed(
                    total,
                    names,
                    to_vectors(blobs, dim, self.path),
                    sources,
                    [digest.hex() for digest in digests],
                )

    def policies(self) -> list[Policy]:
        """All thresholds that were ever put, oldest first."""
        return [to_policy(row) for row in self._session.query(f"{_POLICIES} ORDER BY p.id")]

    def active_policy(self, model: Model, kind: TargetKind) -> Policy | None:
        """The threshold in force for this model and kind of target, None before there is one."""
        rows = self._session.query(
            f"{_POLICIES} WHERE p.active AND p.kind = ? AND {_SAME_MODEL}", (kind, *model_parameters(model))
        )
        return to_policy(rows[0]) if rows else None

    def check(self) -> list[str]:
        """What is wrong with the database, one line each; empty if nothing is. Reads all of it."""
        problems = [str(row[0]) for row in self._session.query("PRAGMA integrity_check") if row[0] != "ok"]
        problems += [
            f"row {row} of {table} refers to a row of {parent} that is not there"
            for table, row, parent, _ in self._session.query("PRAGMA foreign_key_check")
        ]
        problems += [
            f"template {id_} has {length} bytes, not {expected}"
            for id_, length, expected in self._session.query(
                """
                SELECT t.id, length(t.vector), 4 * m.dim FROM templates t JOIN models m ON m.id = t.model_id
                WHERE length(t.vector) <> 4 * m.dim
                """
            )
        ]
        problems += [
            f"template {id_} is of another model than the gallery"
            for (id_,) in self._session.query(
                "SELECT t.id FROM templates t, settings s WHERE t.model_id IS NOT s.pinned_model_id"
            )
        ]
        problems += [
            f"identity {name} has no template"
            for (name,) in self._session.query(
                "SELECT name FROM identities WHERE id NOT IN (SELECT identity_id FROM templates)"
            )
        ]
        return problems
