"""The rows of CSV and Parquet tables: a path, a name and attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from faceid.errors import InputError

PATH, NAME = "path", "name"


@dataclass(frozen=True, slots=True)
class Row:
    """`where` is `line 7` or `row 7`; `attributes` are the cells of all other columns that are not empty."""

    where: str
    path: str
    name: str
    attributes: dict[str, str]


def as_row(table: str, where: str, columns: Sequence[str], cells: Sequence[str]) -> Row:
    """One row. Raises InputError where path or name is empty."""
    values = dict(zip(columns, cells, strict=True))
    path, name = values.pop(PATH), values.pop(NAME)
    for column, value in ((PATH, path), (NAME, name)):
        if not value.strip():
            raise bad_table(table, f"no {column}", where)
    return Row(where, path, name, {column: value for column, value in values.items() if value.strip()})


def column_names(table: str, header: Sequence[str]) -> list[str]:
    """The columns of a header, in lower case. Raises InputError if path or name is missing, or a column is repeated."""
    columns = [column.strip().lower() for column in header]
    if missing := [column for column in (PATH, NAME) if column not in columns]:
        raise bad_table(
            table,
            f"no column {' and no '.join(missing)}",
            remedy="columns_of_table",
        )
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        raise bad_table(table, f"the column {twice[0]!r} is there twice")
    return columns


def bad_table(table: str, problem: str, where: str | None = None, *, remedy: str | None = None) -> InputError:
    """The error for a table that cannot be used, or for its row `where`."""
    place = f"{table}, {where}" if where else table
    return InputError(f"{place}: {problem}", code="bad_table", remedy=remedy, path=table)
