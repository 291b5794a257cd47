"""What a database of people and vectors offers, as Protocols: implementations need not import this file.

A database has five parts. `tests/contract` has a suite for each, which every implementation passes:
`enrollment_db.sqlite` (the truth on one machine) and `enrollment_db.memory` (a fake for tests).

Every method raises a `DatabaseError` where the database fails it; only the others are named.
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
    Twin,
)

Ids: TypeAlias = Sequence[int] | NDArray[np.int64]


class TemplateRepository(Protocol):
    """The identities and their templates.

    Where nothing else is said, questions are about the templates of the active model, to which the gallery is pinned.
    Each write is one transaction, which is durable when the method returns.
    """

    def transaction(self) -> AbstractContextManager[None]:
        """A unit of work: all writes of this thread inside are committed together on leaving, or none on an exception.

        Inside another one it is a part of that one. The thread reads what it has written; no other thread does.
        """
        ...

    def model(self) -> ModelKey | None:
        """The active model; None while the gallery is empty."""
        ...

    def counts(self) -> tuple[int, int]:
        """How many identities and templates can be found. Counts all of them."""
        ...

    def stored(self) -> int:
        """How many templates there are of all models. Cheap."""
        ...

    def gallery_size(self, before: GallerySize | None = None) -> GallerySize:
        """How many identities can be found; given an earlier size, only the changes since are looked at."""
        ...

    def identities(self) -> list[Identity]:
        """All identities, by name."""
        ...

    def identity(self, name: str) -> Identity:
        """The identity of this name. Raises UnknownIdentity or BadName."""
        ...

    def of(self, name: str) -> list[Template]:
        """The templates of an identity, one a photo, by id. Raises UnknownIdentity or BadName."""
        ...

    def holders_of(self, sha256: str, model: ModelKey) -> dict[str, int]:
        """The template ids of the photo with this hash (hex) by name, in the order of enrolment. Raises BadTemplate."""
        ...

    def identity_ids_of(self, template_ids: Ids) -> NDArray[np.int64]:
        """(n,) int64: whose each of n templates, of any model, is; -1 for an id that is not stored."""
        ...

    def owners_of(
        self, template_ids: Sequence[Sequence[int]] | NDArray[np.int64], model: ModelKey, most: int
    ) -> Owners:
        """Whose templates (m, k) these are, and the vectors of those identities, as of one moment.

        The ids are the nearest of m probes, nearest first; -1 and ids that are not stored are passed over. Of each
        probe the first `most` identities are given. Costs one round trip, however many probes there are.
        """
        ...

    def vectors_of(self, identity_ids: Ids, model: ModelKey | None = None) -> dict[int, NDArray[np.float32]]:
        """(n, d) float32 by identity id, of `model` or the active one; an identity without any is left out."""
        ...

    def enrolled(self, identity_ids: Ids, model: ModelKey) -> dict[int, Enrolled]:
        """The templates of some identities under `model`, with quality and time; one without any is left out."""
        ...

    def list_all(self, batch_size: int = 16_384) -> Generator[Listed, None, None]:
        """All templates that can be found, by id, as of one moment; nothing is yielded where there are none.

        Close the iterator, or exhaust it.
        """
        ...

    def add(self, name: str, templates: Sequence[NewTemplate], model: ModelKey) -> list[Added]:
        """Enrol templates under `name`, one result each; all are stored or none.

        A photo that this identity has already is a duplicate: the old template stays. The first templates of a gallery
        pin it to their model. Raises OtherModel, BadName or BadTemplate.
        """
        ...

    def add_many(self, parts: Iterable[Part], model: ModelKey) -> int:
        """Enrol the templates of all parts, all or none; returns how many were new. Raises as `add` does."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give an identity another name. Raises UnknownIdentity, NameTaken or BadName."""
        ...

    def remove(self, name: str) -> int:
        """Erase an identity with its templates of all models; returns of how many photos they were.

        Raises UnknownIdentity or BadName.
        """
        ...

    def remove_template(self, template_id: int) -> str:
        """Erase one template, and the same photo's of other models; returns the identity's name.

        The identity goes with its last template. Raises UnknownTemplate.
        """
        ...

    def set_attributes(self, name: str, attributes: Mapping[str, str]) -> None:
        """Replace what is known of a person. Raises UnknownIdentity or BadName."""
        ...


class PolicyRepository(Protocol):
    """Thresholds with their provenance; at most one of a model and kind is active."""

    def all(self) -> list[StoredPolicy]:
        """All policies that were ever put, oldest first."""
        ...

    def active(self, model: ModelKey, kind: TargetKind) -> StoredPolicy | None:
        """The active policy of this model and kind; None before there is one."""
        ...

    def put(self, policy: NewPolicy) -> int:
        """Make a new policy the active one; returns its id. The one before it is kept."""
        ...

    def restore(self, policy_id: int) -> None:
        """Make a stored policy active again. Raises UnknownPolicy."""
        ...

    def withdraw(self, policy_id: int) -> None:
        """Make active again what was active before this policy: an older one, or none. Raises UnknownPolicy."""
        ...


class EnrolmentJournal(Protocol):
    """What unfinished enrolments decided about photos that they did not store."""

    def outcomes(self, run: str) -> dict[tuple[str, str], str]:
        """The outcomes of a run by name and SHA-256 (hex)."""
        ...

    def keep(self, run: str, name: str, decided: Iterable[tuple[str, str]]) -> None:
        """Keep what a run decided about photos of `name`: pairs of SHA-256 and outcome; a later one replaces."""
        ...

    def forget(self, run: str, names: Iterable[str]) -> None:
        """Remove what a run that has ended decided about photos of `names`, and what is old of all runs."""
        ...


class ChangeFeed(Protocol):
    """What an index follows: the change log, numbered without gaps in the order of commits, and a load of all.

    All of it is what is committed, also for a thread inside a unit of work.
    """

    @property
    def location(self) -> str:
        """The database as it was named, for messages."""
        ...

    @property
    def file(self) -> str | None:
        """The file beside which an index may leave snapshots; None where there is no such file on this machine."""
        ...

    @property
    def database_id(self) -> str:
        """What tells this gallery from every other, 32 hex digits."""
        ...

    def model(self) -> ModelKey | None:
        """The active model; None while the gallery is empty."""
        ...

    def place(self) -> tuple[Place, ModelKey | None]:
        """How far the log has come, and the active model, as of one moment. One short query."""
        ...

    def has(self, place: Place) -> bool:
        """Whether the log went through `place`: not if a backup from before it was restored."""
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
        """What the log after `after_seq` says of one model, or of the active one, in stretches.

        Each stretch is consistent in itself, and moves the place even where it holds nothing of that model.
        """
        ...

    def load_all(self, batch_size: int = 16_384) -> Generator[Loaded, None, None]:
        """All templates of the active model by id, as of one moment, in at least one part.

        Close the iterator, or exhaust it.
        """
        ...


class Changeover(Protocol):
    """A gallery's way to one model; see `enrollment_db.sqlite.migration` for the order of the calls."""

    def start(self) -> Start:
        """To be called before the first `pending` of a pass."""
        ...

    def staged(self) -> int:
        """How many templates of the new model there are."""
        ...

    def shown(self) -> int:
        """How many photos, of all identities, there are under any model."""
        ...

    def pending(self, after_id: int, limit: int) -> list[Pending]:
        """The first `limit` templates after `after_id` that have no twin under the new model, by id."""
        ...

    def stage(self, twins: Sequence[Twin]) -> int:
        """Store twins under the new model, all or none; returns how many were new. Raises BadTemplate."""
        ...

    def switch(self, start: Start, after_id: int) -> bool:
        """Make the new model the active one, if the pass that began at `start` and came to `after_id` still holds."""
        ...

    def drop_others(self) -> int:
        """Remove the templates of other models that have a twin of the active one; returns how many."""
        ...

    def unfindable(self) -> list[str]:
        """The names of the identities that have no template of the active model."""
        ...


class ModelMigration(Protocol):
    """Moves of a gallery to other models, while it is in use."""

    def changeover(self, model: ModelKey) -> Changeover:
        """The way to `model`."""
        ...


class Database(Protocol):
    """An open database: its parts, which threads may share."""

    @property
    def location(self) -> str:
        """The database as it was named, without a secret."""
        ...

    @property
    def templates(self) -> TemplateRepository:
        """Who is enrolled."""
        ...

    @property
    def policies(self) -> PolicyRepository:
        """Which thresholds decide."""
        ...

    @property
    def journal(self) -> EnrolmentJournal:
        """What unfinished enrolments decided."""
        ...

    @property
    def changes(self) -> ChangeFeed:
        """What an index follows."""
        ...

    @property
    def migration(self) -> ModelMigration:
        """The way to another model."""
        ...

    def check(self) -> list[str]:
        """What is wrong with the database, one line each; empty if nothing is. Reads all of it."""
        ...

    def close(self) -> None:
        """Give the database back; more than once does no harm."""
        ...
