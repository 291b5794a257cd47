"""Moving a database in memory to another model: see `enrollment_db.ports.Changeover`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from enrollment_db.memory.state import Cell, Row, State
from enrollment_db.names import check_detector
from enrollment_db.records import ModelKey, Pending, Start, Twin, now
from enrollment_db.vectors import check_vector


class Migration:
    """A `ModelMigration`."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def changeover(self, model: ModelKey) -> MemoryChangeover:
        """The changeover to `model`."""
        return MemoryChangeover(self._cell, model)


class MemoryChangeover:
    """A `Changeover`."""

    def __init__(self, cell: Cell, model: ModelKey) -> None:
        self._cell = cell
        self._model = model

    def start(self) -> Start:
        """The state from which a pass begins."""
        state = self._cell.read()
        return Start(None if state.pinned is None else hash(state.pinned), len(state.log))

    def staged(self) -> int:
        """The number of templates of the new model."""
        return sum(row.model == self._model for row in self._cell.read().rows.values())

    def shown(self) -> int:
        """The number of photos of all identities, with templates of any model."""
        return len(self._cell.read().shown())

    def pending(self, after_id: int, limit: int) -> list[Pending]:
        """The first templates that have no twin under the new model."""
        state = self._cell.read()
        return [
            Pending(
                template_id=row.id,
                name=state.people[row.person].name,
                source=row.source,
                sha256=row.sha256,
                box=row.box,
                landmarks=row.landmarks,
                active=row.model == state.pinned,
                crop=state.crops.get((row.sha256, row.person)),
            )
            for row in self._without_twin(state, after_id)[:limit]
        ]

    def stage(self, twins: Sequence[Twin]) -> int:
        """Store twins under the new model."""
        for twin in twins:
            check_vector(twin.vector, self._model.dim, f"the new template for {twin.template_id}")
        count = 0
        with self._cell.write() as state:
            for twin in twins:
                row = state.rows.get(twin.template_id)
                if row is None or state.found(row.sha256, row.person, self._model) is not None:
                    continue
                count += 1
                state.insert(
                    replace(
                        row,
                        id=state.last_template + 1,
                        model=self._model,
                        vector=np.array(twin.vector, np.float32),
                        box=row.box if row.box is not None else twin.box,
                        landmarks=row.landmarks if row.landmarks is not None else twin.landmarks,
                        detector=row.detector if row.landmarks is not None else check_detector(twin.detector),
                        created_at=now(),
                    )
                )
        return count

    def switch(self, start: Start, after_id: int) -> bool:
        """Make the new model the active one, if the pass is still valid."""
        with self._cell.write() as state:
            lost = any(
                change.op == "remove" and change.model == self._model for change in state.log[start.seq :]
            )
            if (
                state.pinned is None
                or hash(state.pinned) != start.model_id
                or lost
                or self._without_twin(state, after_id)
            ):
                return False
            state.pinned = self._model
        return True

    def drop_others(self) -> int:
        """Remove the templates of other models that have a twin of the active one."""
        with self._cell.write() as state:
            active = {(row.sha256, row.person) for row in state.rows.values() if row.model == state.pinned}
            dropped = [
                row
                for row in state.rows.values()
                if row.model != state.pinned and (row.sha256, row.person) in active
            ]
            state.delete(dropped)
        return len(dropped)

    def unfindable(self) -> list[str]:
        """The names of the identities without a confirmed template of the active model that have one of another."""
        state = self._cell.read()
        confirmed = [row for row in state.rows.values() if row.state == "confirmed"]
        moved = {row.person for row in confirmed if row.model == state.pinned}
        return sorted(state.people[id_].name for id_ in {row.person for row in confirmed} - moved)

    def _without_twin(self, state: State, after_id: int) -> list[Row]:
        return [
            row
            for row in state.shown()
            if row.id > after_id
            and row.model != self._model
            and state.found(row.sha256, row.person, self._model) is None
        ]
