"""A file inside an archive of any kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from faceid.imaging import SUFFIXES
from faceid.types import Encoded


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """`inner` is its path inside the archive, `size` the bytes it holds in memory until it is dropped.

    `load` raises UnreadableImage.
    """

    inner: str
    size: int
    load: Callable[[], Encoded]

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders it lies in, outermost first."""
        return folders_of(self.inner)


def visible(path: str) -> str | None:
    """The path of a member without `/` in front and `..`; None for a file that a directory walk skips too.

    Nothing is written under these names, so these parts are harmless, but they say nothing about the person.
    """
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    if not parts or any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return None
    return "/".join(parts)


def is_picture(inner: str) -> bool:
    """Whether the suffix is a picture's, as in a directory."""
    return PurePosixPath(inner).suffix.lower() in SUFFIXES


def folders_of(inner: str) -> tuple[str, ...]:
    """The folders of a member's path, outermost first."""
    return tuple(inner.split("/")[:-1])


def is_directory(path: str) -> bool:
    """Whether it is one; a name that is no valid path is not."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: str) -> bool:
    """Whether it is one; a name that is no valid path is not."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False
