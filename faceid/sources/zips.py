"""Reads ZIP archives: each member when it is loaded, from one handle that threads share."""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from faceid.imaging import Limits
from faceid.imaging.refusal import detail, refuse
from faceid.sources.entry import Entry, is_picture, visible
from faceid.types import Encoded

_DAMAGE = (BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, OverflowError)
"""What zipfile raises for malformed archives."""

_ENCRYPTED, _UTF8_NAME = 0x1, 0x800
_UNIX = 3


def zip_pictures(path: str, limits: Limits) -> list[Entry]:
    """The pictures of a ZIP archive, in its order. The archive is closed when the last of them is dropped.

    Raises UnreadableImage if the file is no ZIP archive, or lacks its table of contents, which a truncated file loses
    first.
    """
    with _translated(path, "a damaged or incomplete ZIP archive", remedy="damaged_archive"):
        archive = ZipFile(path)
    lock = Lock()
    return [
        Entry(inner, 0, partial(_read, archive, lock, info, f"{path}/{inner}", limits))
        for info in archive.infolist()
        if not info.is_dir() and (inner := visible(_name(info))) is not None and is_picture(inner)
    ]


def _read(archive: ZipFile, lock: Lock, info: ZipInfo, source: str, limits: Limits) -> Encoded:
    if info.create_system == _UNIX and stat.S_ISLNK(info.external_attr >> 16):
        raise refuse(source, "a link inside an archive, which is not followed")
    if info.flag_bits & _ENCRYPTED:
        raise refuse(source, "encrypted", remedy="encrypted_archive")
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        # zipfile inflates bzip2 and LZMA without a bound on memory, and does not know other methods.
        raise refuse(source, "compressed in a way other than deflate", remedy="other_compression")
    limits.check_bytes(info.file_size, source)
    # zipfile does not promise that threads may read members in parallel. It stops at the declared size, and a longer
    # member fails its checksum.
    with _translated(source, "damaged inside its archive"), lock, archive.open(info) as member:
        data = member.read()
    return Encoded.of(data)


def _name(info: ZipInfo) -> str:
    """The name of a member, corrected for two kinds of programs that violate the standard."""
    name = info.filename
    if not info.flag_bits & _UTF8_NAME:
        # macOS writes UTF-8 without the flag; zipfile then takes it for code page 437.
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = info.filename
    # Old Windows programs write backslashes.
    return name if "/" in name else name.replace("\\", "/")


@contextmanager
def _translated(source: str, cause: str, remedy: str | None = None) -> Iterator[None]:
    """Turns what zipfile raises into UnreadableImage."""
    try:
        yield
    except FileNotFoundError as error:
        raise refuse(source, "no such file") from error
    except PermissionError as error:
        raise refuse(source, "permission denied") from error
    except _DAMAGE as error:
        raise refuse(source, f"{cause}{detail(error)}", remedy=remedy) from error
