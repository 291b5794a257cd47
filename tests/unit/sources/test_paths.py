"""The photos of one person: files, folders, and what comes through standard input."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from archive_files import as_tar, as_zip, names_and_bytes, outcome, sources
from faceid.imaging import Limits
from faceid.sources import Photo, of_person

JPEG = b"\xff\xd8\xff\xe0" + b"photo\n" * 20
Pipe = Callable[[bytes], None]


class Slow(io.RawIOBase):
    """A pipe whose writer writes a piece at a time; `read` counts how many have been asked for."""

    def __init__(self, pieces: list[bytes], error: OSError | None = None) -> None:
        self._pieces, self._error, self.asked = list(pieces), error, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        self.asked += 1
        if not self._pieces and self._error:
            raise self._error
        piece = self._pieces.pop(0) if self._pieces else b""
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Pipe:
    return lambda data: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Slow]:
    def pipe(*pieces: bytes, error: OSError | None = None) -> Slow:
        raw = Slow(list(pieces), error)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(raw)))
        return raw

    return pipe


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Twelve photos in the current folder."""
    monkeypatch.chdir(tmp_path)
    names = [f"photo {number}.jpg" for number in range(1, 13)]
    for name in names:
        Path(name).write_bytes(name.encode())
    return names


class TestFiles:
    def test_files_and_folders_in_natural_order(self, photos: list[str], tmp_path: Path) -> None:
        found = of_person("alice", [photos[3], str(tmp_path), "gone.jpg"])
        assert found.total == len(list(found)) == 14
        assert {photo.name for photo in found} == {"alice"}
        assert [photo.source for photo in found] == [
            photos[3],
            *(str(tmp_path / name) for name in photos),
            "gone.jpg",
        ]
        assert outcome(next(iter(found))) == photos[3].encode()
        assert outcome(list(found)[-1]) == "gone.jpg: no such file"
        assert found.attributes == {}

    def test_nothing(self) -> None:
        assert of_person("alice", []).total == 0
        assert list(of_person("alice", [])) == []

    def test_archives_between_files_keep_their_place(self, photos: list[str], tmp_path: Path) -> None:
        inside = as_zip(tmp_path / "a.zip", {"1.jpg": b"in zip"})
        found = of_person("alice", [photos[0], inside, photos[1]])
        assert [data for _, data in names_and_bytes(found)] == [b"photo 1.jpg", b"in zip", b"photo 2.jpg"]
        assert found.total == 3

    def test_one_stream_of_unknown_length_makes_the_whole_unknown(
        self, photos: list[str], tmp_path: Path
    ) -> None:
        inside = as_tar(tmp_path / "a.tar", {"1.jpg": b"in tar"})
        assert of_person("alice", [photos[0], inside]).total is None
        assert of_person("alice", [photos[0], "-"]).total is None

    def test_limits_hold(self, photos: list[str]) -> None:
        (photo,) = of_person("alice", [photos[0]], Limits(max_bytes=5))
        assert "larger than" in str(outcome(photo))


class TestOnePictureOnStandardInput:
    @pytest.mark.parametrize(
        "data",
        [
            JPEG,
            b"\x89PNG\r\n\x1a\n" + bytes(30),
            b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff",
            b"BM6\x00\x00\x00\x00\x00\x00\x006\x00\x00\x00(\x00\x00\x00",
            b"BMWWW\x00\x00\x00\x00\x006\x00\x00\x00(\x00\x00\x00",
            b"P3\n1 1\n255\n0 0 0\n",
            b"RIFF$A\x00\x00WEBPVP8 ",
            b"II*\x00\x08\x00\x00\x00",
            b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
            b"PK\x03\x04no picture, and no list either",
            b"photos/a.jpg" + bytes(500),
            "Jos\u00e9.jpg\n".encode("latin-1"),
            b"",
        ],
    )
    def test_whole_as_it_is(self, piped: Pipe, data: bytes) -> None:
        piped(data)
        (photo,) = of_person("alice", ["-"])
        assert (photo.source, photo.name, outcome(photo)) == ("-", "alice", data)

    def test_in_pieces(self, slowly: Callable[..., Slow]) -> None:
        slowly(JPEG[:3], JPEG[3:40], JPEG[40:])
        (photo,) = of_person("alice", ["-"])
        assert outcome(photo) == JPEG

    @pytest.mark.parametrize("limit", [10, len(JPEG) - 1])
    def test_limited(self, piped: Pipe, limit: int) -> None:
        piped(JPEG)
        (photo,) = of_person("alice", ["-"], Limits(max_bytes=limit))
        assert "larger than" in str(outcome(photo))

    def test_nothing_is_piped_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", None)
        (photo,) = of_person("alice", ["-"])
        assert outcome(photo) == "-: nothing is piped into standard input"

    def test_a_pipe_that_fails(self, slowly: Callable[..., Slow]) -> None:
        slowly(error=OSError(5, "Input/output error"))
        (photo,) = of_person("alice", ["-"])
        assert outcome(photo) == "-: input/output error"
        slowly(JPEG, error=OSError(5, "Input/output error"))
        (photo,) = of_person("alice", ["-"])
        assert outcome(photo) == "-: input/output error"


class TestListOnStandardInput:
    @pytest.mark.parametrize(
        "form",
        ["{}\n{}\n", "{}\n{}", "\n\n{}\n  \n{}\n\n", "{}\r\n{}\r\n", "\ufeff{}\n{}\n", "{}\0{}\0", "{}\0{}"],
    )
    def test_a_path_a_line_or_with_nul_between(self, piped: Pipe, photos: list[str], form: str) -> None:
        piped(form.format(*photos[:2]).encode())
        assert names_and_bytes(of_person("alice", ["-"])) == [
            ("alice", b"photo 1.jpg"),
            ("alice", b"photo 2.jpg"),
        ]

    def test_with_nul_between_paths_may_hold_line_breaks(self, piped: Pipe, tmp_path: Path) -> None:
        path = tmp_path / "line\nbreak \u00e9.jpg"
        path.write_bytes(b"1")
        piped(b"\0".join([os.fsencode(path)] * 2))
        assert names_and_bytes(of_person("alice", ["-"])) == [("alice", b"1")] * 2

    @pytest.mark.parametrize(
        "name", ["BMW in the yard.jpg", "GIF89a of mine.jpg", "P1.jpg", "II.jpg", "RIFF.jpg"]
    )
    def test_paths_that_begin_like_pictures(
        self, piped: Pipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path(name).write_bytes(b"1")
        for separator in ("\n", "\0"):
            piped(f"{name}{separator}gone.jpg".encode())
            one, gone = of_person("alice", ["-"])
            assert (one.source, outcome(one)) == (name, b"1")
            assert outcome(gone) == "gone.jpg: no such file"

    def test_folders_archives_and_what_is_not_there(
        self, piped: Pipe, photos: list[str], tmp_path: Path
    ) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "1.jpg").write_bytes(b"in folder")
        as_zip(tmp_path / "a.zip", {"1.jpg": b"in zip"})
        as_tar(tmp_path / "a.tar", {"1.jpg": b"in tar"})
        piped(b"folder\na.zip\ngone.jpg\na.tar\n" + photos[0].encode())
        assert [data for _, data in names_and_bytes(of_person("alice", ["-"]))] == [
            *(b"in folder", b"in zip", "gone.jpg: no such file", b"in tar", b"photo 1.jpg"),
        ]

    def test_in_a_list_a_dash_is_a_file(self, piped: Pipe, photos: list[str], tmp_path: Path) -> None:
        (tmp_path / "-").write_bytes(b"dash")
        piped(f"-\n{photos[0]}\n".encode())
        assert names_and_bytes(of_person("alice", ["-"])) == [("alice", b"dash"), ("alice", b"photo 1.jpg")]

    def test_the_first_paths_are_there_before_the_end(
        self, slowly: Callable[..., Slow], photos: list[str]
    ) -> None:
        raw = slowly(*(f"{name}\n".encode() for name in photos))
        found = iter(of_person("alice", ["-"]))
        asked = []
        for _ in photos:
            assert isinstance(outcome(next(found)), bytes)
            asked.append(raw.asked)
        assert asked[0] == 2
        assert asked == sorted(asked)
        assert asked[-2] < len(photos) + 1

    def test_paths_that_come_in_pieces(self, slowly: Callable[..., Slow], photos: list[str]) -> None:
        text = "\n".join(photos).encode()
        slowly(*(text[at : at + 3] for at in range(0, len(text), 3)))
        assert sources(of_person("alice", ["-"]), Path()) == photos

    def test_a_list_that_breaks_off_says_so(self, slowly: Callable[..., Slow], photos: list[str]) -> None:
        slowly(f"{photos[0]}\n{photos[1]}\n".encode(), error=OSError(5, "Input/output error"))
        *sound, last = of_person("alice", ["-"])
        assert [outcome(photo) for photo in sound] == [b"photo 1.jpg", b"photo 2.jpg"]
        assert outcome(last) == "-: input/output error"

    def test_an_endless_line_is_not_kept(self, slowly: Callable[..., Slow], photos: list[str]) -> None:
        slowly(f"{photos[0]}\n".encode(), *([b"x" * 5000] * 100), f"\n{photos[1]}\n".encode())
        one, endless, two = of_person("alice", ["-"])
        assert (outcome(one), outcome(two)) == (b"photo 1.jpg", b"photo 2.jpg")
        assert "too long" in str(outcome(endless))
        assert len(endless.source) == 8192

    def test_standard_input_is_read_once(self, piped: Pipe, photos: list[str]) -> None:
        piped(photos[0].encode())
        first, second = of_person("alice", ["-", "-"])
        assert outcome(first) == b"photo 1.jpg"
        assert (second.source, outcome(second)) == ("-", b"")


def test_a_photo_shows_what_it_is() -> None:
    photo = next(iter(of_person("alice", ["a.jpg"])))
    assert isinstance(photo, Photo)
    assert "source='a.jpg', name='alice'" in repr(photo)
