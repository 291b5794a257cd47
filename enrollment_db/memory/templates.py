"""Identities and templates in memory: `enrollment_db.ports.TemplateRepository` describes each method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from enrollment_db.errors import BadTemplate, NameTaken, UnknownIdentity, UnknownTemplate
from enrollment_db.memory.state import Cell, Person, Row, State
from enrollment_db.names import check_detector, clean_name
from enrollment_db.ports import Ids
from enrollment_db.records import (
    Added,
    Enrolled,
    GallerySize,
    Identity,
    Listed,
    ModelKey,
    NewTemplate,
    Owner,
    Owners,
    Part,
    Template,
    TemplateState,
    Unconfirmed,
    now,
)
from enrollment_db.vectors import check_vector, check_vectors, to_digest


class Templates:
    """A `TemplateRepository`."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A unit of work."""
        with self._cell.write():
            yield

    def model(self) -> ModelKey | None:
        """The active model."""
        return self._cell.read().pinned

    def counts(self) -> tuple[int, int]:
        """The number of identities and of templates that a search can find."""
        rows = self._cell.read().active()
        return len({row.person for row in rows}), len(rows)

    def stored(self) -> int:
        """The number of templates of all models and states."""
        return len(self._cell.read().rows)

    def gallery_size(self, before: GallerySize | None = None) -> GallerySize:
        """The number of identities that a search can find."""
        state = self._cell.read()
        model_id = None if state.pinned is None else hash(state.pinned)
        return GallerySize(len(state.log), model_id, self.counts()[0])

    def identities(self) -> list[Identity]:
        """All identities, by name."""
        state = self._cell.read()
        return sorted(
            (_identity(state, person) for person in state.people.values()), key=lambda who: who.name
        )

    def identity(self, name: str) -> Identity:
        """The identity of this name."""
        state = self._cell.read()
        return _identity(state, self._person(state, name))

    def of(self, name: str) -> list[Template]:
        """The templates of an identity, one for each photo, by id."""
        state = self._cell.read()
        person = self._person(state, name)
        return [
            Template(
                id=row.id,
                name=person.name,
                source=row.source,
                sha256=row.sha256,
                quality=row.quality,
                model=row.model,
                box=row.box,
                landmarks=row.landmarks,
                created_at=row.created_at,
                state=row.state,
                detector=row.detector,
            )
            for row in state.shown()
            if row.person == person.id
        ]

    def holders_of(
        self, sha256: str, model: ModelKey, *, state: TemplateState | None = None
    ) -> dict[str, int]:
        """The template ids of the photo with this hash by name."""
        digest, rows = to_digest(sha256).hex(), self._cell.read()
        return {
            rows.people[row.person].name: row.id
            for row in rows.rows.values()
            if (row.sha256, row.model) == (digest, model) and state in (None, row.state)
        }

    def identity_ids_of(self, template_ids: Ids) -> NDArray[np.int64]:
        """The identity of each of n templates."""
        rows = _confirmed(self._cell.read())
        return np.array([rows[int(id_)].person if int(id_) in rows else -1 for id_ in template_ids], np.int64)

    def owners_of(
        self, template_ids: Sequence[Sequence[int]] | NDArray[np.int64], model: ModelKey, most: int
    ) -> Owners:
        """The identities of these templates, and all their vectors."""
        state = self._cell.read()
        confirmed = _confirmed(state)
        of_probe = [
            list(dict.fromkeys(confirmed[int(id_)].person for id_ in row if int(id_) in confirmed))[:most]
            for row in template_ids
        ]
        owners = {}
        for person in {one for row in of_probe for one in row}:
            rows = _rows(state, person, model)
            if rows:
                owners[person] = Owner(state.people[person].name, _stacked(rows))
        return Owners(of_probe, owners)

    def vectors_of(self, identity_ids: Ids, model: ModelKey | None = None) -> dict[int, NDArray[np.float32]]:
        """The vectors by identity id."""
        state = self._cell.read()
        wanted = model or state.pinned
        found = {int(id_): _rows(state, int(id_), wanted) for id_ in identity_ids}
        return {id_: _stacked(rows) for id_, rows in found.items() if rows}

    def enrolled(self, identity_ids: Ids, model: ModelKey) -> dict[int, Enrolled]:
        """The templates of some identities under `model`."""
        state = self._cell.read()
        found = {int(id_): _rows(state, int(id_), model) for id_ in identity_ids}
        return {
            id_: Enrolled(
                state.people[id_].name,
                np.array([row.id for row in rows], np.int64),
                _stacked(rows),
                tuple(row.quality for row in rows),
                tuple(row.created_at for row in rows),
            )
            for id_, rows in found.items()
            if rows
        }

    def list_all(self, batch_size: int = 16_384) -> Generator[Listed, None, None]:
        """All templates that a search can find, by id."""
        state = self._cell.read()
        active = state.active()
        for start in range(0, len(active), batch_size):
            rows = active[start : start + batch_size]
            yield Listed(
                rows[0].model,
                len(active),
                [state.people[row.person].name for row in rows],
                _stacked(rows),
                [row.source for row in rows],
                [row.sha256 for row in rows],
                [row.detector for row in rows],
            )

    def detectors(self) -> dict[str | None, int]:
        """The number of templates of each detector."""
        return dict(Counter(row.detector for row in self._cell.read().active()))

    def unconfirmed(self, identity_ids: Sequence[int], model: ModelKey) -> dict[int, Unconfirmed]:
        """The unconfirmed templates of some identities under `model`."""
        state = self._cell.read()
        found = {id_: _rows(state, id_, model, "unconfirmed") for id_ in identity_ids}
        return {
            id_: Unconfirmed(
                state.people[id_].name,
                np.array([row.id for row in rows], np.int64),
                _stacked(rows),
                tuple(row.source for row in rows),
                tuple(row.sha256 for row in rows),
                tuple(row.quality for row in rows),
            )
            for id_, rows in found.items()
            if rows
        }

    def unconfirmed_counts(self) -> dict[str, int]:
        """The number of unconfirmed templates of each identity that has some."""
        return {who.name: who.unconfirmed for who in self.identities() if who.unconfirmed}

    def was_confirmed(self, name: str) -> bool:
        """Whether a template of this identity is or was confirmed."""
        state, cleaned = self._cell.read(), clean_name(name)
        people = {person.id for person in state.people.values() if person.name == cleaned}
        return any(change.person in people for change in state.log)

    def confirm(self, template_ids: Sequence[int]) -> list[int]:
        """Confirm templates, and those of the same photos under other models."""
        with self._cell.write() as state:
            rows = [row for id_ in sorted(set(template_ids)) if (row := state.rows.get(int(id_))) is not None]
            rows = [row for row in rows if row.state == "unconfirmed"]
            photos = {(row.sha256, row.person) for row in rows}
            for row in list(state.rows.values()):
                if (row.sha256, row.person) in photos and row.state == "unconfirmed":
                    state.confirm(row)
        return [row.id for row in rows]

    def add(
        self,
        name: str,
        templates: Sequence[NewTemplate],
        model: ModelKey,
        *,
        state: TemplateState = "confirmed",
    ) -> list[Added]:
        """Enrol templates under `name`."""
        cleaned = clean_name(name)
        for new in templates:
            check_vector(new.vector, model.dim, f"the template of {new.source or new.sha256[:12]}")
            to_digest(new.sha256)
            check_detector(new.detector)
        if not templates:
            return []
        added = []
        with self._cell.write() as rows:
            rows.pin(model, self._cell.location)
            person = _made(rows, cleaned)
            for new in templates:
                digest = to_digest(new.sha256).hex()
                found = rows.found(digest, person, model)
                if found is None:
                    vector = np.array(new.vector, np.float32)
                    row = Row(
                        *(rows.last_template + 1, person, model, vector, digest, new.source, new.box),
                        *(new.landmarks, new.quality, now(), state, new.detector),
                    )
                    rows.insert(row)
                if new.crop is not None:
                    rows.crops.setdefault((digest, person), new.crop)
                stored = row if found is None else found
                added.append(Added(stored.id, found is not None, stored.state))
        return added

    def add_many(self, parts: Iterable[Part], model: ModelKey) -> int:
        """Enrol the templates of all parts."""
        with self._cell.write() as state:
            state.pin(model, self._cell.location)
            before = len(state.rows)
            for part in parts:
                if part.vectors.ndim != 2 or part.vectors.shape[1] != model.dim:
                    raise BadTemplate(
                        f"the templates have shape {part.vectors.shape}, not (n, {model.dim})",
                        remedy="one_model",
                    )
                states = part.states
                if states is None:
                    states = ["confirmed"] * len(part.names)
                detectors = [None] * len(part.names) if part.detectors is None else part.detectors
                columns = (part.names, part.vectors, part.digests, part.sources, states, detectors)
                if len({len(column) for column in columns}) > 1:
                    raise BadTemplate(
                        "names, vectors, hashes, sources, states and detectors differ in number",
                        remedy="one_of_each",
                    )
                check_vectors(part.vectors)
                for name, vector, digest, source, kind, detector in zip(*columns, strict=True):
                    new = NewTemplate(vector, digest, source, detector=detector)
                    self.add(name, [new], model, state=kind)
            return len(self._cell.read().rows) - before

    def rename(self, old: str, new: str) -> None:
        """Give an identity another name."""
        cleaned = clean_name(new)
        with self._cell.write() as state:
            person = self._person(state, old)
            if any(one.name == cleaned and one.id != person.id for one in state.people.values()):
                raise NameTaken(f"another identity has the name {cleaned}", path=self._cell.location)
            state.people[person.id] = replace(person, name=cleaned)

    def remove(self, name: str) -> int:
        """Erase an identity with its templates."""
        with self._cell.write() as state:
            person = self._person(state, name)
            rows = [row for row in state.rows.values() if row.person == person.id]
            state.delete(rows)
            state.outcomes = {key: kept for key, kept in state.outcomes.items() if key[1] != person.name}
        return len({row.sha256 for row in rows})

    def remove_template(self, template_id: int) -> str:
        """Erase one template."""
        with self._cell.write() as state:
            row = state.rows.get(template_id)
            if row is None:
                raise UnknownTemplate(f"there is no template {template_id}", path=self._cell.location)
            name = state.people[row.person].name
            photo = row.sha256, row.person
            state.delete([one for one in state.rows.values() if (one.sha256, one.person) == photo])
        return name

    def set_attributes(self, name: str, attributes: Mapping[str, str]) -> None:
        """Replace the attributes of a person."""
        with self._cell.write() as state:
            person = self._person(state, name)
            state.people[person.id] = replace(person, attributes=dict(attributes))

    def _person(self, state: State, name: str) -> Person:
        cleaned = clean_name(name)
        for person in state.people.values():
            if person.name == cleaned:
                return person
        raise UnknownIdentity(f"no person is enrolled as {cleaned}", path=self._cell.location)


def _made(state: State, name: str) -> int:
    for person in state.people.values():
        if person.name == name:
            return person.id
    state.last_person += 1
    state.people[state.last_person] = Person(state.last_person, name, now(), {})
    return state.last_person


def _identity(state: State, person: Person) -> Identity:
    count = len(_rows(state, person.id, state.pinned))
    unconfirmed = len(_rows(state, person.id, state.pinned, "unconfirmed"))
    return Identity(person.id, person.name, count, person.created_at, dict(person.attributes), unconfirmed)


def _rows(state: State, person: int, model: ModelKey | None, kind: TemplateState = "confirmed") -> list[Row]:
    wanted = person, model, kind
    return [row for row in state.rows.values() if (row.person, row.model, row.state) == wanted]


def _confirmed(state: State) -> dict[int, Row]:
    return {id_: row for id_, row in state.rows.items() if row.state == "confirmed"}


def _stacked(rows: Sequence[Row]) -> NDArray[np.float32]:
    return np.stack([row.vector for row in rows])
