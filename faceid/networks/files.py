"""Files that are whole or absent, and their hashes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

BLOCK = 1 << 20
"""Bytes read or written at a time."""


def sha256_of(path: Path) -> str:
    """The hex SHA-256 of a file's bytes. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def write_whole(path: Path, blocks: Iterable[bytes]) -> None:
    """Write `blocks` to `path` so that nobody, even after a crash, sees a part of them. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            for block in blocks:
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes a file that only its owner can read; galleries and weights may be shared.
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_blocks(path: Path) -> Iterable[bytes]:
    """The bytes of a file, a block at a time. Raises OSError."""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
