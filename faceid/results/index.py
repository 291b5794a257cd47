"""The state of the search index, and the results of its maintenance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A snapshot of the index, as described by its header.

    `rows` counts its rows, `bytes` is its size on the disk, and `behind` counts the additions and removals since.
    """

    path: str
    index: str
    model: str
    rows: int
    bytes: int
    written_at: str
    behind: int


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """The index that a search would use, and the reason; `changes` counts all changes of the gallery."""

    kind: str
    index: str
    model: str | None
    templates: int
    changes: int
    snapshot: SnapshotInfo | None


@dataclass(frozen=True, slots=True)
class IndexResult:
    """The index after it was rebuilt or compacted; `snapshot` is None if the gallery is too small for one."""

    status: str
    kind: str
    index: str
    templates: int
    snapshot: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class IndexDifference:
    """A template that differs between the index and the database.

    `missing` from the index, `extra` in it, `different` vectors, or `unreachable`: it is held, but no search finds it.
    """

    template_id: int
    difference: Literal["missing", "extra", "different", "unreachable"]


@dataclass(frozen=True, slots=True)
class IndexVerification:
    """The result of comparing the index with the database; `compared` counts the templates that are in both."""

    status: Literal["equal", "differs"]
    kind: str
    index: str
    compared: int
    differences: tuple[IndexDifference, ...]
