"""A whole database in memory."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterable, Iterator
from dataclasses import fields
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from enrollment_db.errors import UnknownPolicy
from enrollment_db.memory.migration import Migration
from enrollment_db.memory.state import Cell, Row, State
from enrollment_db.memory.templates import Templates
from enrollment_db.names import clean_name
from enrollment_db.records import (
    NOWHERE,
    Batch,
    Changes,
    Loaded,
    ModelKey,
    NewPolicy,
    Place,
    StoredPolicy,
    TargetKind,
    now,
)
from enrollment_db.vectors import to_digest


class MemoryDatabase:
    """A `Database` that ends with the process. Only its times, marks and id differ between runs."""

    def __init__(self, location: str = "memory") -> None:
        """`location` names the database in messages."""
        self.location = location
        cell = Cell(location)
        self.templates = Templates(cell)
        self.policies = Policies(cell)
        self.journal = Journal(cell)
        self.changes = ChangeLog(cell)
        self.migration = Migration(cell)

    def check(self) -> list[str]:
        """The problems of the database: none."""
        return []

    def close(self) -> None:
        """Nothing to do."""

    def __enter__(self) -> MemoryDatabase:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Policies:
    """A `PolicyRepository`."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def all(self) -> list[StoredPolicy]:
        """All policies that were ever stored, oldest first."""
        return list(self._cell.read().policies.values())

    def active(self, model: ModelKey, kind: TargetKind) -> StoredPolicy | None:
        """The active policy of this model and kind."""
        return _active(self._cell.read(), model, kind)

    def activate(self, policy: NewPolicy) -> int:
        """Make a new policy the active one."""
        with self._cell.write() as state:
            before = _active(state, policy.model, policy.kind)
            if before is not None:
                _set(state, before, active=False)
            id_, time = len(state.policies) + 1, now()
            values = {field.name: getattr(policy, field.name) for field in fields(NewPolicy)}
            follows = None if before is None else before.id
            state.policies[id_] = StoredPolicy(
                **values, id=id_, created_at=time, active=True, follows=follows, since=time
            )
        return id_

    def restore(self, policy_id: int) -> None:
        """Make a stored policy active again."""
        with self._cell.write() as state:
            policy = state.policies.get(policy_id)
            if policy is None:
                raise UnknownPolicy(f"there is no policy {policy_id}", path=self._cell.location)
            active = _active(state, policy.model, policy.kind)
            if active is not None:
                _set(state, active, active=False)
            _set(state, policy, active=True, since=now())

    def withdraw(self, policy_id: int) -> None:
        """Deactivate this policy, and activate the one before it."""
        with self._cell.write() as state:
            policy = state.policies.get(policy_id)
            if policy is None or not policy.active:
                raise UnknownPolicy(f"policy {policy_id} is not active", path=self._cell.location)
            if policy.follows is None:
                _set(state, policy, active=False)
            else:
                self.restore(policy.follows)


class Journal:
    """An `EnrolmentJournal`, which keeps outcomes of any age."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def outcomes(self, run: str) -> dict[tuple[str, str], str]:
        """The outcomes of a run by name and SHA-256."""
        kept = self._cell.read().outcomes
        return {(name, sha256): what for (one, name, sha256), what in kept.items() if one == run}

    def keep(self, run: str, name: str, decided: Iterable[tuple[str, str]]) -> None:
        """Keep what a run decided about photos of `name`."""
        with self._cell.write() as state:
            for sha256, outcome in decided:
                state.outcomes[run, clean_name(name), to_digest(sha256).hex()] = outcome

    def forget(self, run: str, names: Iterable[str]) -> None:
        """Remove what a run that has ended decided about photos of `names`."""
        wanted = set(names)
        with self._cell.write() as state:
            state.outcomes = {
                key: kept for key, kept in state.outcomes.items() if not (key[0] == run and key[1] in wanted)
            }


class ChangeLog:
    """A `ChangeFeed`."""

    file: str | None = None

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.location = cell.location
        self.database_id = uuid.uuid4().hex

    def model(self) -> ModelKey | None:
        """The active model."""
        return self._cell.committed().pinned

    def place(self) -> tuple[Place, ModelKey | None]:
        """The newest entry of the log, and the active model."""
        state = self._cell.committed()
        return _place(state, len(state.log)), state.pinned

    def has(self, place: Place) -> bool:
        """Whether the log contains `place`."""
        state = self._cell.committed()
        return place.seq <= len(state.log) and _place(state, place.seq) == place

    def last_removal(self, after_seq: int) -> int | None:
        """The number of the last removal after `after_seq`."""
        log = self._cell.committed().log
        removals = [seq for seq, change in enumerate(log, 1) if seq > after_seq and change.op == "remove"]
        return removals[-1] if removals else None

    def holds_any(self, template_ids: NDArray[np.int64]) -> bool:
        """Whether one of (n,) template ids is stored now."""
        rows = self._cell.committed().rows
        return any(id_ in rows for id_ in template_ids.tolist())

    def since(
        self, after_seq: int, model: ModelKey | None = None, batch_size: int = 16_384
    ) -> Iterator[Changes]:
        """The changes of one model in the log after `after_seq`."""
        wanted = model or self.model()
        while True:
            state = self._cell.committed()
            stretch = state.log[after_seq : after_seq + batch_size]
            if not stretch:
                return
            after_seq += len(stretch)
            own = [change for change in stretch if change.model == wanted]
            added = [change.template_id for change in own if change.op == "add"]
            yield Changes(
                place=_place(state, after_seq),
                added=_batch([state.rows[id_] for id_ in added if id_ in state.rows], None),
                removed=np.array([one.template_id for one in own if one.op == "remove"], np.int64),
            )

    def load_all(self, batch_size: int = 16_384) -> Generator[Loaded, None, None]:
        """All templates of the active model by id."""
        state = self._cell.committed()
        rows = state.active()
        for start in range(0, max(len(rows), 1), batch_size):
            yield Loaded(
                _place(state, len(state.log)), _batch(rows[start : start + batch_size], state.pinned)
            )


def _active(state: State, model: ModelKey, kind: TargetKind) -> StoredPolicy | None:
    found = (one for one in state.policies.values() if one.active and (one.model, one.kind) == (model, kind))
    return next(found, None)


def _set(state: State, policy: StoredPolicy, **changed: object) -> None:
    values = {field.name: getattr(policy, field.name) for field in fields(StoredPolicy)}
    state.policies[policy.id] = StoredPolicy(**{**values, **changed})


def _place(state: State, seq: int) -> Place:
    return Place(seq, state.log[seq - 1].mark) if seq else NOWHERE


def _batch(rows: list[Row], model: ModelKey | None) -> Batch:
    found = rows[0].model if rows else model
    dim = 0 if found is None else found.dim
    return Batch(
        model=found,
        template_ids=np.array([row.id for row in rows], np.int64),
        identity_ids=np.array([row.person for row in rows], np.int64),
        vectors=np.array([row.vector for row in rows], np.float32).reshape(len(rows), dim),
    )
