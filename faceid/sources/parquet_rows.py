"""Reads the rows of a Parquet file with the optional pyarrow, one batch at a time."""

from __future__ import annotations

from collections.abc import Iterator

from faceid.errors import UsageError
from faceid.sources.rows import Row, as_row, bad_table, column_names

MAGIC = b"PAR1"


def parquet_rows(table: str) -> Iterator[Row]:
    """The rows of a Parquet file; numbers and dates become text as by Python's `str`.

    Raises UsageError (`no_pyarrow`) without the extra `parquet`, InputError (`bad_table`), naming the row, for
    what is no such file; OSError.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            "Parquet tables need pyarrow, which is not installed",
            code="no_pyarrow",
            path=table,
        ) from error
    try:
        with parquet.ParquetFile(table) as file:
            columns = column_names(table, file.schema_arrow.names)
            types = pyarrow.types
            not_plain = (types.is_nested, types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
            for column in file.schema_arrow:
                if any(test(column.type) for test in not_plain):
                    raise bad_table(table, f"the column {column.name!r} holds no plain values")
            number = 0
            for batch in file.iter_batches():
                for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    texts = ["" if cell is None else str(cell) for cell in cells]
                    yield as_row(table, f"row {number}", columns, texts)
    except pyarrow.ArrowException as error:
        raise bad_table(table, f"no whole Parquet file ({error})") from error
