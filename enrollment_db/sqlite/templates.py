"""The enrolled identities and their templates."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

import numpy as np
from numpy.typing import NDArray

from enrollment_db.errors import NameTaken, UnknownIdentity, UnknownTemplate
from enrollment_db.names import check_detector, clean_name
from enrollment_db.records import (
    Added,
    Enrolled,
    GallerySize,
    Identity,
    Listed,
    ModelKey,
    NewTemplate,
    Owners,
    Part,
    Template,
    TemplateState,
    Unconfirmed,
    now,
)
from enrollment_db.sqlite import gallery_size, insertion, journal, models, scored, states
from enrollment_db.sqlite.bulk import CACHE_KIB, insert_part, logged_together
from enrollment_db.sqlite.connections import Connections
from enrollment_db.sqlite.models import ACTIVE, SEARCHED, SHOWN
from enrollment_db.sqlite.rows import (
    MODEL_COLUMNS,
    model_parameters,
    to_blob,
    to_identity,
    to_json,
    to_model,
    to_state,
    to_template,
    to_vectors,
)
from enrollment_db.vectors import to_digest

_IDENTITIES = f"""
    SELECT i.id, i.name,
           (SELECT count(*) FROM templates t WHERE t.identity_id = i.id AND {SEARCHED}),
           i.created_at, i.attributes,
           (SELECT count(*) FROM templates t WHERE t.identity_id = i.id AND t.model_id = {ACTIVE} AND NOT t.confirmed)
    FROM identities i
"""


class Templates:
    """The identities and their templates. Every method raises DatabaseErrors if the file fails.

    Unless stated otherwise, methods read the confirmed templates of the active model, to which the gallery is pinned.

    Each write is one transaction, which is on the disk when the method returns. Three invariants hold: enrolment adds
    templates of the pinned model only, and a changeover those of another; an identity has at least one template, of any
    model; a gallery without templates is not pinned, so that it can start with another model.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A unit of work: all writes inside are committed together, or none. Faster than one commit each.

        This thread reads its own writes; other writers wait meanwhile. Raises Locked, ReadOnly or DiskFull.
        """
        with self._connections.write():
            yield

    def model(self) -> ModelKey | None:
        """The active model, of the templates that a search can find; None while the gallery is empty."""
        return models.active_model(self._connections)

    def counts(self) -> tuple[int, int]:
        """The number of identities and of templates that a search can find. Counts all of them."""
        ((identities, templates),) = self._connections.query(
            f"SELECT count(DISTINCT identity_id), count(*) FROM templates t WHERE {SEARCHED}"
        )
        return identities, templates

    def stored(self) -> int:
        """The number of templates of all models and states, an upper bound of `counts`. Fast, unlike that."""
        ((rows,),) = self._connections.query("SELECT count(*) FROM templates")
        return int(rows)

    def gallery_size(self, before: GallerySize | None = None) -> GallerySize:
        """The number of identities that a search can find now.

        With an earlier size, it reads only the later entries of the change log.
        """
        return gallery_size.size_now(self._connections, before)

    def identities(self) -> list[Identity]:
        """All identities, by name. For an identity with templates of other models only, `templates` is 0."""
        return [to_identity(row) for row in self._connections.query(f"{_IDENTITIES} ORDER BY i.name")]

    def identity(self, name: str) -> Identity:
        """The identity of this name. Raises UnknownIdentity or BadName."""
        cleaned = clean_name(name)
        rows = self._connections.query(f"{_IDENTITIES} WHERE i.name = ?", (cleaned,))
        if not rows:
            raise UnknownIdentity(f"no person is enrolled as {cleaned}", path=self._connections.path)
        return to_identity(rows[0])

    def of(self, name: str) -> list[Template]:
        """The templates of an identity in both states, one for each photo, by id.

        A photo without a template of the active model is represented by its newest one of another. Raises
        UnknownIdentity or BadName.
        """
        rows = self._connections.query(
            f"""
            SELECT t.id, i.name, t.source, t.sha256, t.quality, t.box, t.landmarks, t.created_at, t.confirmed,
                   t.detector, {MODEL_COLUMNS}
            FROM templates t JOIN identities i ON i.id = t.identity_id JOIN models m ON m.id = t.model_id
            WHERE i.id = ? AND {SHOWN} ORDER BY t.id
            """,
            (self.identity(name).id,),
        )
        return [to_template(row) for row in rows]

    def holders_of(
        self, sha256: str, model: ModelKey, *, state: TemplateState | None = None
    ) -> dict[str, int]:
        """The ids of the photo's templates of this model by name, in the order of enrolment.

        `state` None: those of both states. Raises BadTemplate for an invalid hash.
        """
        rows = self._connections.query(
            f"""
            SELECT i.name, t.id, t.confirmed FROM templates t
            JOIN identities i ON i.id = t.identity_id JOIN models m ON m.id = t.model_id
            WHERE t.sha256 = ? AND {models.SAME_MODEL} ORDER BY t.id
            """,
            (to_digest(sha256), *model_parameters(model)),
        )
        return {str(name): int(id_) for name, id_, kept in rows if state in (None, to_state(kept))}

    def identity_ids_of(self, template_ids: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) int64: the identity id of each of n confirmed templates of any model; -1 for any other id."""
        return scored.identity_ids_of(self._connections, template_ids)

    def owners_of(
        self, template_ids: Sequence[Sequence[int]] | NDArray[np.int64], model: ModelKey, most: int
    ) -> Owners:
        """The identities of these templates, and their templates of `model`, as of one moment.

        `template_ids` (m, k) are the nearest of m probes, nearest first. Ids that are not stored or not confirmed, and
        -1, are ignored. For each probe, returns the first `most` identities. Takes three queries at most,
        for any number of probes.
        """
        return scored.owners_of(self._connections, template_ids, model, most)

    def vectors_of(
        self, identity_ids: Sequence[int] | NDArray[np.int64], model: ModelKey | None = None
    ) -> dict[int, NDArray[np.float32]]:
        """(n, d) float32 by identity id, in the order of template ids; an identity that has none is left out.

        `model` defaults to the active model.
        """
        wanted = model or self.model()
        if wanted is None:
            return {}
        return scored.vectors_of(self._connections, identity_ids, wanted)

    def enrolled(
        self, identity_ids: Sequence[int] | NDArray[np.int64], model: ModelKey
    ) -> dict[int, Enrolled]:
        """The confirmed templates of some identities under `model`, in one query, for identities that have some."""
        return scored.enrolled(self._connections, identity_ids, model)

    def list_all(self, batch_size: int = 16_384) -> Generator[Listed, None, None]:
        """All templates that a search can find, by id, with their identities, as of one moment.

        They come in parts of at most `batch_size`; yields nothing if there are none. Close the iterator, or exhaust it,
        as that of `load_all`.
        """
        with self._connections.snapshot() as connection, closing(connection.cursor()) as cursor:
            (total,) = cursor.execute(f"SELECT count(*) FROM templates t WHERE {SEARCHED}").fetchone()
            row = cursor.execute(f"SELECT {MODEL_COLUMNS} FROM models m WHERE m.id = {ACTIVE}").fetchone()
            if row is None:
                return
            model = to_model(row)
            # CROSS JOIN: reads in the order of the file, without sorting.
            cursor.execute(
                f"""
                SELECT t.id, i.name, t.vector, t.source, t.sha256, t.detector
                FROM templates t NOT INDEXED CROSS JOIN identities i ON i.id = t.identity_id
                WHERE {SEARCHED} ORDER BY t.id
                """
            )
            while rows := cursor.fetchmany(batch_size):
                ids, names, blobs, sources, digests, detectors = (
                    list(column) for column in zip(*rows, strict=True)
                )
                yield Listed(
                    model,
                    total,
                    names,
                    to_vectors(blobs, ids, model.dim, self._connections.path),
                    sources,
                    [digest.hex() for digest in digests],
                    detectors,
                )

    def detectors(self) -> dict[str | None, int]:
        """The number of templates that a search can find, by the name of their detector. Counts all of them."""
        return dict(
            self._connections.query(f"SELECT detector, count(*) FROM templates t WHERE {SEARCHED} GROUP BY 1")
        )

    def unconfirmed(self, identity_ids: Sequence[int], model: ModelKey) -> dict[int, Unconfirmed]:
        """The unconfirmed templates of some identities under `model`, for identities that have some."""
        return states.unconfirmed_of(self._connections, identity_ids, model)

    def unconfirmed_counts(self) -> dict[str, int]:
        """The number of unconfirmed templates of each identity that has some, by name."""
        return states.unconfirmed_counts(self._connections)

    def was_confirmed(self, name: str) -> bool:
        """Whether a template of this identity is or was confirmed, under any model; False for an unknown name."""
        return states.was_confirmed(self._connections, clean_name(name))

    def confirm(self, template_ids: Sequence[int]) -> list[int]:
        """Confirm templates, all or none; returns the ids of those that were not confirmed before, ascending.

        From then on searches find them. Ids that are not stored are ignored. Raises Locked, ReadOnly or DiskFull.
        """
        with self._connections.write() as connection:
            return states.confirm(connection, template_ids)

    def add(
        self,
        name: str,
        templates: Sequence[NewTemplate],
        model: ModelKey,
        *,
        state: TemplateState = "confirmed",
    ) -> list[Added]:
        """Enrol templates under `name`, all or none; returns one result for each, in their order.

        A new identity is created. The first templates of a gallery pin the gallery to their model. A photo that this
        identity already has is a duplicate: the old template stays in its state, and so does its crop.

        Raises OtherModel, BadName, BadTemplate, Locked, ReadOnly or DiskFull.
        """
        cleaned = clean_name(name)
        rows = [
            (
                to_blob(
                    template.vector, model.dim, f"the template of {template.source or template.sha256[:12]}"
                ),
                template.source,
                to_digest(template.sha256),
                to_json(template.box),
                to_json(template.landmarks),
                template.quality,
                check_detector(template.detector),
            )
            for template in templates
        ]
        if not rows:
            return []
        with self._connections.write() as connection:
            model_id = models.pin(self._connections, connection, model)
            time = now()
            identity_id = insertion.identity_id(connection, cleaned, time)
            ends = (time, state == "confirmed")
            added = [insertion.add_template(connection, (identity_id, model_id, *row, *ends)) for row in rows]
            for template, (_, _, digest, *_) in zip(templates, rows, strict=True):
                if template.crop is not None:
                    insertion.keep_crop(connection, identity_id, digest, template.crop)
            return added

    def add_many(self, parts: Iterable[Part], model: ModelKey) -> int:
        """Enrol the templates of all parts, all or none; returns the number of new templates.

        Several times as fast as `add`, also for a million. An exception from the iterator of parts undoes everything.
        Raises as `add` does.
        """
        with self._connections.write(cache_kib=CACHE_KIB) as connection:
            model_id = models.pin(self._connections, connection, model)
            with logged_together(connection):
                return sum(insert_part(connection, model_id, model.dim, part) for part in parts)

    def rename(self, old: str, new: str) -> None:
        """Give an identity another name. Raises UnknownIdentity, NameTaken or BadName."""
        cleaned = clean_name(new)
        with self._connections.write() as connection:
            identity = self.identity(old)
            taken = connection.execute("SELECT id FROM identities WHERE name = ?", (cleaned,)).fetchone()
            if taken is not None and taken[0] != identity.id:
                raise NameTaken(
                    f"another identity has the name {cleaned}",
                    path=self._connections.path,
                )
            connection.execute("UPDATE identities SET name = ? WHERE id = ?", (cleaned, identity.id))

    def remove(self, name: str) -> int:
        """Erase an identity with its templates of all models; returns the number of its photos.

        The stored data are overwritten, in the write-ahead log too as soon as no process reads from it. Listeners erase
        them from snapshots of the index.

        Raises UnknownIdentity or BadName.
        """
        with self._connections.write() as connection:
            identity = self.identity(name)
            (photos,) = connection.execute(
                "SELECT count(DISTINCT sha256) FROM templates WHERE identity_id = ?", (identity.id,)
            ).fetchone()
            connection.execute("DELETE FROM identities WHERE id = ?", (identity.id,))
            journal.forget_person(connection, identity.name)
            self._after_removal(connection)
        return int(photos)

    def remove_template(self, template_id: int) -> str:
        """Erase one template, and its identity if it was the last one; returns the identity's name.

        Templates of the same photo under other models are erased too: the photo must not return when the model changes.
        Raises UnknownTemplate.
        """
        with self._connections.write() as connection:
            row = connection.execute(
                """
                SELECT i.id, i.name, t.sha256 FROM templates t JOIN identities i ON i.id = t.identity_id
                WHERE t.id = ?
                """,
                (template_id,),
            ).fetchone()
            if row is None:
                raise UnknownTemplate(
                    f"there is no template {template_id}",
                    path=self._connections.path,
                )
            identity_id, name, digest = row
            connection.execute(
                "DELETE FROM templates WHERE (sha256, identity_id) = (?, ?)", (digest, identity_id)
            )
            connection.execute(
                """
                DELETE FROM identities
                WHERE id = ? AND NOT EXISTS (SELECT 1 FROM templates WHERE identity_id = identities.id)
                """,
                (identity_id,),
            )
            self._after_removal(connection)
        return str(name)

    def set_attributes(self, name: str, attributes: Mapping[str, str]) -> None:
        """Replace the attributes of a person. Raises UnknownIdentity or BadName."""
        with self._connections.write() as connection:
            connection.execute(
                "UPDATE identities SET attributes = ? WHERE id = ?",
                (
                    json.dumps(dict(attributes), ensure_ascii=False) if attributes else None,
                    self.identity(name).id,
                ),
            )

    def _after_removal(self, connection: sqlite3.Connection) -> None:
        models.unpin_if_empty(connection)
        self._connections.purge_on_commit()
