"""Reads the photos of one person: files, folders, archives and standard input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby

from faceid.errors import UnreadableImage
from faceid.imaging import DEFAULT_LIMITS, STDIN, Limits, walk
from faceid.sources.archives import is_tar, is_zip, person_in_archive
from faceid.sources.photo import Photo, Photos, chained, of_file, refused
from faceid.sources.standard_input import Piped, separator_of


def of_person(name: str, paths: Iterable[str], limits: Limits = DEFAULT_LIMITS) -> Photos:
    """The photos at `paths`, all of the identity `name`.

    A path is a file, a folder (walked as `imaging.walk` does, at once, so that `total` is known), a ZIP or TAR archive,
    or `-`: one picture on standard input, or a list of paths, one per line or each followed by NUL. The first paths of
    a list are available before its end. Nothing is raised: for an unreadable file, `load` of its Photo raises.
    """
    parts: list[Photos] = []
    for is_plain, run in groupby(paths, key=lambda path: path != STDIN and not _is_archive(path)):
        if is_plain:
            parts.append(of_files(name, walk(run), limits))
        else:
            parts += (_not_plain(name, path, limits) for path in run)
    return chained(parts)


def of_files(name: str, paths: Iterable[str], limits: Limits) -> Photos:
    """Files that the caller has already found."""
    found = list(paths)
    return Photos(lambda: (of_file(path, name, limits) for path in found), len(found))


def _not_plain(name: str, path: str, limits: Limits) -> Photos:
    if path == STDIN:
        return Photos(partial(_piped, name, limits), None)
    return person_in_archive(path, name, limits)


def _is_archive(path: str) -> bool:
    return is_zip(path) or is_tar(path)


def _piped(name: str, limits: Limits) -> Iterator[Photo]:
    try:
        piped = Piped.peek()
        if piped is None:
            yield of_file(STDIN, name, limits)
        elif (separator := separator_of(piped.head)) is None:
            yield Photo(STDIN, name, partial(piped.image, limits))
        else:
            for path in piped.paths(separator):
                if _is_archive(path):
                    yield from person_in_archive(path, name, limits)
                else:
                    yield from (of_file(photo, name, limits) for photo in walk([path]))
    except UnreadableImage as error:
        yield refused(error, name)
