"""Finds photos at the paths that a user gives, with an identity if the folders give one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from faceid.errors import UsageError
from faceid.imaging import DEFAULT_LIMITS, Limits, walk
from faceid.sources import Photos, of_folders, of_person
from faceid.sources.archives import is_tar, is_zip
from faceid.sources.entry import is_directory, is_file
from faceid.sources.photo import Photo, chained, of_file

NOBODY = ""
"""The name of a photo or a face without a known identity."""


def of_paths(paths: Iterable[str], limits: Limits = DEFAULT_LIMITS) -> Photos:
    """The photos at `paths`: files, directories, archives, or `-`, as `sources.of_person` takes them.

    A photo in a sub-folder of a directory has the name of the first folder below it, so that a folder per identity
    gives identities; archives are read as `sources.of_folders` does. All others have the name NOBODY. Raises nothing:
    an unreadable file is a Photo with its error.
    """
    parts: list[Photos] = []
    for kind, run in groupby(paths, key=_kind):
        if kind == "other":
            parts.append(of_person(NOBODY, run, limits))
        else:
            read = _in_archive if kind == "archive" else _in_directory
            parts += (read(path, limits) for path in run)
    return chained(parts)


def _kind(path: str) -> str:
    if is_directory(path):
        return "directory"
    return "archive" if (is_zip(path) or is_tar(path)) and is_file(path) else "other"


def _in_archive(path: str, limits: Limits) -> Photos:
    try:
        return of_folders(path, limits)
    except UsageError:
        # It holds no folders, or cannot be read.
        return of_person(NOBODY, [path], limits)


def _in_directory(root: str, limits: Limits) -> Photos:
    found = list(walk([root]))

    def stream() -> Iterator[Photo]:
        for path in found:
            # A directory without pictures is yielded as itself.
            folders = Path(path).relative_to(root).parts[:-1]
            yield of_file(path, folders[0] if folders else NOBODY, limits)

    return Photos(stream, len(found))
