"""Reads a list of photos or rows that show different people."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid.errors import InputError, UsageError
from faceid.explore.faces import Faces

_COLUMNS = (("file1", "file2"), ("row1", "row2"))


def read_cannot_link(path: Path, faces: Faces) -> NDArray[np.int64]:
    """Pairs of rows (c, 2) int64 that are different people, from a CSV with `file1,file2` or `row1,row2`.

    `file1,file2`: no person is on both photos; files as in `sources`, relative ones unchanged or below the folder of
    the CSV. `row1,row2`: rows of the archive, from 0. Raises InputError for a line that names an absent photo or row,
    or one face twice; UsageError for another header.
    """
    rows: dict[str, list[int]] = {}
    for row, source in enumerate(faces.sources):
        rows.setdefault(source, []).append(row)
    pairs: list[tuple[int, int]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = tuple(reader.fieldnames or ())
            columns = next((names for names in _COLUMNS if {*names} <= {*header}), None)
            if columns is None:
                raise UsageError(
                    f"{path} has the columns {', '.join(header) or 'none'}",
                    remedy="columns_of_cannot_link",
                    path=str(path),
                )
            for record in reader:
                sides = [
                    _named(record[name] or "", rows, path, reader.line_num)
                    if columns == _COLUMNS[0]
                    else _numbered(record[name] or "", len(faces), path, reader.line_num)
                    for name in columns
                ]
                if {*sides[0]} & {*sides[1]}:
                    raise _bad(path, reader.line_num, "keeps a face apart from itself")
                pairs += ((one, other) for one in sides[0] for other in sides[1])
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}", code="unreadable", path=str(path)
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no CSV file: {error}", code="bad_table", path=str(path)) from error
    return np.array(pairs, np.int64).reshape(-1, 2)


def _named(source: str, rows: dict[str, list[int]], path: Path, line: int) -> list[int]:
    found = rows.get(source) or rows.get(str(path.parent / source))
    if not found:
        raise _bad(path, line, f"names {source or 'nothing'}, on which there is no face")
    return found


def _numbered(text: str, count: int, path: Path, line: int) -> list[int]:
    if not text.strip().isdecimal() or int(text) >= count:
        raise _bad(path, line, f"names the row {text or 'nothing'}, where there are {count:,} from 0")
    return [int(text)]


def _bad(path: Path, line: int, problem: str) -> InputError:
    return InputError(f"{path}, line {line}: {problem}", code="bad_table", path=str(path))
