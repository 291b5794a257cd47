"""The ports of a database of people and vectors, as Protocols: implementations need not import this file.

A database has five parts. `tests/contract` has a suite for each part. Every implementation passes them:
`enrollment_db.sqlite` (the store on one machine) and `enrollment_db.memory` (a fake for tests).

Every method raises a `DatabaseError` if the database fails. Docstrings name only further errors.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from enrollment_db.records import (
    Added,
    Changes,
    Enrolled,
    GallerySize,
    Identity,
    Listed,
    Loaded,
    ModelKey,
    NewPolicy,
    NewTemplate,
    Owners,
    Part,
    Pending,
    Place,
    Start,
    StoredPolicy,
    TargetKind,
    Template,
    TemplateState,
    Twin,
    Unconfirmed,
)

Ids: TypeAlias = Sequence[int] | NDArray[np.int64]


class TemplateRepository(Protocol):
    """The identities and their templates.

    Unless stated otherwise, methods read the confirmed templates of the active model, to which the gallery is pinned.
    No search and no score uses an unconfirmed one. Each write is one transaction. It is durable when the method
    returns.
    """

    def transaction(self) -> AbstractContextManager[None]:
        """A unit of work: all writes of this thread inside are committed together, or none on an exception.

        Inside another unit it is a part of that unit. Only this thread reads its own uncommitted writes.
        """
        ...

    def model(self) -> ModelKey | None:
        """The active model; None while the gallery is empty."""
        ...

    def counts(self) -> tuple[int, int]:
        """The number of identities and of templates that a search can find. Counts all of them."""
        ...

    def stored(self) -> int:
        """The number of templates of all models and states. Fast."""
        ...

    def gallery_size(self, before: GallerySize | None = None) -> GallerySize:
        """The number of identities that a search can find. With an earlier size, reads only the changes since."""
        ...

    def identities(self) -> list[Identity]:
        """All identities, by name."""
        ...

    def identity(self, name: str) -> Identity:
        """The identity of this name. Raises UnknownIdentity or BadName."""
        ...

    def of(self, name: str) -> list[Template]:
        """The templates of an identity in both states, one for each photo, by id. Raises UnknownIdentity or BadName."""
        ...

    def holders_of(
        self, sha256: str, model: ModelKey, *, state: TemplateState | None = None
    ) -> dict[str, int]:
        """The template ids of the photo with this hash (hex) by name, in the order of enrolment. Raises BadTemplate.

        `state` None: those of both states.
        """
        ...

    def identity_ids_of(self, template_ids: Ids) -> NDArray[np.int64]:
        """(n,) int64: the identity id of each of n confirmed templates of any model; -1 for any other id."""
        ...

    def owners_of(
        self, template_ids: Sequence[Sequence[int]] | NDArray[np.int64], model: ModelKey, most: int
    ) -> Owners:
        """The identities of the templates (m, k), and all vectors of those identities, as of one moment.

        The ids are the nearest templates of m probes, nearest first. -1 and ids that are not stored, or not confirmed,
        are ignored. For each probe, returns the first `most` identities. Takes one round trip for any number of probes.
        """
        ...

    def vectors_of(self, identity_ids: Ids, model: ModelKey | None = None) -> dict[int, NDArray[np.float32]]:
        """(n, d) float32 by identity id, of `model` or the active one; an identity without templates is left out."""
        ...

    def enrolled(self, identity_ids: Ids, model: ModelKey) -> dict[int, Enrolled]:
        """The templates of some identities under `model`, with quality and time, for identities that have some."""
        ...

    def list_all(self, batch_size: int = 16_384) -> Generator[Listed, None, None]:
        """All templates that a search can find, by id, as of one moment; yields nothing if there are none.

        Close the iterator, or exhaust it.
        """
        ...

    def detectors(self) -> dict[str | None, int]:
        """The number of templates of each detector, as in NewTemplate. Counts all of them."""
        ...

    def unconfirmed(self, identity_ids: Sequence[int], model: ModelKey) -> dict[int, Unconfirmed]:
        """The unconfirmed templates of some identities under `model`, for identities that have some."""
        ...

    def unconfirmed_counts(self) -> dict[str, int]:
        """The number of unconfirmed templates of each identity that has some, by name."""
        ...

    def was_confirmed(self, name: str) -> bool:
        """Whether a template of this identity is or was confirmed, under any model; False for an unknown name."""
        ...

    def confirm(self, template_ids: Sequence[int]) -> list[int]:
        """Confirm templates, all or none; returns the ids of those that were not confirmed before, ascending.

        A template keeps its id. Those of the same photo under other models are confirmed too. Ids that are not stored
        are ignored.
        """
        ...

    def add(
        self,
        name: str,
        templates: Sequence[NewTemplate],
        model: ModelKey,
        *,
        state: TemplateState = "confirmed",
    ) -> list[Added]:
        """Enrol templates under `name`, all or none; returns one result for each template.

        A photo that this identity already has is a duplicate: the old template stays, in its state. The first templates
        of a gallery pin the gallery to their model. Raises OtherModel, BadName or BadTemplate.
        """
        ...

    def add_many(self, parts: Iterable[Part], model: ModelKey) -> int:
        """Enrol the templates of all parts, all or none; returns the number of new templates. Raises as `add` does."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give an identity another name. Raises UnknownIdentity, NameTaken or BadName."""
        ...

    def remove(self, name: str) -> int:
        """Erase an identity with its templates of all models; returns the number of its photos.

        Raises UnknownIdentity or BadName.
        """
        ...

    def remove_template(self, template_id: int) -> str:
        """Erase one template, and those of the same photo under other models; returns the identity's name.

        With its last template the identity is erased too. Raises UnknownTemplate.
        """
        ...

    def set_attributes(self, name: str, attributes: Mapping[str, str]) -> None:
        """Replace the attributes of a person. Raises UnknownIdentity or BadName."""
        ...


class PolicyRepository(Protocol):
    """Thresholds with their provenance. At most one policy of a model and kind is active."""

    def all(self) -> list[StoredPolicy]:
        """All policies that were ever stored, oldest first."""
        ...

    def active(self, model: ModelKey, kind: TargetKind) -> StoredPolicy | None:
        """The active policy of this model and kind; None if there is none."""
        ...

    def activate(self, policy: NewPolicy) -> int:
        """Store a new policy and make it the active one; returns its id. The previous one stays stored."""
        ...

    def restore(self, policy_id: int) -> None:
        """Make a stored policy active again. Raises UnknownPolicy."""
        ...

    def withdraw(self, policy_id: int) -> None:
        """Deactivate this policy and activate the one before it, if there was one. Raises UnknownPolicy."""
        ...


class EnrolmentJournal(Protocol):
    """The decisions of unfinished enrolments about photos that they did not store."""

    def outcomes(self, run: str) -> dict[tuple[str, str], str]:
        """The outcomes of a run by name and SHA-256 (hex)."""
        ...

    def keep(self, run: str, name: str, decided: Iterable[tuple[str, str]]) -> None:
        """Keep outcomes of a run for photos of `name`, pairs of SHA-256 and outcome; the last one counts."""
        ...

    def forget(self, run: str, names: Iterable[str]) -> None:
        """Remove the outcomes of a finished run for photos of `names`, and the old outcomes of all runs."""
        ...


class ChangeFeed(Protocol):
    """The input of an index: the change log, numbered without gaps in the order of commits, and all templates.

    It contains only what is committed, for a thread inside a unit of work too. It contains a template from its
    confirmation on, and nothing of an unconfirmed one.
    """

    @property
    def location(self) -> str:
        """The name of the database, for messages."""
        ...

    @property
    def file(self) -> str | None:
        """The file beside which an index may write snapshots; None if there is no such file on this machine."""
        ...

    @property
    def database_id(self) -> str:
        """The unique id of this gallery, 32 hex digits."""
        ...

    def model(self) -> ModelKey | None:
        """The active model; None while the gallery is empty."""
        ...

    def place(self) -> tuple[Place, ModelKey | None]:
        """The newest entry of the log, and the active model, as of one moment. One short query."""
        ...

    def has(self, place: Place) -> bool:
        """Whether the log contains `place`: not if a backup from before it was restored."""
        ...

    def last_removal(self, after_seq: int) -> int | None:
        """The number of the last removal after `after_seq`; None if there is none."""
        ...

    def holds_any(self, template_ids: NDArray[np.int64]) -> bool:
        """Whether one of (n,) template ids is stored now, under any model."""
        ...

    def since(
        self, after_seq: int, model: ModelKey | None = None, batch_size: int = 16_384
    ) -> Iterator[Changes]:
        """The changes of one model, or of the active one, in the log after `after_seq`, in stretches.

        Each stretch is consistent in itself. It advances the place even if it holds no change of that model.
        """
        ...

    def load_all(self, batch_size: int = 16_384) -> Generator[Loaded, None, None]:
        """The confirmed templates of the active model by id, as of one moment, in at least one part.

        Close the iterator, or exhaust it.
        """
        ...


class Changeover(Protocol):
    """The move of a gallery to one model; see `enrollment_db.sqlite.migration` for the order of the calls."""

    def start(self) -> Start:
        """Begin a pass; call it before the first `pending`."""
        ...

    def staged(self) -> int:
        """The number of templates of the new model."""
        ...

    def shown(self) -> int:
        """The number of photos of all identities, with templates of any model."""
        ...

    def pending(self, after_id: int, limit: int) -> list[Pending]:
        """The first `limit` templates after `after_id` that have no twin under the new model, by id."""
        ...

    def stage(self, twins: Sequence[Twin]) -> int:
        """Store twins under the new model, all or none; returns the number of new ones. Raises BadTemplate."""
        ...

    def switch(self, start: Start, after_id: int) -> bool:
        """Make the new model the active one, if the pass from `start` to `after_id` is still valid."""
        ...

    def drop_others(self) -> int:
        """Remove the templates of other models that have a twin under the active one; returns their number."""
        ...

    def unfindable(self) -> list[str]:
        """The names of the identities without a confirmed template of the active model that have one of another."""
        ...


class ModelMigration(Protocol):
    """Moves of a gallery to other models, while it is in use."""

    def changeover(self, model: ModelKey) -> Changeover:
        """The changeover to `model`."""
        ...


class Database(Protocol):
    """An open database and its parts. Threads may share it."""

    @property
    def location(self) -> str:
        """The name of the database, without a secret."""
        ...

    @property
    def templates(self) -> TemplateRepository:
        """The enrolled identities and their templates."""
        ...

    @property
    def policies(self) -> PolicyRepository:
        """The stored thresholds."""
        ...

    @property
    def journal(self) -> EnrolmentJournal:
        """The decisions of unfinished enrolments."""
        ...

    @property
    def changes(self) -> ChangeFeed:
        """The input of an index."""
        ...

    @property
    def migration(self) -> ModelMigration:
        """The move to another model."""
        ...

    def check(self) -> list[str]:
        """The problems of the database, one line each; empty if there are none. Reads all of it."""
        ...

    def close(self) -> None:
        """Close the database. A second call does nothing."""
        ...
