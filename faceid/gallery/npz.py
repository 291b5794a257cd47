"""Arrays of an .npz archive, read and written in parts: a million templates need not fit into memory."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from faceid.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray


_ENCRYPTED = 1
"""The flag of a ZIP member."""


@contextmanager
def opened(path: Path, remedy: str) -> Iterator[zipfile.ZipFile]:
    """An archive to read from. Raises InputError: `unreadable`, or `bad_archive` for a file that is not an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            if any(member.flag_bits & _ENCRYPTED for member in archive.infolist()):
                raise ValueError("it is encrypted")
            yield archive
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}", code="unreadable", remedy=remedy, path=str(path)
        ) from error
    except (ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise bad_archive(path, f"is not an .npz archive of plain arrays: {error}", remedy) from error


def bad_archive(path: Path, problem: str, remedy: str) -> InputError:
    """The error for an archive that cannot be used."""
    return InputError(f"{path} {problem}", code="bad_archive", remedy=remedy, path=str(path))


def unit_rows(embeddings: NDArray[Any], path: Path, remedy: str) -> NDArray[np.float32]:
    """Embeddings (n, d) of the archive at `path`, scaled to length 1. Raises InputError for zero or non-finite ones."""
    lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths < 1e-6).any():
        raise bad_archive(path, "has embeddings that are not finite, or zero", remedy)
    return np.ascontiguousarray(embeddings / lengths, dtype=np.float32)


def read_rows(archive: zipfile.ZipFile, name: str, rows: int) -> Generator[NDArray[Any], None, None]:
    """The array `name` in parts of at most `rows` along its first axis.

    Raises KeyError if there is no such array, and ValueError if it is not a plain array, or ends early.
    """
    with archive.open(f"{name}.npy") as member:
        shape, fortran_order, dtype = _read_header(member)
        if dtype.hasobject or not shape:
            raise ValueError(f"{name} is not a plain array")
        if fortran_order and len(shape) > 1:
            raise ValueError(f"{name} is stored by columns: save np.ascontiguousarray of it")
        row = prod(shape[1:]) * dtype.itemsize
        for start in range(0, shape[0], rows):
            count = min(rows, shape[0] - start)
            data = member.read(count * row)
            if len(data) != count * row:
                raise ValueError(f"{name} ends early")
            yield np.frombuffer(data, dtype).reshape(count, *shape[1:])


def shape_and_type(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """The shape and type of the array `name`, without reading it. Raises KeyError and ValueError."""
    with archive.open(f"{name}.npy") as member:
        shape, _, dtype = _read_header(member)
        return shape, dtype


def write_rows(
    archive: zipfile.ZipFile,
    name: str,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    parts: Iterable[NDArray[Any]],
) -> None:
    """Write the array `name` of `shape` from `parts` of its rows."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        header = {"descr": npy.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(member, header)
        for part in parts:
            member.write(np.ascontiguousarray(part, dtype=dtype).tobytes())


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(member)
    if version == (1, 0):
        return npy.read_array_header_1_0(member)
    if version == (2, 0):
        return npy.read_array_header_2_0(member)
    raise ValueError(f"arrays of format {version[0]}.{version[1]} are not supported")
