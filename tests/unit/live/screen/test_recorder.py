"""Recordings, read back: their time is that of the stream, and nothing is replaced or lost."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceid.cli.messages import hint_for
from faceid.errors import UsageError
from faceid.live.screen import recorder
from faceid.live.screen.recorder import CODECS, Recorder
from faceid.live.source.stream import SourceLost
from faceid.live.view import View
from made_up_views import gray, view
from places import ROOT


def drawn(seen: View) -> np.ndarray:
    return seen.frame.image.pixels


def read_back(path: Path) -> tuple[list[int], float]:
    """The gray of each frame, and the frame rate."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    assert capture.isOpened()
    rate = capture.get(cv2.CAP_PROP_FPS)
    levels = []
    while True:
        there, frame = capture.read()
        if not there:
            break
        levels.append(round(float(frame[8:-8, 8:-8].mean())))
    capture.release()
    return levels, rate


def record(path: Path, moments: Sequence[tuple[float, int]], **options: float) -> None:
    tape = Recorder(path, drawn, **options)
    for time_s, level in moments:
        assert tape.show(view(gray(level, 48, 64), time_s=time_s))
    tape.close()


def near(levels: Sequence[int], wanted: Sequence[int]) -> bool:
    return len(levels) == len(wanted) and all(abs(a - b) <= 6 for a, b in zip(levels, wanted, strict=True))


@pytest.mark.parametrize("suffix", CODECS)
def test_every_kind_of_file_is_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"door{suffix}"
    record(path, [(number / 25, 40 + 20 * number) for number in range(8)])
    levels, rate = read_back(path)
    assert near(levels, [40 + 20 * number for number in range(8)])
    assert rate == pytest.approx(25)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_colours_are_those_of_the_view(tmp_path: Path) -> None:
    pixels = np.empty((48, 64, 3), np.uint8)
    pixels[:] = (200, 40, 90)
    tape = Recorder(tmp_path / "door.avi", drawn)
    tape.show(view(pixels))
    tape.close()
    capture = cv2.VideoCapture(str(tmp_path / "door.avi"))
    frame = capture.read()[1]
    assert frame[24, 32, ::-1].tolist() == pytest.approx([200, 40, 90], abs=8)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.floats(0.0, 0.3), min_size=1, max_size=25), st.floats(0.0, 1e6), st.sampled_from([5.0, 25.0])
)
def test_each_frame_shows_what_the_stream_showed_then(gaps: list[float], begin_s: float, fps: float) -> None:
    times = begin_s + np.cumsum([0.0, *gaps[1:]])
    written: list[int] = []

    class Writer:
        def __init__(self, *_: object) -> None:
            pass

        def isOpened(self) -> bool:
            return True

        def write(self, frame: np.ndarray) -> None:
            written.append(int(frame[0, 0, 0]))

        def release(self) -> None:
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder.cv2, "VideoWriter", _with_fourcc(Writer))
        patch.setattr(recorder, "create_fresh", lambda directory, stem, suffix: directory / f"{stem}{suffix}")
        patch.setattr(Recorder, "_check_disk", lambda self: None)
        tape = Recorder(Path("none.mkv"), drawn, fps=fps)
        for number, time_s in enumerate(times):
            tape.show(view(gray(number, 2, 2), time_s=float(time_s)))
        tape.close()
    for place, number in enumerate(written):
        # The picture had come by then, and the next one came no earlier than half a frame before.
        at_s = begin_s + place / fps
        assert times[number] <= at_s + 0.5 / fps + 1e-6
        later = [time_s for time_s in times if times[number] < time_s <= at_s - 0.5 / fps - 1e-6]
        assert not later
    assert abs((len(written) - 1) / fps - (times[-1] - begin_s)) <= 0.5 / fps + 1e-6


def _with_fourcc(writer: type) -> type:
    writer.fourcc = staticmethod(cv2.VideoWriter.fourcc)  # type: ignore[attr-defined]
    return writer


def test_a_fast_source_is_thinned_out_and_a_slow_one_filled_up(tmp_path: Path) -> None:
    path = tmp_path / "door.avi"
    fast = [(number / 100, 50) for number in range(101)]
    slow = [(1.0 + number / 5, 150) for number in range(1, 6)]
    record(path, fast + slow)
    levels, _ = read_back(path)
    assert near(levels, [50] * 30 + [150] * 21)


def test_while_the_source_is_lost_time_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "door.avi"
    tape = Recorder(path, lambda seen: gray(200 if seen.lost else 50, 48, 64))
    for number in range(25):
        tape.show(view(time_s=number / 25))
    for _ in range(3):
        tape.show(view(time_s=24 / 25, lost=SourceLost("stalled", "no frame for 1 s", 2.0)))
    tape.show(view(time_s=4.0))
    tape.close()
    assert near(read_back(path)[0], [50] * 50 + [200] * 50 + [50])


class Calendar:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def test_a_long_gap_begins_a_new_part(tmp_path: Path) -> None:
    tape = Recorder(tmp_path / "door.mkv", drawn, fps=10.0, now=Calendar())
    for time_s in (0.0, 0.1, 29.0, 3 * 86400.0, 3 * 86400.0 + 0.1, 1.0):
        tape.show(view(gray(90, 48, 64), time_s=time_s))
    tape.close()
    assert [(path.name, len(read_back(path)[0])) for path in sorted(tmp_path.iterdir())] == [
        ("door-20260102T030406Z.mkv", 2),
        ("door-20260102T030407Z.mkv", 1),
        ("door.mkv", 291),
    ]


def test_parts(tmp_path: Path) -> None:
    tape = Recorder(tmp_path / "door.mp4", drawn, fps=10.0, part_s=2.0, now=Calendar())
    for number in range(50):
        tape.show(view(gray(90, 48, 64), time_s=number / 10))
    tape.close()
    tape.close()
    assert [len(read_back(path)[0]) for path in sorted(tmp_path.iterdir())] == [20, 10, 20]


def test_nothing_is_replaced(tmp_path: Path) -> None:
    first = tmp_path / "door.mkv"
    first.write_bytes(b"last week")
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    for _ in range(2):
        tape = Recorder(first, drawn, now=lambda: when)
        tape.show(view(gray(90, 48, 64)))
        tape.close()
    assert first.read_bytes() == b"last week"
    assert {path.name for path in tmp_path.iterdir()} == {
        *("door.mkv", "door-20260102T030405Z.mkv", "door-20260102T030405Z-2.mkv")
    }


def test_a_recording_of_nothing_leaves_no_file(tmp_path: Path) -> None:
    Recorder(tmp_path / "door.mkv", drawn).close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", [(49, 65), (48, 64)])
def test_another_size_is_fitted_in(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "door.avi"
    tape = Recorder(path, drawn)
    tape.show(view(gray(180, *size)))
    tape.show(view(gray(180, 200, 100), time_s=0.04))
    tape.show(view(gray(180, 9, 90), time_s=0.08))
    tape.close()
    capture = cv2.VideoCapture(str(path))
    frames = [capture.read()[1] for _ in range(3)]
    assert {frame.shape for frame in frames} == {(size[0] + size[0] % 2, size[1] + size[1] % 2, 3)}
    assert frames[0][2:-2, 2:-2].min() > 150
    # 24 of the 64 columns, then 6 of the 48 rows.
    assert frames[1][24, 32].min() > 150
    assert frames[1][:, :15].max() < 40
    assert frames[1][:, -15:].max() < 40
    assert frames[2][24, 32].min() > 150
    assert frames[2][:15].max() < 40
    assert frames[2][-15:].max() < 40


@pytest.mark.parametrize(
    ("name", "code"),
    [("door.gif", "unknown_suffix"), ("door", "unknown_suffix"), ("not/there/door.mkv", "cannot_write")],
)
def test_where_it_cannot_be_written_is_said_at_once(tmp_path: Path, name: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        Recorder(tmp_path / name, drawn)
    assert caught.value.code == code
    assert hint_for(caught.value)


def test_an_opencv_that_cannot_encode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Writer:
        def __init__(self, *_: object) -> None:
            pass

        def isOpened(self) -> bool:
            return False

    monkeypatch.setattr(recorder.cv2, "VideoWriter", _with_fourcc(Writer))
    tape = Recorder(tmp_path / "door.mkv", drawn)
    with pytest.raises(UsageError, match=r"OpenCV makes no \.mkv of 640 x 480") as caught:
        tape.show(view())
    assert caught.value.code == "cannot_write"
    tape.close()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_ends_the_recording_in_a_file_that_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [recorder.LEAST_FREE_BYTES, recorder.LEAST_FREE_BYTES - 1]
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free.pop(0)))
    tape = Recorder(tmp_path / "door.mp4", drawn)
    tape.show(view(gray(90, 48, 64)))
    tape.show(view(gray(90, 48, 64), time_s=1.0))
    with pytest.raises(UsageError, match="the disk is full") as caught:
        tape.show(view(gray(90, 48, 64), time_s=2.0))
    assert caught.value.code == "cannot_write"
    tape.close()
    assert len(read_back(tmp_path / "door.mp4")[0]) == 25


@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
def test_a_process_that_is_killed_loses_its_last_seconds_only(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"door{suffix}"
    program = f"""
import os, signal
from pathlib import Path
import numpy as np
from faceid.live.source.stream import Frame
from faceid.live.screen.recorder import Recorder
from faceid.live.view import View
from faceid.types import Image

noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
tape = Recorder(Path({str(path)!r}), lambda view: view.frame.image.pixels)
for number in range(100):
    tape.show(View(Frame(Image(np.roll(noise, number, 1), "", ""), number, number / 25), (), None, 25.0))
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert len(read_back(path)[0]) > 50
