"""Writes any number of embeddings to an archive in little memory."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from faceid.explore.faces import FaceRow
from faceid.explore.files import check_place, replacing, writing
from faceid.explore.photos import NOBODY
from faceid.gallery.npz import write_rows
from faceid.types import ModelKey

if TYPE_CHECKING:
    from typing_extensions import Self

ROWS = 16_384
"""Faces held at a time."""


class ArchiveWriter:
    """Collects rows for the archive at `path`, in the format of `faceid.explore.archive`.

    Further rows wait on the same disk in files without a name, which vanish when the process ends in any way. `rows`
    and `named` count the faces so far and those with a name.
    """

    def __init__(self, path: Path, held: int = ROWS) -> None:
        """At most `held` rows are in memory. Raises UsageError (`cannot_write`)."""
        self._path = path
        self._most = held
        self._held: list[FaceRow] = []
        self._kinds: dict[str, np.dtype[Any]] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self.rows = self.named = 0
        with writing(path), ExitStack() as stack:
            check_place(path)
            self._waiting = {
                name: stack.enter_context(TemporaryFile(dir=path.parent)) for name in _columns([])
            }
            self._files = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    def add(self, row: FaceRow) -> None:
        """Add one face. Raises UsageError (`cannot_write`), as for a full disk."""
        self._held.append(row)
        self.rows += 1
        self.named += row.name != NOBODY
        if len(self._held) >= self._most:
            self._put_away()

    def write(self, model: ModelKey, detector: str | None = None) -> None:
        """Write the archive, which appears when it is complete. Raises UsageError (`cannot_write`).

        `detector` is the name of what found the faces.
        """
        self._put_away()
        names = [name for name in self._waiting if name != "names" or self.named]
        with replacing(self._path) as file, writing(self._path), zipfile.ZipFile(file, "w") as archive:
            for name in names:
                shape = (self.rows, *self._shapes[name])
                write_rows(archive, name, shape, self._kinds[name], self._parts(name))
            if detector is not None:
                kind = np.array(detector).dtype
                sizes = (min(ROWS, self.rows - start) for start in range(0, self.rows, ROWS))
                finders = (np.full(size, detector, kind) for size in sizes)
                write_rows(archive, "detectors", (self.rows,), kind, finders)
            for name, value in (
                ("model", model.name),
                ("metric", model.metric),
                ("weights_sha256", model.weights_sha256),
                ("aligner", model.aligner),
            ):
                scalar = np.array(value, np.str_)
                write_rows(archive, name, (), scalar.dtype, [scalar])

    def _put_away(self) -> None:
        if not self._held:
            return
        with writing(self._path):
            for name, column in _columns(self._held).items():
                np.save(self._waiting[name], column, allow_pickle=False)
                # Strings are as wide as the longest one.
                self._kinds[name] = np.promote_types(self._kinds.get(name, column.dtype), column.dtype)
                self._shapes[name] = column.shape[1:]
        self._held.clear()

    def _parts(self, name: str) -> Iterator[NDArray[Any]]:
        file = self._waiting[name]
        file.seek(0)
        done = 0
        while done < self.rows:
            part = np.load(file, allow_pickle=False)
            yield part
            done += len(part)


def _columns(rows: Sequence[FaceRow]) -> dict[str, NDArray[Any]]:
    return {
        "embeddings": np.array([row.vector for row in rows], np.float32),
        "names": np.array([row.name for row in rows], np.str_),
        "sources": np.array([row.source for row in rows], np.str_),
        "photo_sha256": np.array([row.digest for row in rows], np.str_),
        "boxes": np.array([row.box for row in rows], np.float32),
        "quality": np.array([row.quality for row in rows], np.float32),
        "outside": np.array([row.outside for row in rows], np.float32),
    }
