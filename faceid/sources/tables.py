"""Reads tables of photos with names: CSV and Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from faceid.errors import InputError
from faceid.imaging import DEFAULT_LIMITS, STDIN, Limits
from faceid.sources.csv_rows import csv_rows
from faceid.sources.parquet_rows import MAGIC, parquet_rows
from faceid.sources.photo import Photo, Photos, of_file
from faceid.sources.rows import Row, bad_table


def of_table(table: str, limits: Limits = DEFAULT_LIMITS) -> Photos:
    """The photos that a CSV or Parquet file lists in its columns path and name; all other columns are attributes.

    Relative paths are relative to the folder of the table. The rows of one identity come together, in the
    order in which identities first appear; only paths are kept in memory. The whole table is read at once, so
    that a bad row is known before anything is enrolled.

    Raises InputError: `not_found`; `unreadable`; `bad_table`, naming the row, for one without path or name, for
    an attribute of which an identity has two values, and for a table without rows. UsageError: `no_pyarrow`.
    """
    folder = Path(table).parent
    photos: dict[str, list[str]] = {}
    attributes: dict[str, dict[str, str]] = {}
    for row in _rows(table):
        photos.setdefault(row.name, []).append(_below(folder, row.path))
        _add(attributes.setdefault(row.name, {}), row, table)
    if not photos:
        raise bad_table(table, "no rows")

    def stream() -> Iterator[Photo]:
        return (of_file(path, name, limits) for name, paths in photos.items() for path in paths)

    return Photos(stream, sum(map(len, photos.values())), attributes)


def _rows(table: str) -> Iterator[Row]:
    try:
        with Path(table).open("rb") as file:
            is_parquet = file.read(len(MAGIC)) == MAGIC
        yield from parquet_rows(table) if is_parquet else csv_rows(table)
    except FileNotFoundError as error:
        raise InputError(f"{table}: no such file", code="not_found", path=table) from error
    except OSError as error:
        cause = (error.strerror or "cannot be read").lower()
        raise InputError(f"{table}: {cause}", code="unreadable", path=table) from error


def _below(folder: Path, path: str) -> str:
    """The path in a row. In a table, `-` is a file."""
    joined = str(folder / path)
    return joined if joined != STDIN else f"./{STDIN}"


def _add(known: dict[str, str], row: Row, table: str) -> None:
    for column, value in row.attributes.items():
        if known.setdefault(column, value) != value:
            raise bad_table(
                table,
                f"the {column} of {row.name} is {value!r} here and {known[column]!r} above",
                row.where,
                remedy="one_value_per_identity",
            )
