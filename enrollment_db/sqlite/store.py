"""The gallery: the truth about who is enrolled."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from enrollment_db.errors import NameTaken, OtherModel, UnknownTemplate
from enrollment_db.names import clean_name
from enrollment_db.records import Added, FaceCrop, Model, NewPolicy, NewTemplate
from enrollment_db.sqlite import outcomes, policies
from enrollment_db.sqlite.bulk import CACHE_KIB, Part, insert_part, logged_together
from enrollment_db.sqlite.changeover import Changeover
from enrollment_db.sqlite.reader import Reader
from enrollment_db.sqlite.rows import model_parameters, to_blob, to_digest, to_json
from enrollment_db.sqlite.schema import now
from enrollment_db.sqlite.session import Session

_TemplateRow: TypeAlias = tuple[int, int, bytes, str | None, bytes, str | None, str | None, float | None, str]


class Store(Reader):
    """A gallery file that is open.

    Several processes may read and write one file at once; a writer waits up to `timeout_s` for another.
    Threads may share a Store: its calls are taken in turn. After a fork, open another.

    Each write is one transaction, which is on the disk when the method returns. Three things always hold: what
    is enrolled is of the pinned model, and only a changeover adds templates of another; an identity has at least
    one template, of whatever model; a gallery without templates is pinned to no model, so that it can start again
    with another.
    """

    @classmethod
    def open(
        cls, path: str | Path, *, create: bool = True, read_only: bool = False, timeout_s: float = 5.0
    ) -> Store:
        """Open the gallery at `path`; with `create`, make it and its directory where there is none.

        `read_only` makes nothing and refuses writes. It opens files that may not be written, too; where not
        even the directory may be, it shows the gallery as it was on opening.

        Raises Missing, Corrupt, NotAGallery, Locked, ReadOnly, NewerSchema, DiskFull or DatabaseError.
        """
        return cls(
            Session.open(Path(path).expanduser(), create=create, read_only=read_only, timeout_s=timeout_s)
        )

    def close(self) -> None:
        """Give the file back."""
        self._session.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all writes inside one: they are committed together, and faster than one by one, or not at all.

        Other writers, and other threads of this Store, wait meanwhile. Raises Locked, ReadOnly or DiskFull.
        """
        with self._session.write():
            yield

    def add(self, name: str, templates: Sequence[NewTemplate], model: Model) -> list[Added]:
        """Enrol templates under `name`, one result each in their order; all are stored or none.

        The identity is created if it is new, and the first templates of a gallery pin it to their model. A
        photo that this identity has already is a duplicate: the old template stays, as does a crop.

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
            )
            for template in templates
        ]
        if not rows:
            return []
        with self._session.write() as connection:
            model_id = self._pin(connection, model)
            time = now()
            identity_id = _identity_id(connection, cleaned, time)
            added = [_add(connection, (identity_id, model_id, *row, time)) for row in rows]
            for template, (_, _, digest, *_) in zip(templates, rows, strict=True):
                if template.crop is not None:
                    _keep(connection, identity_id, digest, template.crop)
            return added

    def add_many(self, parts: Iterable[Part], model: Model) -> int:
        """Enrol the templates of all parts, all of them or none; returns how many were new.

        Several times as fast as `add`, and no slower for a million. What making the parts raises undoes all.
        Raises as `add` does.
        """
        with self._session.write(cache_kib=CACHE_KIB) as connection:
            model_id = self._pin(connection, model)
            with logged_together(connection):
                return sum(insert_part(connection, model_id, model.dim, part) for part in parts)

    def rename(self, old: str, new: str) -> None:
        """Give an identity another name. Raises UnknownIdentity, NameTaken or BadName."""
        cleaned = clean_name(new)
        with self._session.write() as connection:
            identity = self.identity(old)
            taken = connection.execute("SELECT id FROM identities WHERE name = ?", (cleaned,)).fetchone()
            if taken is not None and taken[0] != identity.id:
                raise NameTaken(
                    f"somebody else is enrolled as {cleaned}",
                    hint="choose another name, or `faceid remove` one of the two",
                    path=self.path,
                )
            connection.execute("UPDATE identities SET name = ? WHERE id = ?", (cleaned, identity.id))

    def remove(self, name: str) -> int:
        """Forget an identity and all its templates, of all models; returns of how many photos they were.

        What was stored is overwritten, in the write-ahead log too as soon as nobody reads from it. Snapshots of
        the index are removed.

        Raises UnknownIdentity or BadName.
        """
        with self._session.write() as connection:
            identity = self.identity(name)
            (photos,) = connection.execute(
                "SELECT count(DISTINCT sha256) FROM templates WHERE identity_id = ?", (identity.id,)
            ).fetchone()
            connection.execute("DELETE FROM identities WHERE id = ?", (identity.id,))
            outcomes.forget_person(connection, identity.name)
            self._after_removal(connection)
        return int(photos)

    def remove_template(self, template_id: int) -> str:
        """Forget one template, and its identity with it if it was the last; returns the identity's name.

        The same photo's templates of other models go with it: it must not come back when the model changes.
        Raises UnknownTemplate.
        """
        with self._session.write() as connection:
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
                    hint="see `faceid show NAME` for the ids",
                    path=self.path,
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

    def keep_outcomes(self, run: str, name: str, decided: Iterable[tuple[str, str]]) -> None:
        """Keep what an unfinished `run` decided about photos of `name`: pairs of SHA-256 and outcome."""
        with self._session.write() as connection:
            outcomes.insert(connection, run, clean_name(name), decided)

    def forget_outcomes(self, run: str, names: Iterable[str]) -> None:
        """Remove what a run that has ended decided about photos of `names`, and what is old of all runs."""
        with self._session.write() as connection:
            outcomes.forget(connection, run, names)

    def set_attributes(self, name: str, attributes: Mapping[str, str]) -> None:
        """Say what is known of a person, in place of what was. Raises UnknownIdentity or BadName."""
        with self._session.write() as connection:
            connection.execute(
                "UPDATE identities SET attributes = ? WHERE id = ?",
                (
                    json.dumps(dict(attributes), ensure_ascii=False) if attributes else None,
                    self.identity(name).id,
                ),
            )

    def put_policy(self, policy: NewPolicy) -> int:
        """Put a threshold in force; returns its id. The one of the same model and kind before it is kept."""
        with self._session.write() as connection:
            return policies.insert(connection, _model_id(connection, policy.model), policy)

    def restore_policy(self, policy_id: int) -> None:
        """Put a stored policy in force again, in place of the one of its model and kind. Raises UnknownPolicy."""
        with self._session.write() as connection:
            policies.restore(connection, policy_id, self.path)

    def withdraw_policy(self, policy_id: int) -> None:
        """Put what was in force before this policy in force again: an older policy, or none.

        Raises UnknownPolicy for one that is not in force.
        """
        with self._session.write() as connection:
            policies.withdraw(connection, policy_id, self.path)

    def changeover(self, model: Model) -> Changeover:
        """The gallery's way to another model. Raises Locked, ReadOnly or DiskFull."""
        with self._session.write() as connection:
            return Changeover(self._session, _model_id(connection, model), model)

    def _pin(self, connection: sqlite3.Connection, model: Model) -> int:
        """The model's row id, to which the gallery is pinned afterwards. Raises OtherModel."""
        pinned = self.model()
        if pinned is not None and model_parameters(pinned) != model_parameters(model):
            way_out = f"use another gallery with --db, or `faceid re-embed --to {model.name}`"
            if pinned.name != model.name:
                way_out = f"use --model {pinned.name}, {way_out.removeprefix('use ')}"
            raise OtherModel(
                f"the gallery {self.path} holds templates of {pinned}, not of {model}",
                hint=way_out,
                path=self.path,
            )
        model_id = _model_id(connection, model)
        if pinned is None:
            connection.execute("UPDATE settings SET pinned_model_id = ?", (model_id,))
        return model_id

    def _after_removal(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "UPDATE settings SET pinned_model_id = NULL WHERE NOT EXISTS (SELECT 1 FROM templates)"
        )
        self._session.purge_on_commit()


def _identity_id(connection: sqlite3.Connection, name: str, time: str) -> int:
    """The identity's row id; the row is made if it is new."""
    row = connection.execute("SELECT id FROM identities WHERE name = ?", (name,)).fetchone()
    if row is not None:
        return int(row[0])
    return _inserted(
        connection.execute("INSERT INTO identities (name, created_at) VALUES (?, ?)", (name, time))
    )


def _model_id(connection: sqlite3.Connection, model: Model) -> int:
    """The model's row id; the row is made if it is new."""
    columns = "(name, weights_sha256, aligner, dim, metric)"
    values = model_parameters(model)
    row = connection.execute(f"SELECT id FROM models WHERE {columns} = (?, ?, ?, ?, ?)", values).fetchone()
    if row is not None:
        return int(row[0])
    return _inserted(connection.execute(f"INSERT INTO models {columns} VALUES (?, ?, ?, ?, ?)", values))


def _add(connection: sqlite3.Connection, row: _TemplateRow) -> Added:
    """Insert a row of templates without its id, unless the identity has its photo already."""
    identity_id, model_id, _, _, digest, *_ = row
    found = connection.execute(
        "SELECT id FROM templates WHERE (sha256, identity_id, model_id) = (?, ?, ?)",
        (digest, identity_id, model_id),
    ).fetchone()
    if found is not None:
        return Added(found[0], duplicate=True)
    cursor = connection.execute(
        """
        INSERT INTO templates
            (identity_id, model_id, vector, source, sha256, box, landmarks, quality, created_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        row,
    )
    return Added(_inserted(cursor), duplicate=False)


def _keep(connection: sqlite3.Connection, identity_id: int, digest: bytes, crop: FaceCrop) -> None:
    """Store the crop of an identity's photo, unless it is there already."""
    connection.execute(
        """
        INSERT INTO crops (identity_id, sha256, picture, box, landmarks) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (sha256, identity_id) DO NOTHING
        """,
        (identity_id, digest, crop.picture, to_json(crop.box), to_json(crop.landmarks)),
    )


def _inserted(cursor: sqlite3.Cursor) -> int:
    """The id of the row that the cursor has just inserted."""
    assert cursor.lastrowid is not None
    return cursor.lastrowid
