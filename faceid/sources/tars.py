"""Reads TAR archives, plain or compressed, once from the front, with one member in memory at a time."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from io import BufferedReader
from pathlib import Path
from tarfile import BLOCKSIZE, TarFile, TarInfo
from typing import IO, cast

from faceid.errors import UnreadableImage
from faceid.imaging import Limits
from faceid.imaging.refusal import detail, refuse
from faceid.sources.entry import Entry, visible
from faceid.sources.photo import failing
from faceid.types import Encoded

_DAMAGE = (
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    # Bound for headers that announce further headers.
    RecursionError,
)
"""What tarfile and the modules that inflate raise for malformed archives."""

_COMPRESSIONS = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\0", "lzma"),
    (b"\x28\xb5\x2f\xfd", "compression.zstd"),
)
"""The first bytes of a compressed archive, and the module that reads it."""

_MOST_INFLATED = 200
"""Growth above which a compressed archive counts as a decompression bomb: photos grow by a factor near 1."""

_CHUNK = 1 << 20


def tar_names(path: str, limits: Limits) -> Iterator[str]:
    """The paths of the files and links in a TAR archive, in its order, up to the first unreadable place."""
    try:
        for _, info in _members(path, limits):
            inner = visible(info.name)
            if inner is not None and _is_file_or_link(info):
                yield inner
    except UnreadableImage:
        # `tar_entries` reaches the same place, and raises.
        return


def tar_entries(path: str, limits: Limits, wanted: Callable[[str], bool]) -> Iterator[Entry]:
    """The files whose path is `wanted`, in the order of the archive, each holding its bytes.

    Raises UnreadableImage where the archive breaks off, after all that comes before. Links are entries that cannot be
    loaded; devices and pipes are skipped, as in a directory.
    """
    for archive, info in _members(path, limits):
        inner = visible(info.name)
        if inner is None or not wanted(inner) or not _is_file_or_link(info):
            continue
        error = _why_not(info, f"{path}/{inner}", limits)
        if error is not None:
            yield Entry(inner, 0, failing(error))
            continue
        with _translated(path):
            data = cast("IO[bytes]", archive.extractfile(info)).read()
        yield Entry(inner, len(data), partial(Encoded.of, data))


def _is_file_or_link(info: TarInfo) -> bool:
    return info.isreg() or info.islnk() or info.issym()


def _why_not(info: TarInfo, source: str, limits: Limits) -> UnreadableImage | None:
    """Why a member is skipped, in an archive that can be read further."""
    if not info.isreg():
        return refuse(source, "a link inside an archive, which is not followed")
    try:
        limits.check_bytes(info.size, source)
    except UnreadableImage as error:
        return error
    return None


def _members(path: str, limits: Limits) -> Iterator[tuple[TarFile, TarInfo]]:
    """Each member with the archive positioned at its data. Raises UnreadableImage where it breaks off."""
    with _translated(path), _opened(path, limits) as stream:
        with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r:") as archive:
            for info in archive:
                yield archive, info
                # tarfile remembers all members for random access.
                archive.members.clear()  # type: ignore[attr-defined]
        # tarfile takes an unreadable header for the end; the true end is a block of zeros.
        if stream.last != bytes(BLOCKSIZE):
            raise refuse(path, "a damaged or incomplete TAR archive: it has no end", remedy="damaged_archive")
        stream.drain()


class _Stream:
    """The file object for tarfile: the inflated bytes, with a bound on their growth.

    `last` holds the bytes of the last read.
    """

    def __init__(self, path: str, raw: BufferedReader, inflated: IO[bytes] | None, limits: Limits) -> None:
        self.last = b""
        self._path = path
        self._raw = raw
        self._inflated = inflated
        self._slack = max(limits.max_bytes, _CHUNK)

    def read(self, size: int) -> bytes:
        """Read as a file does; raises if only a hostile header can ask for so much."""
        if size > self._slack:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self.last = (self._inflated or self._raw).read(size)
        if self._inflated and self._inflated.tell() > self._slack + _MOST_INFLATED * self._raw.tell():
            raise refuse(self._path, f"an archive that grows more than {_MOST_INFLATED} times when inflated")
        return self.last

    def tell(self) -> int:
        """As a file does."""
        return (self._inflated or self._raw).tell()

    def seek(self, position: int) -> int:
        """Seek as a file does; forward in steps, because that inflates."""
        if self._inflated is None or position < self.tell():
            return (self._inflated or self._raw).seek(position)
        while (left := position - self.tell()) > 0 and self.read(min(left, _CHUNK)):
            pass
        return self.tell()

    def drain(self) -> None:
        """Read the bytes after the archive: a compressed stream has its checksum there."""
        while self._inflated and self.read(_CHUNK):
            pass


@contextmanager
def _opened(path: str, limits: Limits) -> Iterator[_Stream]:
    with Path(path).open("rb") as raw:
        head = raw.peek(8)
        module = next((module for magic, module in _COMPRESSIONS if head.startswith(magic)), None)
        if module is None:
            yield _Stream(path, raw, None, limits)
            return
        try:
            library = import_module(module)
        except ImportError as error:
            raise refuse(
                path,
                f"this Python has no module {module} to inflate it",
                remedy="decompress_first",
            ) from error
        with library.open(raw) as inflated:
            yield _Stream(path, raw, inflated, limits)


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Turns what tarfile raises into UnreadableImage."""
    try:
        yield
    except FileNotFoundError as error:
        raise refuse(path, "no such file") from error
    except PermissionError as error:
        raise refuse(path, "permission denied") from error
    except _DAMAGE as error:
        raise refuse(
            path, f"a damaged or incomplete TAR archive{detail(error)}", remedy="damaged_archive"
        ) from error
