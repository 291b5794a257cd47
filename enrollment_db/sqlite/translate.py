"""Conversion of sqlite3's errors into DatabaseErrors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from enrollment_db.errors import Corrupt, DatabaseError, DiskFull, Locked, ReadOnly, Unusable

# https://www.sqlite.org/rescode.html. sqlite3 names these constants only from Python 3.11 on.
_ERROR, _BUSY, _LOCKED, _READONLY, _CORRUPT, _FULL, _CANTOPEN, _NOTADB = 1, 5, 6, 8, 11, 13, 14, 26
_IOERR_SHMSIZE = 10 | 19 << 8

# Python 3.10 gives no code. The texts are those of SQLite's own table, unchanged for a decade.
_CODE_OF_TEXT = {
    "locked": _BUSY,
    "readonly": _READONLY,
    "malformed": _CORRUPT,
    "full": _FULL,
    "unable to open": _CANTOPEN,
    "not a database": _NOTADB,
    "no such": _ERROR,
}


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Convert errors of sqlite3 inside into DatabaseErrors about the database at `path`.

    A ProgrammingError is a defect of this program, not a state of the file, and passes unchanged.
    """
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.Error as error:
        raise _ours(error, path) from error


def _code(error: sqlite3.Error) -> int:
    """SQLite's extended result code, derived from the text if Python does not give it; 0 if unknown."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(code, int):
        return code
    text = str(error)
    return next((code for part, code in _CODE_OF_TEXT.items() if part in text), 0)


def _ours(error: sqlite3.Error, path: str) -> DatabaseError:
    code = _code(error)
    # A WAL index that cannot grow for lack of disk space reports an I/O error.
    primary = _FULL if code == _IOERR_SHMSIZE else code & 0xFF
    if primary in (_BUSY, _LOCKED):
        return Locked(
            f"the gallery {path} is locked by another process",
            path=path,
        )
    if primary in (_READONLY, _CANTOPEN):
        return ReadOnly(
            f"the gallery {path} cannot be {'opened' if primary == _CANTOPEN else 'written'}: not permitted",
            path=path,
        )
    if primary in (_CORRUPT, _NOTADB):
        what = "is not a SQLite database" if primary == _NOTADB else "is damaged"
        return Corrupt(f"the gallery {path} {what}", path=path)
    if primary == _FULL:
        return DiskFull(
            f"no room to write to the gallery {path}; nothing was changed",
            path=path,
        )
    if primary == _ERROR:
        # The statements here are fixed, so another program must have removed the missing table.
        return Corrupt(
            f"the gallery {path} lacks a part of its tables: {error}",
            path=path,
        )
    return Unusable(f"the gallery {path} failed: {error}", path=path)
