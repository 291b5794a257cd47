"""Reads one folder per person: on the disk, in archives, or as WebDataset shards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from faceid.errors import InputError, UsageError
from faceid.imaging import DEFAULT_LIMITS, Limits, walk
from faceid.sources.archives import is_tar, is_zip, people_in_tars, people_in_zip
from faceid.sources.entry import is_directory, is_file, is_picture
from faceid.sources.paths import of_files
from faceid.sources.photo import Photos, chained
from faceid.sources.shards import expand_braces


def of_folders(root: str, limits: Limits = DEFAULT_LIMITS) -> Photos:
    """The photos below `root`, each of the person whose name is that of the first folder below it.

    `root` is a folder of folders, a ZIP or TAR archive of them (`Survey.root` finds the root inside), or WebDataset
    shards: a TAR, a folder of TARs, or several by braces (`shards-{000..009}.tar`). Raises UsageError for any other
    path, or a missing one.
    """
    if is_directory(root):
        return _in_folder(root, limits)
    if is_zip(root):
        return people_in_zip(_existing(root), limits)
    paths = [root] if is_file(root) else expand_braces(root)
    if all(is_tar(path) for path in paths):
        return people_in_tars([_existing(path) for path in paths], limits)
    raise UsageError(f"{root} is not a directory", code="not_found", remedy="not_a_directory", path=root)


def _in_folder(root: str, limits: Limits) -> Photos:
    try:
        visible = sorted(entry for entry in Path(root).iterdir() if not entry.name.startswith("."))
    except OSError as error:
        cause = (error.strerror or "cannot be read").lower()
        raise InputError(f"{root}: {cause}", code="unreadable", path=root) from error
    folders = [entry for entry in visible if is_directory(str(entry))]
    archives = [str(entry) for entry in visible if is_tar(str(entry))]
    if folders and archives:
        raise UsageError(
            f"{root} holds sub-folders and archives side by side", remedy="one_kind_at_a_time", path=root
        )
    if archives:
        return people_in_tars(archives, limits)
    if not folders:
        raise UsageError(f"{root} has no sub-folders", remedy="directory_without_folders", path=root)
    loose = tuple(str(entry) for entry in visible if is_picture(entry.name) and entry not in folders)
    photos = chained(of_files(folder.name, walk([str(folder)]), limits) for folder in folders)
    return replace(photos, loose=loose)


def _existing(path: str) -> str:
    if not is_file(path):
        raise UsageError(f"{path}: no such file", code="not_found", path=path)
    return path
