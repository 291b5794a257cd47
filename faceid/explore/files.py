"""Writes files that contain faces: completely or not at all, and readable by their owner only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from enrollment_db.files import open_atomically
from faceid.errors import UsageError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file to write to, which replaces `path` when the block ends without an error.

    It is created at once, so that an unwritable path is refused before the work. Raises UsageError (`cannot_write`).
    """
    with ExitStack() as stack:
        with writing(path):
            check_place(path)
            file = stack.enter_context(open_atomically(path))
        yield file
        with writing(path):
            stack.close()


def check_place(path: Path) -> None:
    """Raises UsageError (`cannot_write`) if `path` is a directory or a device: a file cannot replace them."""
    if path.exists() and not path.is_file():
        raise _cannot_write(path, "it is no file" if not path.is_dir() else "it is a directory")


def write_bytes(path: Path, content: bytes) -> None:
    """Write all of a file. Raises UsageError (`cannot_write`)."""
    with replacing(path) as file, writing(path):
        file.write(content)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises an error while `path` is written, such as a full disk, as UsageError (`cannot_write`)."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise _cannot_write(path, reason) from error


def _cannot_write(path: Path, reason: object) -> UsageError:
    return UsageError(f"cannot write {path}: {reason}", code="cannot_write", path=str(path))
