"""Files that hold faces: whole or not at all, and for their owner's eyes only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faceid.errors import UsageError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place when the block ends without an error.

    It is there from the beginning, so that a place that cannot be written is refused before the work. Raises
    UsageError (`cannot_write`).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _as_usage(path):
            temporary.touch(mode=0o600)
        yield temporary
        with _as_usage(path):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """All of a file at once. Raises UsageError (`cannot_write`)."""
    with replacing(path) as temporary, _as_usage(path):
        temporary.write_bytes(content)


@contextmanager
def _as_usage(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"cannot write {path}: {reason}", code="cannot_write", hint="choose another place", path=str(path)
        ) from error
