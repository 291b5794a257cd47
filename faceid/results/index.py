"""The state of the search index, and what maintaining it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A snapshot of the index, as it says of itself.

    `rows` counts what it holds, `bytes` what it takes on the disk, and `behind` the additions and removals since.
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
    """Which index a search would use, and why; `changes` were made to the gallery since it was created."""

    kind: str
    index: str
    model: str | None
    templates: int
    changes: int
    snapshot: SnapshotInfo | None


@dataclass(frozen=True, slots=True)
class IndexResult:
    """The index after it was rebuilt or compacted; `snapshot` is None where the gallery is too small for one."""

    status: str
    kind: str
    index: str
    templates: int
    snapshot: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class IndexDifference:
    """A template that is not the same in the index and in the database.

    `missing` from the index, `extra` in it, `different` vectors, or `unreachable`: held, but no search finds it.
    """

    template_id: int
    difference: Literal["missing", "extra", "different", "unreachable"]


@dataclass(frozen=True, slots=True)
class IndexVerification:
    """What comparing the index with the database has shown; `compared` templates are in both."""

    status: Literal["equal", "differs"]
    kind: str
    index: str
    compared: int
    differences: tuple[IndexDifference, ...]
