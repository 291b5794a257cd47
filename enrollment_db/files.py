"""Files that exist complete or not at all, even after a crash, and new files that never replace another.

The only atomic writer of both packages. It is in this package because `enrollment_db` imports nothing from `faceid`.
"""

from __future__ import annotations

import errno
import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

OWNER = 0o600
"""The mode of personal data: only the owner reads and writes it."""

EVERYONE = 0o644
"""The mode of files that accounts may share, such as weights and model cards, before the process's umask."""

LONGEST_NAME = 255
"""Bytes; the limit of common file systems."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def open_atomically(path: Path, *, mode: int = OWNER, temporary: Path | None = None) -> Iterator[BinaryIO]:
    """A new file to write to, which replaces `path` when the block ends without an error.

    The bytes go to `temporary`, by default a file with a random name in the same directory. It must not exist before; a
    symbolic link counts as a file that exists. File and directory are synced, so the new content survives a power
    failure. If the block raises, or the process cannot finish the file, `path` stays as it was and the temporary
    file is removed. A killed process leaves the temporary file behind.

    `mode` gives the permissions of the new file, less the umask. Permissions of a replaced file are not kept. A
    symbolic link at `path` is replaced, and the file that it points to stays. Raises OSError, and ValueError for a path
    with a null byte.
    """
    unfinished = temporary or _beside(path)
    descriptor = os.open(unfinished, _NEW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        # The first error is the one to report.
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def write_atomically(path: Path, content: bytes | Iterable[bytes], *, mode: int = OWNER) -> None:
    """Write bytes, or blocks of bytes, to `path` as `open_atomically` does. Raises OSError and ValueError."""
    with open_atomically(path, mode=mode) as file:
        for block in [content] if isinstance(content, bytes) else content:
            file.write(block)


def create_new(directory: Path, stem: str, suffix: str, *, mode: int = OWNER) -> Path:
    """An empty new file STEM.SUFFIX in `directory`; STEM-2.SUFFIX and so on if that name is taken.

    It replaces no file and follows no symbolic link. Raises OSError and ValueError.
    """
    for number in count(1):
        path = directory / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        try:
            os.close(os.open(path, _NEW, mode))
        except FileExistsError:
            continue
        return path
    raise AssertionError("numbers do not end")


def _beside(path: Path) -> Path:
    """A path in the same directory whose name cannot be guessed."""
    token = secrets.token_hex(16)
    name = f".{path.name}.{token}.tmp"
    return path.with_name(name if len(os.fsencode(name)) <= LONGEST_NAME else f".{token}.tmp")


def _sync_directory(directory: Path) -> None:
    if sys.platform == "win32":
        return
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except PermissionError:
        # A directory may be writable and not readable; the rename itself has succeeded.
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a directory.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
