"""Archives written by parts are NumPy's, and NumPy's are read by parts."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from faceid.gallery.npz import read_rows, shape_and_type, write_rows

matrices = arrays(
    np.float32, st.tuples(st.integers(0, 30), st.integers(1, 5)), elements=st.floats(-1, 1, width=32)
)
names = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6), max_size=30)


@given(matrix=matrices, words=names, rows=st.integers(1, 11), compressed=st.booleans())
def test_what_numpy_wrote_is_read(matrix: np.ndarray, words: list[str], rows: int, compressed: bool) -> None:
    file = io.BytesIO()
    column = np.array(words, dtype=np.str_)
    (np.savez_compressed if compressed else np.savez)(file, matrix=matrix, words=column)
    with zipfile.ZipFile(file) as archive:
        parts = list(read_rows(archive, "matrix", rows))
        assert all(1 <= len(part) <= rows for part in parts)
        np.testing.assert_array_equal(np.concatenate([matrix[:0], *parts]), matrix)
        assert [
            word for part in read_rows(archive, "words", rows) for word in part.tolist()
        ] == column.tolist()
        assert shape_and_type(archive, "matrix") == (matrix.shape, matrix.dtype)


@given(matrix=matrices, words=names, cut=st.integers(0, 30))
def test_what_was_written_by_parts_is_read_by_numpy(matrix: np.ndarray, words: list[str], cut: int) -> None:
    file = io.BytesIO()
    column = np.array(words, dtype=np.str_)
    with zipfile.ZipFile(file, "w") as archive:
        write_rows(archive, "matrix", matrix.shape, matrix.dtype, [matrix[:cut], matrix[cut:]])
        write_rows(archive, "words", column.shape, column.dtype, [column])
        write_rows(archive, "scalar", (), "<U5", [np.array("hello")])
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        np.testing.assert_array_equal(loaded["matrix"], matrix)
        assert loaded["words"].tolist() == column.tolist()
        assert str(loaded["scalar"]) == "hello"


def archive_with(data: bytes) -> zipfile.ZipFile:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x.npy", data)
    return zipfile.ZipFile(file)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00",
        npy(np.zeros((4, 4)))[:-1],
        npy(np.asfortranarray(np.zeros((4, 4)))),
        npy(np.array([None, "x"], dtype=object)),
        npy(np.array(3.0)),
    ],
    ids=["empty", "magic-only", "unknown-version", "cut", "by-columns", "objects", "scalar"],
)
def test_what_is_no_array_of_rows(data: bytes) -> None:
    with archive_with(data) as archive, pytest.raises(ValueError):
        list(read_rows(archive, "x", 2))


def test_an_array_that_is_not_there() -> None:
    with archive_with(b"") as archive, pytest.raises(KeyError):
        list(read_rows(archive, "y", 2))
