"""What a gallery must hold after each operation of `scripts.chaos.gallery`, as plain sets, and how one differs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from enrollment_db.records import ModelKey, NewTemplate, Part
from enrollment_db.registry import open_sqlite
from enrollment_db.search.index import VectorIndex
from enrollment_db.search.index.choice import rabitq
from enrollment_db.search.index.faiss import FaissFlatIndex
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.index.growing import GrowingIndex
from enrollment_db.search.mirror import Mirror
from enrollment_db.search.snapshot_directory import SnapshotDirectory
from enrollment_db.sqlite.database import SqliteDatabase

DIM = 16
MODEL = ModelKey("chaos", "a" * 64, "five-points", DIM, "cosine")
INDEXES = ("numpy", "faiss", "growing", "rabitq")

PHOTOS = 1 << 17
VECTORS = np.random.default_rng(0).standard_normal((PHOTOS, DIM)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
"""The templates of all photos, (PHOTOS, DIM): no two are nearer than SAME."""

CODES = np.rint(VECTORS / (np.abs(VECTORS).max(axis=1, keepdims=True) / np.float32(32_767))).astype(np.int16)
"""The same as a compressed index keeps them."""

SAME = 0.9999
"""A greater cosine means one photo: what 16 bits a value lose is a hundredth of the gap to the next photo."""

# How far a cosine of the index may be from that of the stored vector; the compressed ones keep 16 bits a value.
_TOLERANCE = {"numpy": 1e-6, "faiss": 1e-6, "growing": 5e-5, "rabitq": 5e-5}

_SEARCHED = 32


class Violation(Exception):
    """The gallery lost, doubled, mixed up or resurrected something; str() says what."""


@dataclass(frozen=True)
class Operation:
    """One thing that is done to a gallery. The photos that it enrols are numbered from `first` on."""

    kind: str
    name: str = ""
    new: str = ""
    first: int = 0
    count: int = 0

    @property
    def photos(self) -> range:
        return range(self.first, self.first + self.count)

    def imported(self, photo: int) -> str:
        """The name under which an import brings in a photo: four photos a person."""
        return f"import {self.first} {(photo - self.first) // 4}"


@dataclass
class Expected:
    """The photos of each identity, and the next unused photo."""

    people: dict[str, set[int]] = field(default_factory=dict)
    next_photo: int = 0

    def copy(self) -> Expected:
        return Expected({name: set(own) for name, own in self.people.items()}, self.next_photo)

    def live(self) -> set[int]:
        return set().union(*self.people.values())

    def apply(self, operation: Operation) -> None:
        self.next_photo = max(self.next_photo, operation.first + operation.count)
        match operation.kind:
            case "enrol" | "enrol several":
                self.people.setdefault(operation.name, set()).update(operation.photos)
            case "import":
                for photo in operation.photos:
                    self.people.setdefault(operation.imported(photo), set()).add(photo)
            case "transaction":
                del self.people[operation.name]
                self.people.setdefault(operation.new, set()).update(operation.photos)
            case "rename":
                self.people[operation.new] = self.people.pop(operation.name)
            case "remove":
                del self.people[operation.name]
            case "remove template":
                own = self.people[operation.name]
                own.remove(min(own))
                if not own:
                    del self.people[operation.name]
            case "empty":
                self.people.clear()


def photo(number: int) -> NewTemplate:
    return NewTemplate(VECTORS[number], f"{number:064x}")


def part(names: list[str], photos: range) -> Part:
    hashes = [f"{number:064x}" for number in photos]
    return Part(names, VECTORS[photos.start : photos.stop], hashes, [None] * len(photos))


def make_index(kind: str) -> VectorIndex:
    """An index that is compressed early, so that a small gallery shows what a large one does."""
    if kind in ("numpy", "faiss"):
        return FlatIndex(DIM) if kind == "numpy" else FaissFlatIndex(DIM)
    return GrowingIndex(DIM, partial(rabitq, DIM), switch_at=1500 if kind == "growing" else 64)


def held_by(store: SqliteDatabase) -> dict[str, set[int]]:
    """What the database holds. Raises Violation for a template that is there twice, or whose vector is another."""
    people: dict[str, set[int]] = {}
    for listed in store.templates.list_all():
        numbers = [int(digest, 16) for digest in listed.digests]
        if not np.array_equal(listed.vectors, VECTORS[numbers]):
            raise Violation("a stored vector is not the one that was enrolled")
        for name, number in zip(listed.names, numbers, strict=True):
            own = people.setdefault(name, set())
            if number in own:
                raise Violation(f"photo {number} of {name} is there twice")
            own.add(number)
    return people


def compare(store: SqliteDatabase, mirror: Mirror, kind: str) -> None:
    """Hold the index against the database, template by template. Raises Violation."""
    with closing(store.changes.load_all()) as parts:
        batches = [one.batch for one in parts]
    held = np.concatenate([batch.template_ids for batch in batches])
    if not len(held):
        if mirror.sync() or len(mirror):
            raise Violation(f"the {kind} index of an empty gallery holds {len(mirror)}")
        return
    vectors = np.concatenate([batch.vectors for batch in batches])
    probes = VECTORS[-2:]
    cosines, ids = mirror.search(probes, len(held) + 8)
    for found, near, probe in zip(ids, cosines, probes, strict=True):
        if (lost := set(held.tolist()) - set(found.tolist())) or (found[len(held) :] != -1).any():
            more = set(found.tolist()) - set(held.tolist()) - {-1}
            raise Violation(f"the {kind} index lacks templates {sorted(lost)}, holds {sorted(more)} beyond")
        exact = (vectors @ probe)[np.searchsorted(held, found[: len(held)])]
        if (apart := np.abs(near[: len(held)] - exact).max()) > _TOLERANCE[kind]:
            raise Violation(f"the {kind} index is off by a cosine of {apart:.2g}")
    if not (difference := mirror.compare()).equal:
        raise Violation(f"the {kind} index is not the database: {difference}")
    sample = np.random.default_rng(len(held)).permutation(len(held))[:_SEARCHED]
    _, ids = mirror.search(vectors[sample], 1)
    if (missed := held[sample][ids[:, 0] != held[sample]]).size:
        raise Violation(f"the {kind} index does not find templates {missed.tolist()} by their own vectors")


def refuse(mirror: Mirror, removed: Iterable[int]) -> None:
    """Search for photos that were removed. Raises Violation if one is found."""
    numbers = list(removed)
    if not numbers:
        return
    cosines, ids = mirror.search(VECTORS[numbers], 1)
    for number, cosine, id_ in zip(numbers, cosines[:, 0], ids[:, 0], strict=True):
        if cosine > SAME:
            raise Violation(f"photo {number} was removed and is found as template {id_}")


def inspect(path: Path, states: list[Expected], kind: str, *, snapshot: bool) -> Expected:
    """The one of the `states` that the gallery is in, every part of it examined. Raises Violation.

    With `snapshot`, one is written, and must then be the only file in its directory.
    """
    with open_sqlite(path) as store:
        if problems := store.check():
            raise Violation("; ".join(problems))
        held = held_by(store)
        state = next((state for state in states if state.people == held), None)
        if state is None:
            raise Violation(" / ".join(_difference(expected, held) for expected in states))
        live = state.live()
        gone = [number for number in range(state.next_photo) if number not in live]
        for one in dict.fromkeys((kind, "numpy")):
            mirror = Mirror(store.changes, make_index(one), snapshot_from=400)
            compare(store, mirror, one)
            refuse(mirror, gone[-_SEARCHED:])
        directory = SnapshotDirectory(store.location).path
        if snapshot:
            written = mirror.snapshot()
            files = sorted(directory.iterdir()) if directory.exists() else []
            if files != ([written] if written else []):
                raise Violation(f"after a snapshot there are {[file.name for file in files]}")
    for file in (path, *path.parent.glob(f"{path.name}-*"), *directory.glob("*")):
        if file.is_file() and (left := remains(file.read_bytes(), gone)):
            raise Violation(f"{file} still holds the vectors of {len(left)} removed photos, {left[:3]} ...")
    return state


def remains(content: bytes, photos: list[int]) -> list[int]:
    """The photos of which 8 bytes at either end of the vector are somewhere in `content`, in float32 or 16 bits."""
    ends = [VECTORS[photos][:, columns].tobytes() for columns in (slice(0, 2), slice(DIM - 2, DIM))]
    ends += [CODES[photos][:, columns].tobytes() for columns in (slice(0, 4), slice(DIM - 4, DIM))]
    keys = np.concatenate([np.frombuffer(end, np.uint64) for end in ends])
    possible = np.zeros(1 << 16, bool)
    possible[keys & 0xFFFF] = True
    found: set[int] = set()
    for offset in range(8 if len(content) >= 8 else 0):
        words = np.frombuffer(content, np.uint64, (len(content) - offset) // 8, offset)
        found.update(words[possible[words & 0xFFFF]].tolist())
    numbers = np.tile(photos, len(ends))
    return sorted(set(numbers[np.isin(keys, np.array(sorted(found), np.uint64))].tolist()))


def _difference(expected: Expected, held: dict[str, set[int]]) -> str:
    names = expected.people.keys() | held.keys()
    lines = []
    for name in sorted(names):
        was, there = expected.people.get(name, set()), held.get(name, set())
        if was != there:
            lines.append(f"{name}: lost {sorted(was - there)}, unexpected {sorted(there - was)}")
    return f"{len(lines)} identities differ: {'; '.join(lines[:5])}"
