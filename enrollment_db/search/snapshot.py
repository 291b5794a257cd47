"""One file that holds an index: a header, the index's arrays, checksums.

    0      magic "FaIdSnap", format version, length and CRC-32 of the JSON   (8 bytes, 3 little-endian uint32)
    20     JSON: the stamp of the snapshot, and the place of each array
    ...    the arrays, little-endian, each from a multiple of 4096 on
    ...    for each array in turn, the CRC-32 of each 64 KiB of its used part   (little-endian uint32)

An array with one element a row has reserved room for more rows. An index maps it privately and puts later additions
there without copying the rest.

The checks find every truncation, and every damage of up to 32 consecutive bits in header or arrays. Of other damage,
one case in 2**32 escapes them. They protect against accidents, not against an attacker who can write here.

Templates can be erased from a finished file. An interrupted erasure leaves a wrong checksum.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from enrollment_db.records import ModelKey, Place
from enrollment_db.search.index.kept import SIGNPOSTS, TABLES, CannotErase, Kept, find

FORMAT = 3
_MAGIC = b"FaIdSnap"
_PREFIX = struct.Struct("<8sIII")
_PAGE = 4096
_LONGEST_HEADER = 1 << 20
_CHUNK = 1 << 16
_CRC = np.dtype("<u4")
# Bytes written at once.
_WRITTEN_AT_ONCE = 1 << 23


class BadSnapshot(Exception):
    """The file cannot be used; str() gives the reason. Never leaves this package."""


class NewerFormat(BadSnapshot):
    """The file was written by a newer version, which may be able to use it."""


class Outlived(BadSnapshot):
    """The file is intact, but out of date."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """The content of a snapshot: the templates of gallery `database_id` at a place of its change log.

    `index` describes the index that wrote it.
    """

    database_id: str
    model: ModelKey
    place: Place
    index: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """The place of an array: `used` elements along its first axis are valid, of `room` in the file."""

    name: str
    dtype: str
    tail: tuple[int, ...]
    used: int
    room: int
    by_row: bool
    at: int

    @property
    def size(self) -> int:
        """The number of bytes in use."""
        return self.used * self.element

    @property
    def element(self) -> int:
        """The number of bytes of an element along the first axis."""
        return int(np.dtype(self.dtype).itemsize * np.prod(self.tail, dtype=np.int64))

    @property
    def chunks(self) -> int:
        """The number of checksums."""
        return -(-self.size // _CHUNK)


@dataclass(frozen=True, slots=True)
class Header:
    """The stamp, and the places of all parts. All sizes are in bytes."""

    stamp: Stamp
    count: int
    parts: tuple[Part, ...]
    crcs_at: int
    size: int


def write(file: BinaryIO, stamp: Stamp, kept: Kept) -> None:
    """Write the dump of an index to an empty file, and sync it.

    The header is written last: until then the file is not a snapshot. Raises OSError.
    """
    # After opening, a quarter more can be added before the vectors have to be copied.
    room = kept.count + kept.count // 4 + 1024
    arrays = {**kept.by_row, **kept.whole}
    parts = [
        Part(
            name,
            _little(array.dtype).str,
            array.shape[1:],
            len(array),
            room if name in kept.by_row else len(array),
            name in kept.by_row,
            2**62,
        )
        for name, array in arrays.items()
    ]
    # The placeholders have the same length as the numbers that replace them.
    end = len(_encoded(Header(stamp, kept.count, tuple(parts), 2**62, 2**62)))
    placed = []
    for part in parts:
        at = _aligned(end)
        placed.append(Part(part.name, part.dtype, part.tail, part.used, part.room, part.by_row, at))
        end = at + part.room * part.element
    crcs_at = _aligned(end)
    crcs = [_append(file, part, arrays[part.name]) for part in placed]
    file.seek(crcs_at)
    file.write(np.concatenate(crcs).astype(_CRC).tobytes())
    size = file.tell()
    file.flush()
    if sys.platform == "linux":
        # On tmpfs a mapped hole takes memory when it is first used; if none is left, SIGBUS ends the process.
        os.posix_fallocate(file.fileno(), 0, size)
    os.fsync(file.fileno())
    file.seek(0)
    file.write(_encoded(Header(stamp, kept.count, tuple(placed), crcs_at, size)))
    file.flush()
    os.fsync(file.fileno())


def read_header(file: BinaryIO) -> Header:
    """The header of a file. Raises BadSnapshot, NewerFormat, Outlived or OSError."""
    prefix = file.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size or not prefix.startswith(_MAGIC):
        raise BadSnapshot("it is no snapshot, or one that was not finished")
    _, version, length, crc = _PREFIX.unpack(prefix)
    if version > FORMAT:
        raise NewerFormat(f"its format is {version}, this version of faceid knows {FORMAT}")
    text = file.read(min(length, _LONGEST_HEADER))
    if zlib.crc32(text, zlib.crc32(struct.pack("<II", version, length))) != crc:
        raise BadSnapshot("its header is damaged")
    if version < FORMAT:
        raise Outlived(f"its format is {version}, which is not written any more")
    fields = json.loads(text)
    stamp, parts = fields.pop("stamp"), fields.pop("parts")
    header = Header(
        stamp=Stamp(**{**stamp, "model": ModelKey(**stamp["model"]), "place": Place(**stamp["place"])}),
        parts=tuple(Part(**{**part, "tail": tuple(part["tail"])}) for part in parts),
        **fields,
    )
    size = os.fstat(file.fileno()).st_size
    if size != header.size:
        raise BadSnapshot(f"it has {size} bytes, not {header.size}")
    return header


def map_kept(file: BinaryIO, header: Header) -> Kept:
    """The checked arrays of a file, which may be closed and removed afterwards. Raises BadSnapshot or OSError.

    Changes to them stay in this process. Reads the whole file once: 0.2 s for a million templates of 128 values from
    the page cache.
    """
    with _locked(file, exclusive=False):
        arrays = _mapped(file, header, "c")
        expected = _crcs(file, header, "r")
        parts = {part.name: part for part in header.parts}
        _check_chunks(arrays, parts, expected, _every_chunk(header.parts))
    return _kept(header, arrays)


def erase_from(file: BinaryIO, header: Header, ids: NDArray[np.int64]) -> None:
    """Overwrite the data of (n,) template ids with zeros in a file open for reading and writing, and sync it.

    Their ids stay: the change log after the snapshot's place records the removal. A process that has the file mapped
    sees zeros from now on. Raises BadSnapshot if the data cannot be erased or are damaged, and OSError.
    """
    with _locked(file, exclusive=True):
        arrays = _mapped(file, header, "r+")
        crcs = _crcs(file, header, "r+")
        parts = {part.name: part for part in header.parts}
        _check_chunks(arrays, parts, crcs, _every_chunk(part for part in header.parts if part.name in TABLES))
        try:
            found, consulted, certain = find(_kept(header, arrays), ids)
        except CannotErase as error:
            raise BadSnapshot(str(error)) from error
        signposts = {(name, chunk) for name, at in consulted for chunk in _chunks(parts[name], at)}
        if not certain:
            # Damage may hide an id that is not found.
            signposts |= set(_every_chunk(part for part in header.parts if part.name in SIGNPOSTS))
        _check_chunks(arrays, parts, crcs, signposts)
        if not found:
            return
        touched = sorted(
            {(trace.array, chunk) for trace in found for chunk in _chunks(parts[trace.array], trace.element)}
        )
        # Data of an interrupted erasure, or that the disk damaged, must not get a valid checksum.
        _check_chunks(arrays, parts, crcs, touched)
        for name, element, others in found:
            arrays[name][element] = 0 if others is None else arrays[name][element] & others
        for name, chunk in touched:
            crcs[name][chunk] = _crc_of(_bytes(arrays[name], parts[name]), chunk)
        if sys.platform != "linux":
            # On that system, fsync does not always write changes made through a mapping.
            for array in (*(arrays[name] for name in {name for name, _ in touched}), *crcs.values()):
                if isinstance(array.base, np.memmap):
                    array.base.flush()
        os.fsync(file.fileno())


def _mapped(file: BinaryIO, header: Header, mode: str) -> dict[str, NDArray[Any]]:
    return {
        # np.asarray: a memmap costs microseconds for each slice.
        part.name: np.asarray(np.memmap(file, part.dtype, mode, part.at, (part.room, *part.tail)))  # type: ignore[call-overload]
        if part.room and part.element
        else np.empty((part.room, *part.tail), part.dtype)
        for part in header.parts
    }


def _crcs(file: BinaryIO, header: Header, mode: str) -> dict[str, NDArray[np.uint32]]:
    """The checksums of each array."""
    total = sum(part.chunks for part in header.parts)
    every = np.asarray(np.memmap(file, _CRC, mode, header.crcs_at, (total,)))  # type: ignore[call-overload]
    ends = np.cumsum([part.chunks for part in header.parts]).tolist()
    return {part.name: every[end - part.chunks : end] for part, end in zip(header.parts, ends, strict=True)}


def _kept(header: Header, arrays: Mapping[str, NDArray[Any]]) -> Kept:
    return Kept(
        header.count,
        {part.name: arrays[part.name] for part in header.parts if part.by_row},
        {part.name: arrays[part.name] for part in header.parts if not part.by_row},
    )


def _bytes(array: NDArray[Any], part: Part) -> memoryview:
    """The used bytes of an array."""
    return array.data.cast("B")[: part.size] if part.size else memoryview(b"")


def _chunks(part: Part, element: int) -> range:
    """The chunks of an array that contain an element."""
    start = element * part.element
    return range(start // _CHUNK, -(-(start + part.element) // _CHUNK))


def _every_chunk(parts: Iterable[Part]) -> list[tuple[str, int]]:
    return [(part.name, chunk) for part in parts for chunk in range(part.chunks)]


def _crc_of(content: memoryview, chunk: int) -> int:
    return zlib.crc32(content[chunk * _CHUNK : (chunk + 1) * _CHUNK])


def _check_chunks(
    arrays: Mapping[str, NDArray[Any]],
    parts: Mapping[str, Part],
    crcs: Mapping[str, NDArray[np.uint32]],
    chunks: Iterable[tuple[str, int]],
) -> None:
    for name, chunk in chunks:
        if _crc_of(_bytes(arrays[name], parts[name]), chunk) != crcs[name][chunk]:
            raise BadSnapshot("its content is damaged")


def _append(file: BinaryIO, part: Part, array: NDArray[Any]) -> NDArray[np.uint32]:
    """Write an array to its place; returns its checksums."""
    step = max(_WRITTEN_AT_ONCE // max(part.element, 1), 1)
    file.seek(part.at)
    crcs: list[int] = []
    rest = b""
    for start in range(0, part.used, step):
        # A copy: the array can be mapped from a snapshot from which another process is erasing.
        content = np.asarray(array[start : start + step], part.dtype).tobytes()
        file.write(content)
        rest += content
        whole = len(rest) // _CHUNK
        crcs += [_crc_of(memoryview(rest), chunk) for chunk in range(whole)]
        rest = rest[whole * _CHUNK :]
    if rest:
        crcs.append(zlib.crc32(rest))
    return np.array(crcs, np.uint32)


@contextmanager
def _locked(file: BinaryIO, *, exclusive: bool) -> Iterator[None]:
    """Lock the file, if the system can: erasures exclude each other and checks."""
    if sys.platform == "win32":
        if exclusive:
            raise OSError("files cannot be locked here")
        yield
        return
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _encoded(header: Header) -> bytes:
    text = json.dumps(asdict(header)).encode()
    crc = zlib.crc32(text, zlib.crc32(struct.pack("<II", FORMAT, len(text))))
    return _PREFIX.pack(_MAGIC, FORMAT, len(text), crc) + text


def _little(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("<")


def _aligned(offset: int) -> int:
    return -(-offset // _PAGE) * _PAGE
