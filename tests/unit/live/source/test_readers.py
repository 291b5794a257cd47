"""Readers: MJPEG from pipes and servers, directories, video files, RTSP; whole, damaged and hostile."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from faceid.cli.messages import hint_for
from faceid.errors import InputError
from faceid.live.source.addresses import PictureDirectory, StandardInput, VideoFile, parse_address
from faceid.live.source.capture import Capture
from faceid.live.source.mjpeg import JpegSplitter
from faceid.live.source.opening import open_reader
from faceid.live.source.readers import Grabbed, Reader
from faceid.live.source.stream import Frame, SourceBack, SourceLost
from moving_pictures import jpeg, mjpeg_server, multipart, number_of, pixels, write_video
from places import ROOT
from scripts.chaos.rtsp_server import serving

WHOLE = [jpeg(number) for number in range(4)]


def all_of(reader: Reader) -> list[Grabbed]:
    grabbed = []
    while (item := reader.read()) is not None:
        grabbed.append(item)
    reader.close()
    return grabbed


def pieces_of(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = sizes.pop() if sizes else len(data)
        yield data[at : at + size]
        at += size


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch):
    return lambda data: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


@given(st.lists(st.integers(1, 400), max_size=60), st.lists(st.binary(max_size=40), min_size=5, max_size=5))
def test_pictures_are_found_however_the_bytes_are_cut_and_whatever_is_between(
    sizes: list[int], between: list[bytes]
) -> None:
    fillings = [filling.replace(b"\xff", b"\0") for filling in between]
    data = b"".join(filling + picture for filling, picture in zip(fillings, [*WHOLE, b""], strict=True))
    splitter = JpegSplitter()
    assert [found for piece in pieces_of(data, sizes) for found in splitter.feed(piece)] == WHOLE


def test_a_thumbnail_inside_a_picture_is_not_taken_for_one() -> None:
    thumbnail = jpeg(9)
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    data = WHOLE[0][:2] + segment + WHOLE[0][2:]
    assert JpegSplitter().feed(data + WHOLE[1]) == [data, WHOLE[1]]


@given(
    st.lists(
        st.one_of(st.binary(max_size=300), st.sampled_from(WHOLE), st.just(b"\xff\xd8\xff")), max_size=30
    )
)
def test_no_garbage_stops_the_search_or_fills_the_memory(pieces: list[bytes]) -> None:
    splitter = JpegSplitter(max_bytes=5000)
    for piece in pieces:
        splitter.feed(piece)
        assert len(splitter._held) <= 5000 + len(piece)
    # Garbage may have begun a picture or a segment, which swallow what follows; not for ever.
    found = [picture for _ in range(80) for picture in splitter.feed(WHOLE[2])]
    assert found[-1] == WHOLE[2]


def test_standard_input(piped) -> None:
    piped(b"".join(WHOLE))
    (grabbed,) = all_of(open_reader(StandardInput()))
    assert (number_of(grabbed.image.pixels), grabbed.passed_over, grabbed.media_s) == (3, 3, None)
    assert (grabbed.image.source, grabbed.image.sha256) == ("-", "")


@pytest.mark.parametrize(
    "data", [b"", b"no pictures " * 500, WHOLE[0][:-10], b"\xff\xd8\xff" * 300, WHOLE[0][:300] * 9]
)
def test_standard_input_without_a_whole_picture_ends(piped, data: bytes) -> None:
    piped(data)
    assert all_of(open_reader(StandardInput())) == []


def test_standard_input_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError) as caught:
        open_reader(StandardInput())
    assert caught.value.code == "source_unreachable"


def test_a_process_ends_while_its_capture_waits_for_standard_input() -> None:
    program = (
        "import sys; from faceid.live.source.capture import Capture\n"
        "from faceid.live.source.addresses import parse_address\n"
        "from faceid.live.source.stream import Frame\n"
        "capture = Capture(parse_address('-'))\n"
        "print(isinstance(capture.take(), Frame), flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(WHOLE[0])
        process.stdin.flush()
        # The pipe stays open.
        assert process.stdout.read() == b"True\n"
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_a_directory(tmp_path: Path) -> None:
    for number in (0, 1, 2, 10):
        Pillow.fromarray(pixels(number)).save(tmp_path / f"img{number}.png")
    (tmp_path / "img3.png").write_bytes(b"broken")
    grabbed = all_of(open_reader(PictureDirectory(str(tmp_path))))
    assert [number_of(item.image.pixels) for item in grabbed] == [0, 1, 2, 10]
    assert [item.media_s for item in grabbed] == [0, 1 / 25, 2 / 25, 4 / 25]
    assert [item.passed_over for item in grabbed] == [0, 0, 0, 1]
    assert grabbed[3].image.source == str(tmp_path / "img10.png")


def test_a_directory_without_a_picture(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        open_reader(PictureDirectory(str(tmp_path))).read()
    assert caught.value.code == "no_images"


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    import cv2
    import numpy as np

    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    writer.write(np.full((48, 64, 3), (0, 0, 250), np.uint8))
    writer.release()
    (grabbed,) = all_of(open_reader(VideoFile(str(tmp_path / "v.avi"))))
    assert grabbed.image.pixels.flags.c_contiguous
    assert grabbed.image.pixels[0, 0].tolist() == pytest.approx([250, 0, 0], abs=12)


@pytest.mark.parametrize("kept", [0.6, 0.9])
def test_a_truncated_video_gives_what_is_there(tmp_path: Path, kept: float) -> None:
    path = write_video(tmp_path / "v.avi", range(15))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    numbers = [number_of(item.image.pixels) for item in all_of(open_reader(VideoFile(str(path))))]
    assert 0 < len(numbers) < 15
    # The last may be half a picture.
    assert numbers[:-1] == list(range(len(numbers) - 1))


def test_an_http_stream_and_its_password() -> None:
    login = "Basic " + base64.b64encode(b"admin:p@ss word").decode()
    with mjpeg_server([multipart(WHOLE)] * 2, authorization=login) as (host, asked):
        reader = open_reader(parse_address(f"http://admin:p%40ss%20word@{host}/a/b?c=d"))
        grabbed = reader.read()
        assert grabbed is not None
        assert grabbed.image.source == f"http://***@{host}/a/b?***"
        with pytest.raises(InputError) as caught:
            all_of(reader)
        assert caught.value.code == "source_disconnected"
        reader.close()
        with pytest.raises(InputError, match="the server answers 401") as caught:
            open_reader(parse_address(f"http://admin:wr0ng@{host}/a/b"))
        assert hint_for(caught.value)
        assert "wr0ng" not in repr(caught.value)
        assert caught.value.__suppress_context__
    assert asked == ["/a/b?c=d"]


def test_a_video_file_behind_http(tmp_path: Path) -> None:
    data = write_video(tmp_path / "v.avi", range(5)).read_bytes()
    with mjpeg_server([data] * 20, content="video/x-msvideo") as (host, _):
        reader = open_reader(parse_address(f"http://{host}/v.avi"))
        grabbed = reader.read()
        assert grabbed is not None
        assert number_of(grabbed.image.pixels) == 0
        reader.close()


def play() -> Iterator[object]:
    for number in range(6):
        yield pixels(number, (240, 320))[..., ::-1]


def watch_rtsp(plays: int) -> None:
    with serving(play, fps=100, login="admin:s3cret") as server:
        address = parse_address(f"rtsp://admin:s3cret@127.0.0.1:{server.server_address[1]}/live")
        frames, events = [], []
        with Capture(address, sleep=lambda _: None) as capture:
            while sum(isinstance(event, SourceBack) for event in events) < plays - 1:
                item = capture.take()
                (frames if isinstance(item, Frame) else events).append(item)
        assert server.played >= plays
    assert frames
    assert all(number_of(frame.image.pixels) in range(6) for frame in frames)
    assert {frame.image.source for frame in frames} == {address.name}
    assert {event.reason for event in events if isinstance(event, SourceLost)} == {"disconnected"}
    assert "s3cret" not in repr((frames, events))


def test_rtsp() -> None:
    watch_rtsp(plays=2)


@pytest.mark.slow
def test_an_rtsp_server_that_hangs_up_twenty_times() -> None:
    watch_rtsp(plays=21)


def test_rtsp_with_a_wrong_password() -> None:
    with serving(play, login="admin:s3cret") as server:
        url = f"rtsp://admin:wr0ng@127.0.0.1:{server.server_address[1]}/live"
        with pytest.raises(InputError, match=r"rtsp://\*\*\*@127.0.0.1:\d+/live: does not open"):
            open_reader(parse_address(url))


def test_libraries_below_print_nothing(tmp_path: Path) -> None:
    (tmp_path / "v.avi").write_bytes(bytes(range(256)) * 20)
    path = write_video(tmp_path / "half.avi", range(15))
    path.write_bytes(path.read_bytes()[:9000])
    sources = [
        *("rtsp://admin:s3cret@127.0.0.1:1/x?token=s3cret", "http://admin:s3cret@127.0.0.1:1/x"),
        *("99", str(tmp_path / "v.avi"), str(path)),
    ]
    program = (
        "import sys\n"
        "from faceid.errors import InputError\n"
        "from faceid.live.source.addresses import parse_address\n"
        "from faceid.live.source.opening import open_reader\n"
        "for text in sys.argv[1:]:\n"
        "    try:\n"
        "        reader = open_reader(parse_address(text))\n"
        "        while reader.read():\n"
        "            pass\n"
        "    except InputError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *sources],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=True,
    )
    assert done.stderr == ""
    assert "s3cret" not in done.stdout
    assert done.stdout.splitlines()[:3] == [
        "rtsp://***@127.0.0.1:1/x?***: does not open",
        "http://***@127.0.0.1:1/x: connection refused",
        "camera 99: does not open",
    ]
