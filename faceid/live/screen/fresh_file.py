"""New files that replace nothing and that only their owner reads: they show faces."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from faceid.errors import UsageError


def create_fresh(directory: Path, stem: str, suffix: str) -> Path:
    """An empty new file STEM.SUFFIX in `directory`, mode 0600; STEM-2.SUFFIX and so on where that is taken.

    Raises UsageError (`cannot_write`).
    """
    for number in count(1):
        path = directory / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        try:
            # O_EXCL follows no link either.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            continue
        except (OSError, ValueError) as error:
            raise cannot_write(path, error) from error
        return path
    raise AssertionError("numbers do not end")


def cannot_write(path: Path, error: OSError | ValueError | str) -> UsageError:
    """The error for a file that could not be written, and why."""
    reason = error.strerror if isinstance(error, OSError) else error
    return UsageError(f"cannot write {path}: {reason}", code="cannot_write", path=str(path))
