"""Whatever is piped in, packed or listed: photos come out, or what is wrong with them."""

from __future__ import annotations

import csv
import io
import sys
import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from archive_files import as_tar, as_zip, outcome
from faceid.errors import UsageError
from faceid.sources import of_folders, of_person, of_table
from faceid.sources.standard_input import separator_of

VISIBLE = st.characters(exclude_categories=["Cc", "Cs"])
PATHS = st.text(VISIBLE, min_size=1, max_size=40).filter(str.strip).filter(lambda path: path != "-")
FILES = {
    "alice/1.jpg": b"x" * 700,
    "alice/2.jpg": b"2",
    "bob/1.png": b"3" * 512,
    "bob/1.json": b'{"name": 1}',
}


def piped(data: bytes) -> list[str]:
    # Walking is another room's, and so is what lies on this disk.
    with (
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(data))),
        mock.patch("faceid.sources.paths.walk", iter),
        mock.patch("faceid.sources.paths._is_archive", return_value=False),
    ):
        return [photo.source for photo in of_person("alice", ["-"])]


@given(paths=st.lists(PATHS, min_size=1, max_size=8), end=st.booleans(), separator=st.sampled_from("\n\0"))
def test_a_list_gives_its_paths(paths: list[str], end: bool, separator: str) -> None:
    data = (separator.join(paths) + separator * end).encode()
    first = data.removeprefix(b"\xef\xbb\xbf")
    # `P1 x` is how a PPM picture begins, and a line has no mark of byte order in front.
    if first != data or (first[:1] == b"P" and first[1:2] in b"123456f" and first[2:3].isspace()):
        return
    assert piped(data) == paths


@given(data=st.binary(max_size=200))
def test_anything_is_one_picture_or_a_list(data: bytes) -> None:
    separator = separator_of(data)
    assert separator in (None, b"\n", b"\0")
    sources = piped(data)
    if separator is None:
        assert sources == ["-"]
    else:
        assert "-" not in sources


@given(width=st.integers(1, 40_000), height=st.integers(1, 40_000), size=st.integers(30, 100_000_000))
def test_bitmaps_and_gifs_are_pictures(width: int, height: int, size: int) -> None:
    sizes = width.to_bytes(4, "little") + height.to_bytes(4, "little")
    bitmap = b"BM" + size.to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + b"(\0\0\0" + sizes
    assert separator_of(bitmap) is None
    gif = b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\xf7\0\0"
    assert separator_of(gif) is None


@settings(max_examples=300)
@given(data=st.data(), kind=st.sampled_from(["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"]))
def test_damaged_archives(data: st.DataObject, kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        if kind == "zip":
            as_zip(path, FILES)
        else:
            as_tar(path, FILES, f"w:{kind[4:]}")
        file = bytearray(path.read_bytes())
        for at, value in data.draw(
            st.lists(st.tuples(st.integers(0, len(file) - 1), st.integers(0, 255)), max_size=6)
        ):
            file[at] = value
        path.write_bytes(file[: data.draw(st.just(len(file)) | st.integers(0, len(file)))])
        streams = [of_person("alice", [str(path)])]
        try:
            streams.append(of_folders(str(path)))
        except UsageError as error:
            told = str(error)
        else:
            told = "has no folders"
        assert told.endswith("has no folders")
        for stream in streams:
            photos = list(stream)
            assert photos
            assert stream.total in (None, len(photos))
            for photo in photos:
                outcome(photo)


@given(
    rows=st.lists(st.tuples(PATHS, PATHS), min_size=1, max_size=12),
    delimiter=st.sampled_from(",;\t"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_a_table_gives_its_rows(
    rows: list[tuple[str, str]], delimiter: str, encoding: str, quoting: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.csv"
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file, delimiter=delimiter, quoting=quoting)
            writer.writerows([("path", "name"), *rows])
        photos = of_table(str(path))
        found = [(photo.source, photo.name) for photo in photos]
    order = list(dict.fromkeys(name for _, name in rows))
    expected = sorted(rows, key=lambda row: order.index(row[1]))
    assert found == [(str(Path(folder) / photo), name) for photo, name in expected]


def test_a_photo_that_was_found_is_loaded() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = as_zip(Path(folder) / "a.zip", FILES)
        assert [outcome(photo) for photo in of_person("alice", [path])] == [b"x" * 700, b"2", b"3" * 512]
