"""Files of networks: hashes and atomic writing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from enrollment_db.files import EVERYONE, write_atomically

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
    """Write `blocks` to `path`, completely or not at all, readable by other accounts. Raises OSError."""
    write_atomically(path, blocks, mode=EVERYONE)


def read_blocks(path: Path) -> Iterable[bytes]:
    """The bytes of a file, a block at a time. Raises OSError."""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
