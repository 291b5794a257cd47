"""Small archives, and what a stream of photos makes of them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from faceid.errors import UnreadableImage
from faceid.sources import Photo
from faceid.types import Encoded

Files = dict[str, bytes] | Iterable[tuple[str, bytes]]


def as_zip(path: Path, files: Files, compression: int = zipfile.ZIP_DEFLATED) -> str:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, data)
    return str(path)


def as_tar(path: Path, files: Files, mode: str = "w") -> str:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items() if isinstance(files, dict) else files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(path)


def outcome(photo: Photo) -> bytes | str:
    """The bytes that were loaded, or the message of the refusal."""
    try:
        loaded = photo.load()
    except UnreadableImage as error:
        refusal = error
    else:
        assert isinstance(loaded, Encoded)
        return loaded.data
    assert refusal.path == photo.source
    assert str(refusal).isprintable()
    return str(refusal)


def names_and_bytes(photos: Iterable[Photo]) -> list[tuple[str | None, bytes | str]]:
    return [(photo.name, outcome(photo)) for photo in photos]


def sources(photos: Iterable[Photo], root: Path) -> list[str]:
    return [Path(photo.source).relative_to(root).as_posix() for photo in photos]
