"""Reads the rows of a CSV file, with the separators that spreadsheets of any country write."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faceid.sources.rows import NAME, PATH, Row, as_row, bad_table, column_names

_DELIMITERS = (",", ";", "\t")
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def csv_rows(table: str) -> Iterator[Row]:
    """The rows of a CSV with a header, separated by commas, semicolons or tabs; UTF-8, or UTF-16 with its mark.

    Raises InputError (`bad_table`), naming the line, for what is no such file; OSError.
    """
    with Path(table).open("rb") as file:
        head = file.read(2)
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if head == mark), "utf-8-sig")
    with Path(table).open(encoding=encoding, newline="") as lines, _translated(table):
        delimiter = _delimiter(lines.readline())
        lines.seek(0)
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        columns = column_names(table, next(reader, []))
        try:
            for cells in reader:
                if not cells:
                    continue
                where = f"line {reader.line_num}"
                if len(cells) != len(columns):
                    raise bad_table(table, f"{len(cells)} cells, where the header has {len(columns)}", where)
                yield as_row(table, where, columns, cells)
        except csv.Error as error:
            raise bad_table(table, str(error), f"line {reader.line_num}") from error


def _delimiter(header: str) -> str:
    """The separator of the columns: the one that splits the header into columns with both a path and a name."""
    for delimiter in _DELIMITERS:
        columns = [column.strip().lower() for column in next(csv.reader([header], delimiter=delimiter), [])]
        if PATH in columns and NAME in columns:
            return delimiter
    return ","


@contextmanager
def _translated(table: str) -> Iterator[None]:
    try:
        yield
    except UnicodeError as error:
        raise bad_table(table, "neither UTF-8 nor UTF-16", remedy="save_as_utf8") from error
    except csv.Error as error:
        raise bad_table(table, str(error), "line 1") from error
