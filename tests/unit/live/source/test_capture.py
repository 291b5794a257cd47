"""The thread that reads and the one that looks: newest frame, events in order, nothing that hangs or grows."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from faceid.errors import InputError
from faceid.live.source.addresses import Address, Camera, NetworkStream, VideoFile, parse_address
from faceid.live.source.capture import Capture, Patience
from faceid.live.source.handover import Handover
from faceid.live.source.opening import Backoff
from faceid.live.source.readers import Grabbed
from faceid.live.source.stream import Frame, SourceBack, SourceEnded, SourceEvent, SourceLost
from faceid.types import Image
from moving_pictures import jpeg as jpeg_of
from moving_pictures import mjpeg_server, multipart, number_of, pixels, write_video

CAMERA = Camera(0)
BROKEN = InputError("camera 0: gives no more frames", code="source_disconnected")


class Time:
    """A clock that goes on only when it is told to, or slept by."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


class Scripted:
    """A reader that does what it is told: gives a picture, raises, ends, or calls what it is given and goes on."""

    def __init__(self, steps: Iterator[object]) -> None:
        self.steps, self.closed = steps, 0

    def read(self) -> Grabbed | None:
        for step in self.steps:
            if isinstance(step, Exception):
                raise step
            if callable(step):
                step()
            elif step is None or isinstance(step, Grabbed):
                return step
        return None

    def close(self) -> None:
        self.closed += 1


def picture(number: int = 0, media_s: float | None = None) -> Grabbed:
    return Grabbed(Image(pixels(number % 20), "camera 0", ""), media_s)


def opener_of(*scripts: list[object] | Exception) -> Callable[[Address], Scripted]:
    """Each opening runs the next script, or fails; the last one is followed by the end."""
    left = iter(scripts)

    def open_(_: Address) -> Scripted:
        script = next(left, [])
        if isinstance(script, Exception):
            raise script
        return Scripted(iter(script))

    return open_


def kinds(items: list[Frame | SourceEvent]) -> list[str]:
    """Events by name; frames in a row are one."""
    names = [item.reason if isinstance(item, SourceLost) else type(item).__name__ for item in items]
    return [
        name
        for name, before in zip(names, [None, *names], strict=False)
        if (name, before) != ("Frame", "Frame")
    ]


def test_a_slow_consumer_always_sees_the_newest_frame() -> None:
    allowed, made = threading.Semaphore(0), threading.Semaphore(0)

    def frames() -> Iterator[object]:
        number = 0
        while True:
            # Asked for the next picture, the reader has handed over all those before.
            made.release()
            allowed.acquire()
            yield picture(number)
            number += 1

    with Capture(CAMERA, opener=lambda _: Scripted(frames()), clock=Time()) as capture:
        made.acquire()
        for turn in range(1, 40):
            for _ in range(50):
                allowed.release()
                made.acquire()
            frame = capture.take()
            assert isinstance(frame, Frame)
            assert frame.number == 50 * turn - 1
            assert capture.dropped == 49 * turn
        assert capture.take(timeout_s=0) is None
        allowed.release()


def test_no_more_than_a_few_frames_are_held() -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    done, hold = threading.Event(), threading.Event()

    def frames() -> Iterator[object]:
        for number in range(500):
            grabbed = picture(number)
            alive.append(weakref.ref(grabbed.image.pixels))
            yield grabbed
        del grabbed
        done.set()
        hold.wait(10)

    with Capture(CAMERA, opener=lambda _: Scripted(frames())) as capture:
        assert done.wait(10)
        assert sum(reference() is not None for reference in alive) <= 2
        hold.set()
        assert capture.dropped == 499


@given(st.lists(st.sampled_from(["frame", "flap"]), max_size=40))
@example(["flap"] * 100)
def test_a_consumer_that_is_away_finds_a_bounded_number_of_events_that_alternate(steps: list[str]) -> None:
    handover, number = Handover(), 0
    for step in [*steps, "frame"]:
        if step == "flap":
            handover.tell(SourceLost("stalled", "", number))
            handover.tell(SourceBack(0, number))
        handover.put(Frame(picture().image, number, number))
        number += 1
    found = []
    while (item := handover.take(lambda: True)) is not None:
        found.append(item)
    assert len(found) <= 65
    assert isinstance(found[-1], Frame)
    assert found[-1].number == number - 1
    flaps = min(steps.count("flap"), 32)
    assert kinds(found[:-1]) == ["stalled", "SourceBack"] * flaps


def test_what_a_late_reader_puts_after_the_end_is_not_held() -> None:
    handover = Handover()
    frame = Frame(picture().image, 0, 0.0)
    pixels_of = weakref.ref(frame.image.pixels)
    handover.close()
    handover.put(frame)
    del frame
    assert pixels_of() is None


def test_silence_is_told_by_the_clock_and_so_is_the_return() -> None:
    time, more = Time(), threading.Event()
    steps: list[object] = [picture(1), lambda: more.wait(10), picture(2), None]
    with Capture(CAMERA, opener=opener_of(steps), clock=time, patience=Patience(stalled_s=5)) as capture:
        assert isinstance(capture.take(), Frame)
        time.now += 4.9
        assert capture.take(timeout_s=0) is None
        time.now += 3.1
        lost = capture.take()
        assert isinstance(lost, SourceLost)
        assert (lost.reason, lost.detail, lost.time_s) == ("stalled", "camera 0: no frame for 5 s", 8.0)
        time.now += 20
        assert capture.take(timeout_s=0) is None
        more.set()
        rest = list(capture)
    assert rest[0] == SourceBack(20.0, 28.0)
    assert kinds(rest) == ["SourceBack", "Frame", "SourceEnded"]


def test_a_source_that_breaks_off_twenty_times_is_back_each_time() -> None:
    time = Time()
    scripts: list[list[object] | Exception] = []
    for turn in range(20):
        scripts += [[picture(turn), BROKEN], BROKEN, BROKEN]
    with Capture(
        CAMERA,
        opener=opener_of(BROKEN, *scripts, [picture(20), None]),
        clock=time,
        sleep=time.sleep,
        draw=lambda: 1.0,
    ) as capture:
        items = list(capture)
        assert isinstance(items[-1], SourceEnded)
        assert items[-1].frames == 21
        events = [name for name in kinds(items) if name != "Frame"]
        assert events == ["unreachable", *["SourceBack", "disconnected"] * 20, "SourceBack", "SourceEnded"]
        assert len(time.sleeps) == 61
        assert time.sleeps[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
        assert set(time.sleeps[8:]) == {30.0}


def test_after_a_good_while_the_waits_begin_anew() -> None:
    time = Time()

    def pass_(seconds: float) -> Callable[[], None]:
        return lambda: time.sleep(seconds)

    scripts = [
        BROKEN,
        BROKEN,
        [picture(1), pass_(4), BROKEN],
        [picture(2), pass_(6), BROKEN],
        [picture(3), None],
    ]
    with Capture(
        CAMERA, opener=opener_of(*scripts), clock=time, sleep=time.sleep, draw=lambda: 0.0
    ) as capture:
        for _ in capture:
            pass
    assert time.sleeps == [0.25, 0.5, 4, 1.0, 6, 0.25]


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 5000))
def test_waits_stay_between_half_and_the_whole_of_what_is_due(draw: float, failures: int) -> None:
    wait = Backoff(0.5, 30, lambda: draw, failures).next_s()
    due = min(30, 0.5 * 2.0 ** min(failures, 10))
    assert due / 2 <= wait <= due


@given(
    st.lists(st.sampled_from(["seen", "black", "frozen", "silence", "broken", "unreachable"]), max_size=25)
)
def test_between_loss_and_return_no_frame_comes(steps: list[str]) -> None:
    time = Time()
    script: list[list[object] | Exception] = [[]]
    black = Grabbed(Image(np.zeros((16, 16, 3), np.uint8), "camera 0", ""), None)
    for number, step in enumerate(steps):
        now: list[object] = script[-1]  # type: ignore[assignment]
        if step == "seen":
            now += [picture(number)]
        elif step in ("black", "frozen"):
            now += [lambda: time.sleep(1.0), black if step == "black" else picture(3)] * 12
        elif step == "silence":
            now += [lambda: time.sleep(7.0)]
        elif step == "broken":
            now += [BROKEN]
            script.append([])
        else:
            now += [BROKEN]
            script += [BROKEN, []]
    with Capture(CAMERA, opener=opener_of(*script), clock=time, sleep=time.sleep) as capture:
        items = list(capture)
    assert isinstance(items[-1], SourceEnded)
    lost = False
    for item in items[:-1]:
        assert lost == isinstance(item, SourceBack) or isinstance(item, SourceLost)
        assert not (lost and isinstance(item, SourceLost))
        lost = isinstance(item, SourceLost)
    times = [item.time_s for item in items]
    assert times == sorted(times)


def test_black_and_frozen_pictures_are_withheld() -> None:
    def shown() -> Iterator[object]:
        parts = ["seen"] * 5 + ["black"] * 75 + ["seen"] * 5 + ["same"] * 300 + ["seen"] * 5
        for number, kind in enumerate(parts):
            if kind == "black":
                yield Grabbed(Image(np.full((48, 64, 3), number % 9, np.uint8), "v", ""), number / 25)
            else:
                yield picture(12 if kind == "same" else number % 10, number / 25)

    with Capture(VideoFile("v"), opener=lambda _: Scripted(shown())) as capture:
        items = list(capture)
    assert kinds(items) == [
        *("Frame", "black", "SourceBack", "Frame"),
        *("frozen", "SourceBack", "Frame", "SourceEnded"),
    ]
    lost = [item for item in items if isinstance(item, SourceLost)]
    back = [item for item in items if isinstance(item, SourceBack)]
    assert [event.time_s for event in lost] == [(5 + 50) / 25, (85 + 250) / 25]
    assert [event.time_s for event in back] == [80 / 25, 385 / 25]
    assert [event.detail for event in lost] == ["v: black for 2 s", "v: frozen for 10 s"]
    assert items[-1] == SourceEnded(390, 389 / 25)
    assert capture.dropped == 0


def test_a_file_gives_every_frame_to_a_slow_consumer(tmp_path: Path) -> None:
    path = str(write_video(tmp_path / "v.avi", range(15)))
    with Capture(parse_address(path)) as capture:
        *frames, end = list(capture)
    assert [(item.number, number_of(item.image.pixels)) for item in frames] == [(n, n) for n in range(15)]
    assert [round(item.time_s, 3) for item in frames] == [round(n / 25, 3) for n in range(15)]
    assert {item.image.source for item in frames} == {path}
    assert isinstance(end, SourceEnded)
    assert end.frames == 15
    assert capture.dropped == 0


def test_in_real_time_a_file_is_paced_and_does_not_wait(tmp_path: Path) -> None:
    time, ended = Time(), threading.Event()

    class Telling(Scripted):
        def close(self) -> None:
            ended.set()

    steps = iter([*(picture(number, number / 25) for number in range(50)), None])
    with Capture(
        VideoFile("v"), realtime=True, opener=lambda _: Telling(steps), clock=time, sleep=time.sleep
    ) as capture:
        assert ended.wait(10)
        frame, end = capture
    assert isinstance(frame, Frame)
    assert (frame.number, frame.time_s, capture.dropped) == (49, 49 / 25, 49)
    assert isinstance(end, SourceEnded)
    assert time.now == pytest.approx(100 + 49 / 25)
    assert max(time.sleeps) == pytest.approx(1 / 25)


def test_a_file_that_is_no_video_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    path.write_bytes(bytes(range(256)) * 20)
    with Capture(VideoFile(str(path))) as capture:
        with pytest.raises(InputError, match=r"v.avi: not a video") as caught:
            capture.take()
        assert caught.value.code == "source_unreadable"


def test_a_fault_in_the_thread_reaches_the_consumer() -> None:
    with (
        Capture(CAMERA, opener=opener_of([picture(1), ZeroDivisionError("a fault")])) as capture,
        pytest.raises(ZeroDivisionError),
    ):
        list(capture)


def test_close_does_not_wait_for_a_reader_that_hangs() -> None:
    hangs, entered = threading.Event(), threading.Event()

    def hang() -> None:
        entered.set()
        hangs.wait(30)

    reader = Scripted(iter([hang, picture(1)]))
    capture = Capture(CAMERA, opener=lambda _: reader, patience=Patience(close_s=0.05))
    assert entered.wait(10)
    assert not capture.close()
    assert capture.take() is None
    hangs.set()
    # Once the driver lets go of it, the thread puts away what it held.
    capture._thread.join(10)
    assert reader.closed == 1
    assert capture.take() is None


def test_close_wakes_a_thread_that_waits_to_try_again_or_for_its_consumer() -> None:
    waiting = Capture(
        CAMERA, opener=opener_of(BROKEN), patience=Patience(first_retry_s=1000, longest_retry_s=1000)
    )
    assert isinstance(waiting.take(), SourceLost)
    assert waiting.close()
    full = Capture(VideoFile("v"), opener=opener_of([picture(n, n / 25) for n in range(5)]))
    assert isinstance(full.take(), Frame)
    assert full.close()


def test_an_http_server_that_dies_twenty_times() -> None:
    body = multipart(jpeg_of(number) for number in range(3))
    with mjpeg_server([body] * 21) as (host, asked):
        address = parse_address(f"http://admin:s3cret@{host}/video.mjpg?token=s3cret")
        assert isinstance(address, NetworkStream)
        backs, frames, details = 0, 0, set()
        with Capture(address, sleep=lambda _: None) as capture:
            while backs < 20:
                item = capture.take()
                backs += isinstance(item, SourceBack)
                if isinstance(item, SourceLost):
                    details.add(item.detail)
                if isinstance(item, Frame):
                    frames += 1
                    assert item.image.source == f"http://***@{host}/video.mjpg?***"
    assert asked == ["/video.mjpg?token=s3cret"] * 21
    assert frames >= 1
    assert details == {f"http://***@{host}/video.mjpg?***: the server ended the stream"}
