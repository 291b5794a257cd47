"""Reads archives of photos: those of one person, and those with one folder per person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from faceid.errors import LOOSE_PHOTO, UnreadableImage, UsageError
from faceid.imaging import Limits
from faceid.imaging.refusal import refuse
from faceid.sources.entry import Entry, is_directory, is_picture
from faceid.sources.photo import Photo, Photos, refused
from faceid.sources.shards import sample_photos
from faceid.sources.survey import Survey
from faceid.sources.tars import tar_entries, tar_names
from faceid.sources.zips import zip_pictures

_ZIP = ".zip"
# fmt: off
_TAR = (
    ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst",
)
# fmt: on


def is_zip(path: str) -> bool:
    """Whether the suffix is a ZIP's."""
    return path.lower().endswith(_ZIP) and not is_directory(path)


def is_tar(path: str) -> bool:
    """Whether the suffix is a TAR's, compressed or not."""
    return path.lower().endswith(_TAR) and not is_directory(path)


def person_in_archive(path: str, name: str, limits: Limits) -> Photos:
    """All pictures of a ZIP or TAR archive, as photos of one person."""

    def stream() -> Iterator[Photo]:
        pictures = zip_pictures(path, limits) if is_zip(path) else tar_entries(path, limits, is_picture)
        for entry in pictures:
            yield Photo(f"{path}/{entry.inner}", name, entry.load)

    total = len(_inside(path, limits)) or 1 if is_zip(path) else None
    return Photos(partial(_with_end, path, name, stream), total)


def people_in_zip(path: str, limits: Limits) -> Photos:
    """The photos of an archive with one folder per person (see `Survey.root`). The photos of one person come together.

    Raises UsageError where no picture lies in a folder.
    """
    inside = _inside(path, limits)
    survey = Survey()
    survey.add(inside)
    root = survey.root
    if root is None:
        raise _no_folders(path)

    def stream() -> Iterator[Photo]:
        places: dict[str | None, int] = {}
        photos = [_photo_below(root, path, entry) for entry in zip_pictures(path, limits)]
        yield from sorted(photos, key=lambda photo: places.setdefault(photo.name, len(places)))

    # The stream refuses loose photos one by one.
    return Photos(partial(_with_end, path, None, stream), len(inside) or 1, loose=())


def people_in_tars(paths: Sequence[str], limits: Limits) -> Photos:
    """The photos of several archives together: one folder per person, or WebDataset shards.

    `Survey` finds which of the two it is, and the root: the headers of the archives are read once beforehand. Raises
    UsageError if no picture lies in a folder, and most have no label either.
    """
    survey = Survey()
    for path in paths:
        survey.add(tar_names(path, limits))
        if survey.has_labels:
            break
    root, has_samples = survey.root, survey.has_samples
    if root is None and not has_samples:
        raise _no_folders(paths[0])

    def stream(path: str) -> Iterator[Photo]:
        if has_samples:
            return sample_photos(path, limits)
        entries = tar_entries(path, limits, is_picture)
        return (_photo_below(root or (), path, entry) for entry in entries)

    def streams() -> Iterator[Photo]:
        for path in paths:
            yield from _with_end(path, None, partial(stream, path))

    return Photos(streams, None, loose=None if has_samples else ())


def _no_folders(path: str) -> UsageError:
    return UsageError(f"{path} has no folders", remedy="archive_without_folders", path=path)


def _photo_below(root: tuple[str, ...], path: str, entry: Entry) -> Photo:
    source = f"{path}/{entry.inner}"
    if len(entry.folders) > len(root):
        return Photo(source, entry.folders[len(root)], entry.load)
    return refused(
        refuse(source, "it lies in no person's folder", code=LOOSE_PHOTO, remedy="folder_per_person"), None
    )


def _inside(path: str, limits: Limits) -> list[str]:
    """The pictures of a ZIP archive; empty if it cannot be read: the stream reports that when it gets there."""
    try:
        return [entry.inner for entry in zip_pictures(path, limits)]
    except UnreadableImage:
        return []


def _with_end(path: str, name: str | None, stream: Callable[[], Iterator[Photo]]) -> Iterator[Photo]:
    """The photos of an archive, and the refusal if it breaks off or holds none."""
    found = False
    try:
        for photo in stream():
            found = True
            yield photo
    except UnreadableImage as error:
        yield refused(error, name)
        return
    if not found:
        yield refused(refuse(path, "no pictures in this archive", code="no_images"), name)
