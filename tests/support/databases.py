"""The databases that the contract suites run against, and what they are filled with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from enrollment_db.memory import MemoryDatabase
from enrollment_db.ports import Database
from enrollment_db.records import FaceCrop, ModelKey, NewTemplate
from enrollment_db.registry import open_sqlite

DIM = 8
MODEL = ModelKey("net", "a" * 64, "dlib-150-v1", DIM, "cosine")
OTHER = ModelKey("other", "b" * 64, "dlib-150-v1", DIM, "cosine")

DATABASES: dict[str, Callable[[Path], Database]] = {
    "sqlite": lambda directory: open_sqlite(directory / "gallery.db"),
    "memory": lambda directory: MemoryDatabase(),
}


def vector(number: int) -> np.ndarray:
    values = np.random.default_rng(number).standard_normal(DIM)
    return (values / np.linalg.norm(values)).astype(np.float32)


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def photo(number: int, *, crop: FaceCrop | None = None) -> NewTemplate:
    return NewTemplate(vector(number), digest(number), f"{number}.jpg", (0, 0, 9, 9), None, 0.5, crop)
