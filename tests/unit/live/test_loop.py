from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import pytest

from faceid.cli.messages import hint_for
from faceid.errors import InputError
from faceid.live.liveness.state import Liveness
from faceid.live.loop import Live, Until
from faceid.live.source.addresses import Address, Camera, NetworkStream, VideoFile
from faceid.live.source.capture import Capture, Patience
from faceid.live.source.readers import Grabbed
from faceid.live.tracking.cells import gray_of
from faceid.live.tracking.cost import Meter, memory_mb
from faceid.live.tracking.pace import Intervals, Pace
from filmed import ALICE, BOB, CAROL, Placed, frame, told, watch

PEOPLE = {"alice": ALICE, "bob": BOB}
FILE = VideoFile("film.mp4")
STREAM = NetworkStream("rtsp://user:secret@host/s", "rtsp://***@host/s")
FACE = (ALICE, 40, 60, 100)


class Film:
    """A reader of made-up frames; after the last it ends or breaks off."""

    def __init__(self, scenes: Iterable[tuple[Placed, ...]], live: bool, pause_s: float = 0.0) -> None:
        self._scenes, self._live, self._pause_s, self._number = iter(scenes), live, pause_s, 0

    def read(self) -> Grabbed | None:
        faces = next(self._scenes, None)
        if faces is None:
            if self._live:
                raise InputError("gone", code="source_disconnected")
            return None
        time.sleep(self._pause_s)
        made = frame(self._number, *faces)
        self._number += 1
        return Grabbed(made.image, None if self._live else made.time_s)

    def close(self) -> None:
        pass


def live(
    address: Address,
    opener: Callable[[Address], Film],
    until: Until | None = None,
    *,
    claim: str | None = None,
    max_fps: float | None = None,
) -> Live:
    patience = Patience(first_retry_s=0.01, longest_retry_s=0.02)
    capture = Capture(address, opener=opener, patience=patience)
    return Live(capture, watch(PEOPLE, claim=claim), until, max_fps=max_fps)


def played(*scenes: tuple[int, tuple[Placed, ...]], live: bool = False, pause_s: float = 0.0) -> Film:
    return Film((faces for length, faces in scenes for _ in range(length)), live, pause_s)


def test_a_film_is_watched_to_its_end() -> None:
    with live(FILE, lambda address: played((5, ()), (20, (FACE,)))) as running:
        moments = list(running)
    assert [event for event, _, _ in told(moments)] == ["appeared", "identified", "left", "source_ended"]
    assert moments[-1].events[-1].detail == "25 frames"
    assert sum(moment.view is not None for moment in moments) >= 25


def test_once_ends_with_the_first_decision() -> None:
    with live(FILE, lambda address: played((5, ()), (2000, (FACE,))), Until(once=True)) as running:
        moments = list(running)
    assert told(moments)[-1] == ("identified", 1, "alice")
    assert len(moments) < 20


def test_a_decision_against_one_face_waits_for_the_others() -> None:
    """A stranger beside the claimed person does not decide for both, and no stranger decides alone too early."""
    stranger: Placed = (CAROL, 180, 60, 100)
    scenes = [(20, (stranger,)), (20, (FACE, stranger))]
    with live(FILE, lambda address: played(*scenes), Until(once=True), claim="alice") as running:
        alone = told(list(running))
    assert alone[-1][0] == "rejected"
    with live(
        FILE, lambda address: played((60, (FACE, stranger))), Until(once=True), claim="alice"
    ) as running:
        both = told(list(running))
    assert ("accepted", 1, "alice") in both


def test_nobody_in_time_is_a_timeout_of_media_time_for_a_film() -> None:
    with live(FILE, lambda address: played((300, ())), Until(timeout_s=2.0)) as running:
        moments = list(running)
    (event,) = moments[-1].events
    assert event.event == "timeout"
    # On a busy machine the frames that are due meanwhile are passed over.
    assert event.time_s is not None
    assert 2.0 <= event.time_s < 3.0


def test_a_decision_in_time_stops_the_timeout() -> None:
    with live(FILE, lambda address: played((120, (FACE,))), Until(timeout_s=2.0)) as running:
        assert told(list(running))[-1][0] == "source_ended"


class LiveAtLast:
    """Finds everybody live at the fifth look."""

    every_detection = False

    def __init__(self) -> None:
        self._looks = 0

    def update(self, image: object, face: object, vector: object, time_s: float) -> Liveness:
        self._looks += 1
        return Liveness("live" if self._looks >= 5 else "checking")


def test_who_is_hidden_for_a_frame_is_still_waited_for() -> None:
    alice, stranger = (ALICE, 40, 60, 50), (CAROL, 180, 60, 100)
    scenes = [(9, (alice, stranger)), (1, (stranger,)), (60, (alice, stranger))]
    capture = Capture(FILE, opener=lambda address: played(*scenes))
    watching = watch(PEOPLE, claim="alice", check=LiveAtLast)
    with Live(capture, watching, Until(once=True)) as running:
        events = told(list(running))
    assert ("rejected", 2, None) in events
    assert events[-1] == ("accepted", 1, "alice")


class Undecided:
    """Never finds out whether anybody is live."""

    every_detection = False

    def update(self, image: object, face: object, vector: object, time_s: float) -> Liveness:
        return Liveness("checking")


def test_one_about_whom_nothing_gets_known_does_not_hold_up_the_timeout() -> None:
    """A stranger is turned down, which waits for the others in sight: not for ever."""
    scenes = [(300, (FACE, (CAROL, 180, 60, 100)))]
    capture = Capture(FILE, opener=lambda address: played(*scenes))
    watching = watch(PEOPLE, claim="alice", check=Undecided)
    with Live(capture, watching, Until(once=True, timeout_s=2.0)) as running:
        moments = list(running)
    assert "rejected" in [event for event, _, _ in told(moments)]
    (event,) = moments[-1].events
    assert event.event == "timeout"
    # On a busy machine the frames that are due meanwhile are passed over.
    assert event.time_s is not None
    assert 2.0 <= event.time_s < 3.0


def test_a_live_source_that_gives_nothing_times_out_by_the_clock() -> None:
    def refuses(address: Address) -> Film:
        raise InputError("rtsp://***@host/s: does not open", code="source_unreachable")

    with live(STREAM, refuses, Until(timeout_s=0.6)) as running:
        moments = list(running)
    assert [event for event, _, _ in told(moments)] == ["source_lost", "timeout"]
    assert "secret" not in str(moments)


def test_a_camera_that_is_not_there_is_an_error() -> None:
    def refuses(address: Address) -> Film:
        raise InputError("camera 7: does not open", code="source_unreachable")

    with live(Camera(7), refuses) as running, pytest.raises(InputError) as error:
        list(running)
    assert error.value.code == "source_unreachable"
    assert hint_for(error.value)


def test_a_stream_that_breaks_off_is_told_of_and_watched_on() -> None:
    opened = 0

    def opener(address: Address) -> Film:
        nonlocal opened
        opened += 1
        return played((12, (FACE,)), live=True, pause_s=0.02)

    with live(STREAM, opener, Until()) as running:
        events = []
        for moment in running:
            events += [event.event for event in moment.events]
            if events.count("identified") == 3:
                break
            if moment.view is not None and moment.view.lost is not None:
                assert moment.view.people == ()
    expected = ["appeared", "identified", "left", "source_lost", "source_back"]
    assert events == [*expected, *expected, "appeared", "identified"]


def test_no_more_frames_are_looked_at_than_asked_for() -> None:
    with live(FILE, lambda address: played((90, (FACE,))), max_fps=10.0) as running:
        moments = list(running)
        stats = running.stats()
    assert stats is not None
    assert 28 <= stats.frames <= 33
    assert told(moments)[1] == ("identified", 1, "alice")


def test_a_window_and_a_timeout_are_not_kept_waiting_by_few_frames() -> None:
    with live(FILE, lambda address: played((90, ())), Until(timeout_s=1.5), max_fps=0.4) as running:
        moments = list(running)
    assert len(moments) >= 6
    assert moments[1].view is moments[0].view
    (event,) = moments[-1].events
    assert (event.event, event.time_s) == ("timeout", pytest.approx(1.5, abs=0.05))


def test_stats_tell_what_it_costs() -> None:
    with live(FILE, lambda address: played((60, (FACE,)))) as running:
        list(running)
        assert running.stats(at_least_s=60.0) is None
        stats = running.stats()
    assert stats is not None
    assert (stats.frames, stats.dropped, stats.delay_ms) == (60, 0, None)
    assert stats.memory_mb > 10
    assert stats.cpu_percent > 0
    assert stats.fps > stats.detections > 0


def test_a_meter_counts_since_it_was_last_read() -> None:
    now, used = [10.0], [1.0]
    meter = Meter(lambda: now[0], lambda: used[0], lambda: 100.0)
    now[0], used[0] = 12.0, 2.0
    first = meter.read(frames=50, detections=10, looks=4, dropped=0, delay_s=0.02)
    assert (first.fps, first.detections, first.looks, first.cpu_percent) == (25.0, 5.0, 2.0, 50.0)
    assert first.delay_ms == 20.0
    now[0] = 13.0
    second = meter.read(frames=50, detections=10, looks=4, dropped=3, delay_s=None)
    assert (second.fps, second.cpu_percent, second.dropped, second.time_s) == (0.0, 0.0, 3, 3.0)


def test_memory_is_that_of_this_process() -> None:
    assert 10 < memory_mb() < 100_000


def test_a_detection_is_due_sooner_the_more_there_is_to_decide() -> None:
    def waits(pace: Pace, faces: int, undecided: int) -> float:
        gray = gray_of(frame(0).image.pixels)
        assert pace.due(gray, 0.0, faces=faces, undecided=undecided)
        pace.detected(0.0)
        due = next(t for t in range(1, 200) if pace.due(gray, t / 100, faces=faces, undecided=undecided))
        return due / 100

    intervals = Intervals()
    assert waits(Pace(), 1, 1) == pytest.approx(intervals.deciding, abs=0.011)
    assert waits(Pace(), 1, 0) == pytest.approx(intervals.settled, abs=0.011)
    assert waits(Pace(), 0, 0) == pytest.approx(intervals.still, abs=0.011)


def test_movement_in_an_empty_scene_makes_a_detection_due() -> None:
    pace = Pace()
    assert pace.due(gray_of(frame(0).image.pixels), 0.0, faces=0, undecided=0)
    pace.detected(0.0)
    moved = gray_of(frame(0, (ALICE, 100, 100, 20)).image.pixels)
    assert not pace.due(moved, 0.1, faces=0, undecided=0)
    assert pace.due(moved, 0.15, faces=0, undecided=0)


def test_a_slow_detector_is_asked_less_often_but_often_enough_to_follow() -> None:
    pace, gray = Pace(), gray_of(frame(0).image.pixels)
    pace.due(gray, 0.0, faces=1, undecided=1)
    pace.detected(0.0, cost_s=0.1)
    assert not pace.due(gray, 0.15, faces=1, undecided=1)
    assert pace.due(gray, 0.2, faces=1, undecided=1)
    slow = Pace()
    slow.due(gray, 0.0, faces=1, undecided=1)
    slow.detected(0.0, cost_s=5.0)
    assert slow.due(gray, Intervals().longest, faces=1, undecided=1)


def test_a_way_of_pacing_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no way"):
        Intervals(settled=0.0)


@pytest.mark.parametrize("asked", [25.0, 20.0, 12.0])
def test_a_rate_that_does_not_divide_the_source_is_met_on_average(asked: float) -> None:
    with live(FILE, lambda address: played((150, (FACE,))), max_fps=asked) as running:
        list(running)
        stats = running.stats()
    assert stats is not None
    # Five seconds at 30 frames a second.
    assert stats.frames == pytest.approx(5 * asked, abs=2)
