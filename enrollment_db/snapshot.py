"""One file that holds an index: a header, the ids in ascending order, the vectors in the same order.

    0      magic "FaIdSnap", format version, length and CRC-32 of the JSON   (8 bytes, 3 little-endian uint32)
    20     JSON: what the snapshot is of, where its parts are, the CRC-32 of their content
    ids_at         `capacity` x int64, of which `count` are used
    vectors_at     `capacity` x dim x float32, of which `count` are used

Both parts begin at a multiple of 4096 and are little-endian. What is not used is reserved on the disk: mapped
privately, it is where an index puts what is added later without copying the rest.

The checks find every truncation and every damage of up to 32 bits in a row, in header, ids or vectors; of any
other damage one in 2**32 escapes them. They guard against accidents, not against somebody who may write here.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from dataclasses import asdict, dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from enrollment_db.records import Model

FORMAT = 1
_MAGIC = b"FaIdSnap"
_PREFIX = struct.Struct("<8sIII")
_PAGE = 4096
_LONGEST_HEADER = 1 << 20
_ID = np.dtype("<i8")
_VALUE = np.dtype("<f4")
# What is written at once where rows are not in order: 16384 x 128 float32 are 8 MB.
_ROWS_AT_ONCE = 16_384


class BadSnapshot(Exception):
    """The file cannot be used; str() says why. Never leaves this package."""


class NewerFormat(BadSnapshot):
    """Written by a newer version, for which it may be good."""


class Outlived(BadSnapshot):
    """Nothing is wrong with it, but a template in it was removed."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a snapshot is of: the templates of gallery `database_id` at place `seq` of its change log.

    `lineage` is `Reader.lineage(seq, newest_id)`, by which a log that was restored from a backup and went on
    differently is told from the one that the snapshot followed. `newest_id` is the greatest template id.
    """

    database_id: str
    model: Model
    seq: int
    newest_id: int
    lineage: str


@dataclass(frozen=True, slots=True)
class Header:
    """The stamp, and where the rows are. All sizes are in bytes."""

    stamp: Stamp
    count: int
    capacity: int
    ids_at: int
    vectors_at: int
    size: int
    crc32: int


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of a snapshot, mapped from its file.

    `known` (count,) int64 holds the ids, ascending, and cannot be written. `ids` (capacity,) int64 and `vectors`
    (capacity, d) float32 begin with the same rows; what is written to them stays in this process.
    """

    known: NDArray[np.int64]
    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]


def write(file: BinaryIO, stamp: Stamp, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
    """Write (n,) ids and (n, d) vectors, in any order, n >= 1, to an empty file, and sync it.

    The header comes last: until then the file is none. Raises OSError.
    """
    count, dim = vectors.shape
    # A quarter more can be added after opening before the vectors have to be copied.
    capacity = count + count // 4 + 1024
    # The numbers that are not known yet take as much room as those that will be there.
    prefix = len(_encoded(Header(stamp, count, capacity, 2**62, 2**62, 2**62, 2**32)))
    ids_at = _aligned(prefix)
    vectors_at = _aligned(ids_at + capacity * _ID.itemsize)
    size = vectors_at + capacity * dim * _VALUE.itemsize

    order = None if (ids[1:] > ids[:-1]).all() else np.argsort(ids)
    crc = _append(file, ids_at, (ids if order is None else ids[order]).astype(_ID, copy=False), 0)
    for start in range(0, count, _ROWS_AT_ONCE):
        rows = slice(start, min(start + _ROWS_AT_ONCE, count))
        part = vectors[rows] if order is None else vectors[order[rows]]
        crc = _append(file, vectors_at + start * dim * _VALUE.itemsize, part.astype(_VALUE, copy=False), crc)
    file.truncate(size)
    file.flush()
    if sys.platform == "linux":
        # On tmpfs a mapped hole takes room when it is first touched; where there is none left, SIGBUS ends the process.
        os.posix_fallocate(file.fileno(), 0, size)
    os.fsync(file.fileno())
    file.seek(0)
    file.write(_encoded(Header(stamp, count, capacity, ids_at, vectors_at, size, crc)))
    file.flush()
    os.fsync(file.fileno())


def read_header(file: BinaryIO) -> Header:
    """What a file says that it is. Raises BadSnapshot, NewerFormat or OSError."""
    prefix = file.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size or not prefix.startswith(_MAGIC):
        raise BadSnapshot("it is no snapshot, or one that was not finished")
    _, version, length, crc = _PREFIX.unpack(prefix)
    if version > FORMAT:
        raise NewerFormat(f"its format is {version}, this version of faceid knows {FORMAT}")
    text = file.read(min(length, _LONGEST_HEADER))
    if zlib.crc32(text, zlib.crc32(struct.pack("<II", version, length))) != crc:
        raise BadSnapshot("its header is damaged")
    fields = json.loads(text)
    stamp = fields.pop("stamp")
    header = Header(stamp=Stamp(**{**stamp, "model": Model(**stamp["model"])}), **fields)
    size = os.fstat(file.fileno()).st_size
    if size != header.size:
        raise BadSnapshot(f"it has {size} bytes, not {header.size}")
    return header


def map_rows(file: BinaryIO, header: Header) -> Rows:
    """The rows of a file, checked; it may be closed, and removed, afterwards. Raises BadSnapshot or OSError.

    Reads all of the file once: 0.2 s for a million of 128 values, where it is in the page cache.
    """
    dim = header.stamp.model.dim
    # np.asarray: a memmap costs microseconds for each slice.
    known = np.asarray(np.memmap(file, _ID, "r", header.ids_at, (header.count,)))
    ids = np.asarray(np.memmap(file, _ID, "c", header.ids_at, (header.capacity,)))
    vectors = np.asarray(np.memmap(file, _VALUE, "c", header.vectors_at, (header.capacity, dim)))
    if zlib.crc32(vectors[: header.count].data, zlib.crc32(known.data)) != header.crc32:
        raise BadSnapshot("its content is damaged")
    return Rows(known, ids, vectors)


def _encoded(header: Header) -> bytes:
    text = json.dumps(asdict(header)).encode()
    crc = zlib.crc32(text, zlib.crc32(struct.pack("<II", FORMAT, len(text))))
    return _PREFIX.pack(_MAGIC, FORMAT, len(text), crc) + text


def _append(file: BinaryIO, at: int, part: NDArray[np.int64] | NDArray[np.float32], crc: int) -> int:
    """Write an array at a place; returns the CRC-32 of all until now."""
    contiguous = np.ascontiguousarray(part)
    file.seek(at)
    file.write(contiguous.data)
    return zlib.crc32(contiguous.data, crc)


def _aligned(offset: int) -> int:
    return -(-offset // _PAGE) * _PAGE
