"""The process that `scripts.chaos.gallery` kills: it reports an operation, does it, and reports that it is done."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path

from enrollment_db.registry import open_sqlite
from enrollment_db.search.mirror import Mirror
from enrollment_db.sqlite.database import SqliteDatabase
from scripts.chaos.gallery_oracle import (
    MODEL,
    SAME,
    VECTORS,
    Expected,
    Operation,
    Violation,
    make_index,
    part,
    photo,
    refuse,
)

WRITES = ("enrol", "enrol several", "import", "rename", "remove", "remove template", "transaction", "empty")
OTHERS = ("open", "search", "snapshot", "compact")

_OFTEN = tuple(kind for kind in WRITES + OTHERS if kind != "empty")
_LARGEST = 3000
_PARTS = 4


class Worker:
    """One process with one gallery, which it opens as its first operation.

    The photos that are `unsure` may be enrolled or not: a worker died while it changed them.
    """

    def __init__(self, path: Path, index: str, expected: Expected, unsure: set[int], seed: int) -> None:
        self.path = path
        self.index = index
        self.expected = expected
        self.unsure = unsure
        self.random = random.Random(seed)
        self.store: SqliteDatabase | None = None
        self.mirror: Mirror | None = None

    def work(self, report: Connection, target: str, *, writing: bool) -> None:
        """Go on until killed; `target` is what is done most often, and without `writing` nothing is changed."""
        operation = Operation("open")
        while True:
            report.send_bytes(json.dumps(asdict(operation)).encode())
            self.do(operation)
            report.send_bytes(b"done")
            self.expected.apply(operation)
            kind = (
                target if self.random.random() < 0.35 else self.random.choice(_OFTEN if writing else OTHERS)
            )
            operation = self.next(kind)

    def next(self, kind: str) -> Operation:
        """An operation of this kind that is possible now, or an enrolment where none is."""
        people, first = self.expected.people, self.expected.next_photo
        if kind in OTHERS:
            return Operation(kind)
        if sum(map(len, people.values())) > _LARGEST:
            kind = "empty"
        if kind == "import":
            return Operation(kind, first=first, count=self.random.randint(200, 1000))
        if people and kind in ("remove", "remove template", "rename", "transaction", "empty"):
            name = self.random.choice(list(people))
            new = f"person {first} anew" if kind in ("rename", "transaction") else ""
            return Operation(kind, name, new, first, {"transaction": 5, "rename": 1}.get(kind, 0))
        known = list(people)[-5:]
        name = self.random.choice([f"person {first}", *known])
        return Operation(
            "enrol several" if kind == "enrol several" else "enrol",
            name,
            "",
            first,
            self.random.randint(2, 8) if kind == "enrol several" else 1,
        )

    def do(self, operation: Operation) -> None:
        """Carry it out; on return it is done for good."""
        if operation.kind == "open":
            if self.store is not None:
                self.store.close()
            self.store = open_sqlite(self.path)
            self.mirror = Mirror(self.store.changes, make_index(self.index), snapshot_from=400)
            self.mirror.sync()
            return
        store, mirror = self.store, self.mirror
        assert store is not None
        assert mirror is not None
        photos = operation.photos
        match operation.kind:
            case "enrol" | "enrol several":
                store.templates.add(operation.name, [photo(number) for number in photos], MODEL)
            case "import":
                edges = [photos.start + len(photos) * i // _PARTS for i in range(_PARTS + 1)]
                stretches = [range(*pair) for pair in pairwise(edges)]
                store.templates.add_many(
                    (part([operation.imported(n) for n in some], some) for some in stretches), MODEL
                )
            case "rename":
                store.templates.rename(operation.name, operation.new)
            case "remove":
                store.templates.remove(operation.name)
            case "remove template":
                store.templates.remove_template(store.templates.of(operation.name)[0].id)
            case "transaction":
                with store.templates.transaction():
                    store.templates.remove(operation.name)
                    for number in photos:
                        store.templates.add(operation.new, [photo(number)], MODEL)
            case "empty":
                with store.templates.transaction():
                    for name in self.expected.people:
                        store.templates.remove(name)
            case "snapshot":
                # A process with another kind of index may write its snapshot at the same gallery.
                if mirror.snapshot() is None or self.random.random() < 0.2:
                    Mirror(store.changes, make_index("numpy")).snapshot()
            case "compact":
                mirror.compact()
            case "search":
                self.search(mirror)

    def search(self, mirror: Mirror) -> None:
        """Look for some who are enrolled and for some who were removed. Raises Violation."""
        live = self.expected.live()
        sure = sorted(live - self.unsure)
        if numbers := self.random.sample(sure, min(len(sure), 8)):
            cosines, _ = mirror.search(VECTORS[numbers], 2)
            for number, (first, second) in zip(numbers, cosines.tolist(), strict=True):
                if not first > SAME or second > SAME:
                    raise Violation(f"photo {number} is found with cosines {first}, {second}")
        refuse(mirror, sorted(set(range(self.expected.next_photo)) - live - self.unsure)[-8:])
