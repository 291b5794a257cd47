"""Reads the paths that a user gives: files, directories and standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from os import DirEntry, scandir
from pathlib import Path

from faceid.errors import UnreadableImage
from faceid.imaging.decoder import decode
from faceid.imaging.limits import DEFAULT_LIMITS, Limits
from faceid.imaging.refusal import refuse
from faceid.types import Encoded, Image

STDIN = "-"
"""The path that means standard input; a file of that name is `./-`."""

# fmt: off
SUFFIXES = frozenset({
    ".apng", ".avif", ".bmp", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo",
    ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
})
# fmt: on
"""Suffixes of pictures inside a directory. A file that the user names explicitly may have any suffix."""


def read(path: str, limits: Limits = DEFAULT_LIMITS) -> Image:
    """Fetch and decode one picture. Raises as `fetch` and `decode` do."""
    return decode(fetch(path, limits), path, limits)


def fetch(path: str, limits: Limits = DEFAULT_LIMITS) -> Encoded:
    """The bytes of one picture; `-` is standard input. Never reads more than the limit on bytes.

    Raises UnreadableImage: code `no_images` for a directory without pictures, else `unreadable`.
    """
    return Encoded.of(_read_stdin(limits) if path == STDIN else _read_file(path, limits))


def walk(paths: Iterable[str]) -> Iterator[str]:
    """The pictures among `paths`, in order; directories recursively, `img2` before `img10`.

    Inside directories, hidden files and files without a picture's suffix are skipped, and no directory is visited
    twice. Nothing else is left out, and nothing is raised, so that a bad path does not end the list: a missing path, an
    unreadable directory and a directory without pictures are yielded unchanged, and `read` raises the error.
    """
    for path in paths:
        if path != STDIN and _is_directory(path):
            yield from _walk_directory(path)
        else:
            yield path


def _read_stdin(limits: Limits) -> bytes:
    # None in a process without standard input (pythonw, some services).
    if sys.stdin is None or sys.stdin.isatty():
        raise refuse(STDIN, "nothing is piped into standard input", remedy="pipe_a_photo")
    try:
        data = sys.stdin.buffer.read(limits.max_bytes + 1)
    except OSError as error:
        raise refuse(STDIN, _os_cause(error)) from error
    limits.check_bytes(len(data), STDIN)
    return data


def _read_file(path: str, limits: Limits) -> bytes:
    if not path:
        raise refuse(path, "no file name")
    try:
        with Path(path).open("rb") as file:
            # Not limited by the size that the system reports: it is 0 for pipes and for the endless /dev/zero.
            data = file.read(limits.max_bytes + 1)
    except (IsADirectoryError, PermissionError) as error:
        if _is_directory(path):
            raise _refuse_directory(path) from error
        raise refuse(path, _os_cause(error)) from error
    except OSError as error:
        raise refuse(path, _os_cause(error)) from error
    except ValueError as error:
        # A null character, or one that the file system's encoding lacks.
        raise refuse(path, "not a possible file name") from error
    limits.check_bytes(len(data), path)
    return data


def _os_cause(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (error.strerror or "cannot be read").lower()


def _refuse_directory(path: str) -> UnreadableImage:
    if next(_walk_directory(path)) != path:
        return refuse(path, "a directory where one picture is needed")
    try:
        with scandir(path):
            return refuse(path, "no pictures in this directory", code="no_images")
    except OSError as error:
        return refuse(path, _os_cause(error))


def _is_directory(path: str) -> bool:
    try:
        return bool(path) and Path(path).is_dir()
    except (OSError, ValueError):
        return False


def _walk_directory(root: str) -> Iterator[str]:
    """The pictures and unreadable directories below `root`; `root` itself where there is neither."""
    found = False
    seen: set[tuple[int, int]] = set()
    # A list and not recursion: trees can be deeper than Python's stack.
    pending = [(root, True)]
    while pending:
        path, is_directory = pending.pop()
        if is_directory:
            try:
                pending.extend(reversed(_children(path, seen)))
            except OSError:
                found = True
                yield path
        else:
            found = True
            yield path
    if not found:
        yield root


def _children(directory: str, seen: set[tuple[int, int]]) -> list[tuple[str, bool]]:
    """The entries to visit as (path, is a directory), in natural order; none if `directory` was `seen` before."""
    status = Path(directory).stat()
    identity = (status.st_dev, status.st_ino)
    if identity in seen:
        return []
    seen.add(identity)
    with scandir(directory) as entries:
        visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=_natural_order)
    return [
        (entry.path, is_directory)
        for entry in visible
        if (is_directory := _is_directory(entry.path)) or _is_picture(entry)
    ]


def _is_picture(entry: DirEntry[str]) -> bool:
    """Whether the suffix is a picture's. False for pipes and devices; true for broken links, which are reported."""
    if Path(entry.name).suffix.lower() not in SUFFIXES:
        return False
    try:
        return entry.is_file() or not Path(entry.path).exists()
    except OSError:
        return True


def _natural_order(entry: DirEntry[str]) -> tuple[list[str | int], str]:
    """`img2` before `img10`: text and numbers alternate, so that numbers are compared with numbers."""
    parts: list[str | int] = [*re.split(r"(\d+)", entry.name.casefold())]
    parts[1::2] = [int(part) for part in parts[1::2]]
    return parts, entry.name
