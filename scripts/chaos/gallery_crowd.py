"""Four writers and four readers at one gallery for `scripts.chaos.gallery --crowd`."""

from __future__ import annotations

import mmap
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrollment_db.registry import open_sqlite
from enrollment_db.search.mirror import Mirror
from scripts.chaos.gallery_oracle import (
    INDEXES,
    MODEL,
    PHOTOS,
    SAME,
    VECTORS,
    Violation,
    compare,
    held_by,
    make_index,
    photo,
    refuse,
)

WRITERS, READERS = 4, 4
_OWN = (PHOTOS - 2) // WRITERS
_UNUSED, _ADDING, _ADDED, _REMOVING, _REMOVED = range(5)
# Writers wait their turn behind each other's syncs, on a machine that does other things too.
_TIMEOUT_S = 60.0
_PROBES = 16

_FORK = get_context("fork")


def crowd(path: Path, seconds: float, seed: int) -> dict[str, Any]:
    """Let them work, then count. Raises Violation."""
    # One byte a photo, written by its writer before and after each write, read by all.
    states = np.frombuffer(mmap.mmap(-1, PHOTOS), np.uint8)
    done = np.frombuffer(mmap.mmap(-1, 8 * (WRITERS + READERS)), np.int64)
    open_sqlite(path).close()
    until = time.monotonic() + seconds
    processes = [
        _FORK.Process(target=task, args=(path, states, done[number : number + 1], number, seed, until))
        for number, task in enumerate([write] * WRITERS + [read] * READERS)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if failed := [number for number, process in enumerate(processes) if process.exitcode]:
        raise Violation(f"of the processes, numbers {failed} failed")
    acknowledged = set(np.flatnonzero(states == _ADDED).tolist())
    removed = set(np.flatnonzero(states == _REMOVED).tolist())
    if ((states == _ADDING) | (states == _REMOVING)).any():
        raise Violation("a writer ended within a write")
    with open_sqlite(path) as store:
        if problems := store.check():
            raise Violation("; ".join(problems))
        held = [number for own in held_by(store).values() for number in own]
        if len(held) != len(acknowledged) or set(held) != acknowledged:
            raise Violation(f"{len(acknowledged)} photos were acknowledged, {len(held)} are held")
        for index in INDEXES:
            mirror = Mirror(store.changes, make_index(index), snapshot_from=400)
            compare(store, mirror, index)
            refuse(mirror, sorted(removed)[-500:])
        changes = store.changes.place()[0].seq
    if changes != len(acknowledged) + 2 * len(removed):
        raise Violation(f"the log has {changes} entries for {len(acknowledged)} + 2 * {len(removed)}")
    return {
        "templates": len(held),
        "removed": len(removed),
        "writes_per_second": round(int(done[:WRITERS].sum()) / seconds, 1),
        "searches_per_second": round(int(done[WRITERS:].sum()) / seconds, 1),
        "probes_a_search": _PROBES,
    }


def write(
    path: Path, states: NDArray[np.uint8], done: NDArray[np.int64], me: int, seed: int, until: float
) -> None:
    """Enrol people, one to three photos each, and remove or rename some of them again."""
    chance = random.Random(f"{seed} {me}")
    people: dict[str, list[int]] = {}
    following = me * _OWN
    with open_sqlite(path, timeout_s=_TIMEOUT_S) as store:
        while time.monotonic() < until and following < (me + 1) * _OWN - 3:
            if people and chance.random() < 0.3:
                name = chance.choice(list(people))
                photos = people.pop(name)
                if chance.random() < 0.5:
                    with marked(states, photos, _REMOVING, _REMOVED):
                        store.templates.remove(name)
                elif chance.random() < 0.5:
                    store.templates.rename(name, f"{name} anew")
                    people[f"{name} anew"] = photos
                else:
                    template = store.templates.of(name)[0]
                    first = int(template.sha256, 16)
                    with marked(states, [first], _REMOVING, _REMOVED):
                        store.templates.remove_template(template.id)
                    if rest := [number for number in photos if number != first]:
                        people[name] = rest
            else:
                photos = list(range(following, following + chance.randint(1, 3)))
                name = f"{me} {following}"
                following = photos[-1] + 1
                with marked(states, photos, _ADDING, _ADDED):
                    store.templates.add(name, [photo(number) for number in photos], MODEL)
                people[name] = photos
            done += 1


@contextmanager
def marked(states: NDArray[np.uint8], photos: list[int], begun: int, done: int) -> Iterator[None]:
    """Say to everybody what is done to the photos, before and after."""
    states[photos] = begun
    yield
    states[photos] = done


def read(
    path: Path, states: NDArray[np.uint8], done: NDArray[np.int64], me: int, seed: int, until: float
) -> None:
    """Search through a mirror that lives long, for those who were enrolled and removed before. Raises Violation."""
    chance = np.random.default_rng([seed, me])
    index = INDEXES[me % len(INDEXES)]
    with open_sqlite(path, read_only=me % 2 == 0, timeout_s=_TIMEOUT_S) as store:
        mirror = Mirror(store.changes, make_index(index), snapshot_from=400)
        while time.monotonic() < until:
            if chance.random() < 0.02:
                mirror = Mirror(store.changes, make_index(index), snapshot_from=400)
            before = states.copy()
            numbers = np.flatnonzero((before == _ADDED) | (before == _REMOVED))
            if not len(numbers):
                continue
            numbers = chance.choice(numbers, min(len(numbers), _PROBES), replace=False)
            cosines, _ = mirror.search(VECTORS[numbers], 2)
            after = states[numbers]
            there = (before[numbers] == _ADDED) & (after == _ADDED)
            gone = before[numbers] == _REMOVED
            if (lost := numbers[there & ~(cosines[:, 0] > SAME)]).size:
                raise Violation(f"the {index} index does not find photos {lost.tolist()}")
            if (doubled := numbers[there & (cosines[:, 1] > SAME)]).size:
                raise Violation(f"the {index} index finds photos {doubled.tolist()} twice")
            if (back := numbers[gone & (cosines[:, 0] > SAME)]).size:
                raise Violation(f"the {index} index still finds photos {back.tolist()}")
            done += 1
