"""What can be asked of a gallery."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrollment_db.errors import UnknownIdentity
from enrollment_db.names import clean_name
from enrollment_db.records import Enrolled, GallerySize, Identity, Listed, Model, Policy, TargetKind, Template
from enrollment_db.sqlite import outcomes
from enrollment_db.sqlite.log import Log
from enrollment_db.sqlite.rows import (
    MODEL_COLUMNS,
    POLICY_COLUMNS,
    model_parameters,
    to_digest,
    to_identity,
    to_ids,
    to_model,
    to_policy,
    to_template,
    to_vectors,
)

ACTIVE = "(SELECT pinned_model_id FROM settings)"
"""The active model's row; NULL while the gallery is empty."""

_IDENTITIES = f"""
    SELECT i.id, i.name,
           (SELECT count(*) FROM templates t WHERE t.identity_id = i.id AND t.model_id = {ACTIVE}),
           i.created_at, i.attributes
    FROM identities i
"""
_POLICIES = f"SELECT {POLICY_COLUMNS}, {MODEL_COLUMNS} FROM policies p JOIN models m ON m.id = p.model_id"
_SAME_MODEL = f"({MODEL_COLUMNS}) = (?, ?, ?, ?, ?)"

SHOWN = f"""
    (t.model_id = {ACTIVE} OR NOT EXISTS (
        SELECT 1 FROM templates o
        WHERE (o.sha256, o.identity_id) = (t.sha256, t.identity_id) AND (o.model_id = {ACTIVE} OR o.id > t.id)
    ))
"""
"""One template a photo and identity: that of the active model, or the newest of another where there is none."""

_GALLERY_SIZE_BY_LOG = 16_384
_NOW = f"""
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0),
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'templates'), 0),
    {ACTIVE}
"""
_GALLERY_SIZE = (
    f"SELECT {_NOW}, (SELECT count(DISTINCT identity_id) FROM templates WHERE model_id = {ACTIVE})"
)
# Parameters: seq, newest_id and model_id of the gallery_size before. An identity in the log since then has a template
# now, or has not; and had one before, or had not: one that is there still, or was removed meanwhile. Ids ascend, so
# those from before are at most newest_id.
_GAINED = f"""
    SELECT {_NOW}, (
        SELECT coalesce(sum(
            EXISTS (
                SELECT 1 FROM templates t WHERE t.identity_id = h.identity_id AND t.model_id = ?3
            ) - (h.removed OR EXISTS (
                SELECT 1 FROM templates t WHERE t.identity_id = h.identity_id AND t.model_id = ?3 AND t.id <= ?2
            ))
        ), 0)
        FROM (
            SELECT identity_id, max(op = 'remove' AND template_id <= ?2) AS removed FROM (
                SELECT op, template_id, identity_id, model_id FROM changes WHERE seq > ?1
                ORDER BY seq LIMIT {_GALLERY_SIZE_BY_LOG}
            ) WHERE model_id = ?3 GROUP BY identity_id
        ) h
    )
"""


class Reader(Log):
    """The questions; Store adds the writes. Every method raises DatabaseErrors where the file fails it.

    Where nothing else is said, they are about the templates of the active model (see Log).
    """

    def counts(self) -> tuple[int, int]:
        """How many identities and templates can be found: those of the active model. Counts all of them."""
        ((identities, templates),) = self._session.query(
            f"SELECT count(DISTINCT identity_id), count(*) FROM templates WHERE model_id = {ACTIVE}"
        )
        return identities, templates

    def stored(self) -> int:
        """How many templates there are of all models: no more can be found. Cheap, unlike `counts`."""
        ((rows,),) = self._session.query("SELECT count(*) FROM templates")
        return int(rows)

    def gallery_size(self, before: GallerySize | None = None) -> GallerySize:
        """How many identities can be found now.

        Given the gallery_size of some time before, it looks only at what the change log says has happened since.
        """
        if before is not None:
            ((seq, newest_id, model_id, gained),) = self._session.query(_GAINED, before[:3])
            if model_id == before.model_id and 0 <= seq - before.seq <= _GALLERY_SIZE_BY_LOG:
                return GallerySize(seq, newest_id, model_id, before.identities + gained)
        ((seq, newest_id, model_id, identities),) = self._session.query(_GALLERY_SIZE)
        return GallerySize(seq, newest_id, model_id, identities)

    def identities(self) -> list[Identity]:
        """Everybody, by name; an identity whose templates are all of other models has none to be found."""
        return [to_identity(row) for row in self._session.query(f"{_IDENTITIES} ORDER BY i.name")]

    def identity(self, name: str) -> Identity:
        """The identity of this name. Raises UnknownIdentity or BadName."""
        cleaned = clean_name(name)
        rows = self._session.query(f"{_IDENTITIES} WHERE i.name = ?", (cleaned,))
        if not rows:
            raise UnknownIdentity(
                f"nobody is enrolled as {cleaned}", hint="see `faceid list`", path=self.path
            )
        return to_identity(rows[0])

    def outcomes(self, run: str) -> dict[tuple[str, str], str]:
        """What is kept of the outcomes of an unfinished run, by name and SHA-256."""
        return dict(
            outcomes.told(
                self._session.query("SELECT name, sha256, outcome FROM outcomes WHERE run = ?", (run,))
            )
        )

    def templates(self, name: str) -> list[Template]:
        """The templates of an identity, one a photo, by id. Raises UnknownIdentity or BadName.

        A photo that has no template of the active model is there with its newest one of another.
        """
        rows = self._session.query(
            f"""
            SELECT t.id, i.name, t.source, t.sha256, t.quality, t.box, t.landmarks, t.created_at,
                   {MODEL_COLUMNS}
            FROM templates t JOIN identities i ON i.id = t.identity_id JOIN models m ON m.id = t.model_id
            WHERE i.id = ? AND {SHOWN} ORDER BY t.id
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
        """(n,) int64: whose each of n templates, of any model, is; -1 for an id that is not there."""
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

    def vectors_of(
        self, identity_ids: Sequence[int] | NDArray[np.int64], model: Model | None = None
    ) -> dict[int, NDArray[np.float32]]:
        """(n, d) float32 by identity id, by template id; an identity that has none is left out.

        They are of `model`, or of the active model where none is given.
        """
        wanted = model or self.model()
        if wanted is None:
            return {}
        rows = self._session.query(
            """
            SELECT identity_id, vector FROM templates
            WHERE identity_id IN (SELECT value FROM json_each(?)) AND model_id = ? ORDER BY id
            """,
            (json.dumps([int(id_) for id_ in identity_ids]), self._model_id(wanted)),
        )
        blobs: dict[int, list[bytes]] = {}
        for identity_id, blob in rows:
            blobs.setdefault(identity_id, []).append(blob)
        return {id_: to_vectors(own, wanted.dim, self.path) for id_, own in blobs.items()}

    def enrolled(self, identity_ids: Sequence[int] | NDArray[np.int64], model: Model) -> dict[int, Enrolled]:
        """All that is known of some identities' templates of `model`, in one query; who has none is left out."""
        rows = self._session.query(
            """
            SELECT i.id, i.name, t.id, t.vector, t.quality, t.created_at
            FROM templates t JOIN identities i ON i.id = t.identity_id
            WHERE t.identity_id IN (SELECT value FROM json_each(?)) AND t.model_id = ? ORDER BY t.id
            """,
            (json.dumps([int(id_) for id_ in identity_ids]), self._model_id(model)),
        )
        own: dict[int, list[tuple[Any, ...]]] = {}
        for row in rows:
            own.setdefault(row[0], []).append(row)
        found = {}
        for id_, templates in own.items():
            _, names, ids, blobs, qualities, times = zip(*templates, strict=True)
            found[id_] = Enrolled(
                names[0], to_ids(ids), to_vectors(blobs, model.dim, self.path), qualities, times
            )
        return found

    def list_all(self, batch_size: int = 16_384) -> Generator[Listed, None, None]:
        """All templates that can be found, by id, with whose they are, as of one moment.

        They come in parts of at most `batch_size`; nothing is yielded where there are none. Close the iterator (or
        exhaust it) as that of `load_all`.
        """
        with self._session.snapshot() as connection, closing(connection.cursor()) as cursor:
            (total,) = cursor.execute(f"SELECT count(*) FROM templates WHERE model_id = {ACTIVE}").fetchone()
            row = cursor.execute(f"SELECT {MODEL_COLUMNS} FROM models m WHERE m.id = {ACTIVE}").fetchone()
            if row is None:
                return
            model = to_model(row)
            # CROSS JOIN: as they lie in the file, without sorting.
            cursor.execute(
                f"""
                SELECT i.name, t.vector, t.source, t.sha256
                FROM templates t NOT INDEXED CROSS JOIN identities i ON i.id = t.identity_id
                WHERE t.model_id = {ACTIVE} ORDER BY t.id
                """
            )
            while rows := cursor.fetchmany(batch_size):
                names, blobs, sources, digests = (list(column) for column in zip(*rows, strict=True))
                yield Listed(
                    model,
                    total,
                    names,
                    to_vectors(blobs, model.dim, self.path),
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
            f"the gallery has templates and no model: nobody finds {count} of them"
            for (count,) in self._session.query(
                "SELECT count(*) FROM templates, settings s WHERE s.pinned_model_id IS NULL"
            )
            if count
        ]
        problems += [
            f"crop {id_} is of a photo that has no template"
            for (id_,) in self._session.query(
                """
                SELECT id FROM crops c WHERE NOT EXISTS (
                    SELECT 1 FROM templates t WHERE (t.sha256, t.identity_id) = (c.sha256, c.identity_id)
                )
                """
            )
        ]
        problems += [
            f"identity {name} has no template"
            for (name,) in self._session.query(
                "SELECT name FROM identities WHERE id NOT IN (SELECT identity_id FROM templates)"
            )
        ]
        return problems
