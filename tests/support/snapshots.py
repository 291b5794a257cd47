"""A small gallery with a snapshot, and what its tests share."""

import logging
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enrollment_db.records import ModelKey, NewTemplate
from enrollment_db.search import snapshot
from enrollment_db.search.index import VectorIndex
from enrollment_db.search.index.choice import hnsw, ivf, pq4, rabitq
from enrollment_db.search.index.faiss import FaissFlatIndex
from enrollment_db.search.index.flat import FlatIndex
from enrollment_db.search.index.growing import GrowingIndex
from enrollment_db.search.index.kept import Kept
from enrollment_db.search.mirror import Mirror
from enrollment_db.search.snapshot_directory import SnapshotDirectory
from enrollment_db.sqlite.changes import ChangeLog
from enrollment_db.sqlite.database import SqliteDatabase

DIM = 8


COUNT = 40


MODEL = ModelKey("net", "a" * 64, "five-points", DIM, "cosine")


OTHER = ModelKey("net", "c" * 64, "five-points", DIM, "cosine")


def photo(number: int) -> NewTemplate:
    vector = np.random.default_rng(number).standard_normal(DIM)
    return NewTemplate((vector / np.linalg.norm(vector)).astype(np.float32), f"{number:064x}")


def files(store: SqliteDatabase) -> list[str]:
    directory = SnapshotDirectory(store.location).path
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def opened(
    store: SqliteDatabase, monkeypatch: pytest.MonkeyPatch, index: VectorIndex | None = None
) -> tuple[Mirror, bool]:
    """A mirror that has found everybody, and whether it read the whole store for it."""
    loads = []
    load_all = ChangeLog.load_all
    with monkeypatch.context() as patch:
        patch.setattr(ChangeLog, "load_all", lambda self: loads.append(1) or load_all(self))
        mirror = Mirror(store.changes, FlatIndex(DIM) if index is None else index)
        mirror.sync()
    held = np.concatenate([part.batch.template_ids for part in store.changes.load_all()])
    vectors = np.concatenate([part.batch.vectors for part in store.changes.load_all()])
    _, ids = mirror.search(vectors, 1)
    np.testing.assert_array_equal(ids[:, 0], held)
    assert len(mirror) == len(held)
    return mirror, bool(loads)


def assert_refused(store, caplog, monkeypatch, why: str, *, kept: bool = False) -> None:
    with caplog.at_level(logging.DEBUG, "enrollment_db"):
        _, loaded = opened(store, monkeypatch)
    assert loaded
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert why in caplog.text
    caplog.clear()
    assert bool(files(store)) == kept


def places(good: Path) -> dict[str, int]:
    with good.open("rb") as file:
        header = snapshot.read_header(file)
        end_of_header = file.tell()
    at = {part.name: part.at for part in header.parts}
    return {
        "magic": 0,
        "length": 12,
        "checksum": 16,
        "json": 20,
        "json's end": end_of_header - 1,
        "first id": at["ids"],
        "last id": at["ids"] + 8 * header.count - 1,
        "first value": at["vectors"],
        "last value": at["vectors"] + 4 * DIM * header.count - 1,
        "first sum": header.crcs_at,
        "last sum": header.size - 1,
    }


def content(path: Path) -> Kept:
    """What is in a snapshot. Raises BadSnapshot."""
    with path.open("rb") as file:
        header = snapshot.read_header(file)
        kept = snapshot.map_kept(file, header)
    return Kept(kept.count, {name: array[: kept.count] for name, array in kept.by_row.items()}, kept.whole)


def rewritten(good: Path, by_row: dict[str, Any] | None = None, **changes: Any) -> None:
    """The same snapshot with another stamp, or other content."""
    kept = content(good)
    with good.open("rb") as file:
        stamp = replace(snapshot.read_header(file).stamp, **changes)
    good.unlink()
    with good.open("xb") as file:
        snapshot.write(file, stamp, Kept(kept.count, {**kept.by_row, **(by_row or {})}, kept.whole))


def growing(make: Callable[..., Any], switch_at: int = 16) -> VectorIndex:
    return GrowingIndex(DIM, partial(make, DIM), switch_at=switch_at)


KINDS: dict[str, Callable[[], VectorIndex]] = {
    "numpy": partial(FlatIndex, DIM),
    "faiss": partial(FaissFlatIndex, DIM),
    "small": partial(growing, rabitq, 1000),
    "pq4": partial(growing, pq4),
    "rabitq": partial(growing, rabitq),
    "ivf": partial(growing, ivf),
    "hnsw": partial(growing, hnsw),
}


def finish(processes: list[subprocess.Popen]) -> list[int]:
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.close()
    codes = [process.wait(60) for process in processes]
    for process in processes:
        process.stdout.close()
    return codes
