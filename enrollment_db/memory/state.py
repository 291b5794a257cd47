"""The rows of a database in memory, and units of work on them."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from enrollment_db.errors import OtherModel
from enrollment_db.records import FaceCrop, ModelKey, StoredPolicy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from enrollment_db.records import Box, TemplateState


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """A row of an identity."""

    id: int
    name: str
    created_at: str
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A row of a template."""

    id: int
    person: int
    model: ModelKey
    vector: NDArray[np.float32]
    sha256: str
    source: str | None
    box: Box | None
    landmarks: NDArray[np.float32] | None
    quality: float | None
    created_at: str
    state: TemplateState
    detector: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the change log."""

    op: Literal["add", "remove"]
    template_id: int
    person: int
    model: ModelKey
    mark: int


@dataclass(slots=True)
class State:
    """All stored rows. A row is never changed, only replaced."""

    people: dict[int, Person] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    crops: dict[tuple[str, int], FaceCrop] = field(default_factory=dict)
    policies: dict[int, StoredPolicy] = field(default_factory=dict)
    outcomes: dict[tuple[str, str, str], str] = field(default_factory=dict)
    log: list[Change] = field(default_factory=list)
    pinned: ModelKey | None = None
    last_person: int = 0
    last_template: int = 0

    def copy(self) -> State:
        """An independent copy, which can be changed without changing this state."""
        return replace(
            self,
            people=dict(self.people),
            rows=dict(self.rows),
            crops=dict(self.crops),
            policies=dict(self.policies),
            outcomes=dict(self.outcomes),
            log=list(self.log),
        )

    def become(self, other: State) -> None:
        """Take over the rows of `other`."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

    def found(self, photo: str, person: int, model: ModelKey) -> Row | None:
        """The template of this photo of a person under a model."""
        rows = (
            row for row in self.rows.values() if (row.sha256, row.person, row.model) == (photo, person, model)
        )
        return next(rows, None)

    def active(self) -> list[Row]:
        """The templates that a search can find, by id."""
        return [row for row in self.rows.values() if row.model == self.pinned and row.state == "confirmed"]

    def shown(self) -> list[Row]:
        """One template for each photo and person, by id: that of the active model, or the newest of another."""
        best: dict[tuple[str, int], Row] = {}
        for row in self.rows.values():
            key = row.sha256, row.person
            if key not in best or best[key].model != self.pinned:
                best[key] = row
        return sorted(best.values(), key=lambda row: row.id)

    def pin(self, model: ModelKey, location: str) -> None:
        """Pin an empty gallery to `model`. Raises OtherModel."""
        if self.pinned is not None and self.pinned != model:
            raise OtherModel(
                f"the gallery {location} holds templates of {self.pinned}, not of {model}",
                remedy="other_weights" if self.pinned.name == model.name else "other_model",
                model=self.pinned.name,
                asked=model.name,
                path=location,
            )
        self.pinned = model

    def insert(self, row: Row) -> None:
        """Add a template, with an entry in the log if it is confirmed."""
        self.rows[row.id] = row
        self.last_template = row.id
        self._tell("add", row)

    def confirm(self, row: Row) -> None:
        """Confirm an unconfirmed template, with an entry in the log."""
        self.rows[row.id] = replace(row, state="confirmed")
        self._tell("add", self.rows[row.id])

    def delete(self, rows: list[Row]) -> None:
        """Remove templates, and photos and persons that are left without a template."""
        for row in rows:
            del self.rows[row.id]
            self._tell("remove", row)
        photos = {(row.sha256, row.person) for row in self.rows.values()}
        self.crops = {key: crop for key, crop in self.crops.items() if key in photos}
        owners = {row.person for row in self.rows.values()}
        self.people = {id_: person for id_, person in self.people.items() if id_ in owners}
        if not self.rows:
            self.pinned = None

    def _tell(self, op: Literal["add", "remove"], row: Row) -> None:
        if row.state == "confirmed":
            self.log.append(Change(op, row.id, row.person, row.model, random.getrandbits(63)))


class Cell:
    """The committed state, and the state that a thread is changing."""

    def __init__(self, location: str) -> None:
        self.location = location
        self._committed = State()
        self._working: State | None = None
        self._owner: int | None = None
        self._lock = threading.RLock()

    def read(self) -> State:
        """The state that this thread sees: its own changes, or the committed state. Do not change it."""
        working = self._working
        return working if working is not None and self._owner == threading.get_ident() else self._committed

    def committed(self) -> State:
        """What all threads see. Not to be changed."""
        return self._committed

    @contextmanager
    def write(self) -> Iterator[State]:
        """A unit of work: committed when the outermost one ends, undone on an exception."""
        with self._lock:
            outer = self._working
            self._working, self._owner = (outer or self._committed).copy(), threading.get_ident()
            try:
                yield self._working
            except BaseException:
                self._working = outer
                raise
            else:
                if outer is None:
                    self._committed = self._working
                else:
                    outer.become(self._working)
                self._working = outer
            finally:
                if outer is None:
                    self._working = self._owner = None
