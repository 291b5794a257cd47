"""A change feed that can be stopped: what an index follows that learns of changes late."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np
from numpy.typing import NDArray

from enrollment_db.ports import ChangeFeed
from enrollment_db.records import Changes, Loaded, ModelKey, Place


class LateFeed:
    """A `ChangeFeed` that says nothing of what is committed after `stop`, until `go_on`."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed
        self._stopped: tuple[Place, ModelKey | None, list[Loaded]] | None = None
        self.location = feed.location
        self.database_id = feed.database_id
        self.file: str | None = None

    def stop(self) -> None:
        place, model = self._feed.place()
        self._stopped = place, model, list(self._feed.load_all())

    def go_on(self) -> None:
        self._stopped = None

    def model(self) -> ModelKey | None:
        return self._feed.model() if self._stopped is None else self._stopped[1]

    def place(self) -> tuple[Place, ModelKey | None]:
        return self._feed.place() if self._stopped is None else self._stopped[:2]

    def has(self, place: Place) -> bool:
        return self._feed.has(place)

    def last_removal(self, after_seq: int) -> int | None:
        return self._feed.last_removal(after_seq)

    def holds_any(self, template_ids: NDArray[np.int64]) -> bool:
        return self._feed.holds_any(template_ids)

    def since(
        self, after_seq: int, model: ModelKey | None = None, batch_size: int = 16_384
    ) -> Iterator[Changes]:
        for changes in self._feed.since(after_seq, model, batch_size):
            if self._stopped is not None and changes.place.seq > self._stopped[0].seq:
                return
            yield changes

    def load_all(self, batch_size: int = 16_384) -> Generator[Loaded, None, None]:
        yield from self._feed.load_all(batch_size) if self._stopped is None else self._stopped[2]
