"""What must hold of a gallery whose enrolment was killed, for `scripts.chaos.enrolment`."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLOSE = {"vector": 1e-3, "quality": 2e-3, "box": 0.05}
"""How far apart numbers may be, boxes in pixels: after a restart photos are computed in other batches, which rounds
differently, and a landmark that moves by a hundredth of a pixel changes a few pixels of the crop by one."""

Photo = tuple[str, str]
"""A name and a SHA-256."""


class Violation(Exception):
    """Something that must not be."""


@contextmanager
def copied(db: Path) -> Iterator[sqlite3.Connection]:
    """A copy of the database with its log, as the kill left it: the next process that opens it must recover it."""
    with tempfile.TemporaryDirectory() as directory:
        for suffix in ("", "-wal"):
            if (source := db.with_name(db.name + suffix)).exists():
                shutil.copyfile(source, Path(directory) / source.name)
        with closing(sqlite3.connect(Path(directory) / db.name)) as connection:
            yield connection


def decided_in(db: Path, *, stored: bool = True) -> set[Photo]:
    """The photos that a gallery has a template of, or keeps a refusal of. Raises Violation."""
    if not db.exists():
        return set()
    with copied(db) as connection:
        (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
        if sound != "ok":
            raise Violation(f"integrity_check: {sound}")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        queries = ["SELECT name, sha256 FROM outcomes"] if "outcomes" in tables else []
        if stored and "templates" in tables:
            queries.append("SELECT i.name, sha256 FROM templates JOIN identities i ON i.id = identity_id")
        return {(name, digest.hex()) for query in queries for name, digest in connection.execute(query)}


def same_results(calm: dict[str, dict[str, Any]], last: dict[str, dict[str, Any]]) -> None:
    """What was enrolled has the same id, what was refused the same reason, in the same order. Raises Violation."""
    if list(calm) != list(last):
        raise Violation(f"{len(last)} results of {len(calm)}, or in another order")
    for path, told in calm.items():
        keys = ("template_id",) if told["status"] in ("enrolled", "duplicate") else ("status", "reason")
        if any(told[key] != last[path][key] for key in keys) or last[path]["status"] not in (
            told["status"],
            "duplicate",
        ):
            raise Violation(f"{path}: {told} undisturbed, {last[path]} at last")


def same_galleries(calm: Path, disturbed: Path) -> dict[str, float]:
    """The largest differences of vectors, qualities and boxes. Raises Violation where anything else differs at all."""
    with copied(calm) as one, copied(disturbed) as other:
        for query in (
            "SELECT id, name, attributes FROM identities ORDER BY id",
            "SELECT id, identity_id, hex(sha256), source, model_id FROM templates ORDER BY id",
            "SELECT template_id, identity_id, op FROM changes ORDER BY seq",
        ):
            if one.execute(query).fetchall() != other.execute(query).fetchall():
                raise Violation(f"the galleries differ in: {query}")
        numbers, numbers_ = _numbers(one), _numbers(other)
    farthest = {}
    for kind, close in CLOSE.items():
        differences = np.abs(numbers[kind] - numbers_[kind])
        farthest[kind] = float(differences.max(initial=0))
        if farthest[kind] > close:
            row = int(differences.max(axis=1).argmax())
            raise Violation(f"{kind} differs by {farthest[kind]:g} in the template in row {row + 1}")
    return farthest


def _numbers(connection: sqlite3.Connection) -> dict[str, NDArray[np.float64]]:
    rows = connection.execute("SELECT vector, quality, box FROM templates ORDER BY id").fetchall()
    return {
        "vector": np.array([np.frombuffer(vector, "<f4") for vector, _, _ in rows], float),
        "quality": np.array([[quality] for _, quality, _ in rows], float),
        "box": np.array([json.loads(box) for _, _, box in rows], float),
    }
