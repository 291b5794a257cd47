"""The measuring of live verification: that it runs, and that what it counts is what happened."""

from __future__ import annotations

import json
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceid.live.source.addresses import parse_address
from faceid.live.source.http_stream import open_http
from faceid.recognition.detect.fake import draw_face
from scripts.benchmarks import bench_live
from scripts.benchmarks.live.data import Counting, enlarged, mark, marked, there_and_back, write
from scripts.benchmarks.live.delay import Understood, by_minute, some_of
from scripts.benchmarks.live.memory import marks
from scripts.benchmarks.live.server import Camera, encoded
from scripts.benchmarks.live.speed import counted, first

CLIPS = {"here.avi": "A", "there.avi": "A", "once.avi": "B"}


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Clips of drawn people: A twice and B once."""
    root = tmp_path / "videos"
    (root / "asl_ccby").mkdir(parents=True)
    lines = ["file,fps,persons"]
    for number, (name, person) in enumerate(CLIPS.items()):
        canvas = np.zeros((96, 128, 3), np.uint8)
        draw_face(canvas, (208, 80, 80) if person == "A" else (80, 80, 208), 20 + 4 * number, 20, 48)
        write(root / "asl_ccby" / name, [canvas] * 12)
        lines.append(f"asl_ccby/{name},30,{person}")
    (root / "index.csv").write_text("\n".join(lines), encoding="utf-8")
    return root


def ran(videos: Path, directory: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> dict[str, Any]:
    """The parts of the report of a run with drawn people."""
    report = directory / "live.json"
    places = ["--videos", str(videos), "--cache", str(directory), "--json", str(report)]
    monkeypatch.setattr(sys, "argv", ["bench_live", "--models", "fake", *options, *places])
    bench_live.main()
    parts: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))["parts"]
    return parts


def test_speed_and_memory(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--only", "speed,memory", "--frames", "20", "--memory-frames", "30")
    parts = ran(videos, tmp_path, monkeypatch, *options)
    ours = parts["speed"]["systems"][0]
    assert (ours["status"], ours["frames"], ours["ratio"]) == ("ok", 20, 1.0)
    assert (ours["with_face"], ours["named"], ours["wrong"]) == (1.0, 1.0, 0.0)
    assert [(row["event"], row["after"], row["wrong"]) for row in parts["speed"]["soon"]] == [
        ("identified", [1], 0),
        ("accepted", [1], 0),
    ]
    (live,) = parts["speed"]["realtime"]
    assert live["frames"] + live["dropped"] == 20
    (mark_30,) = parts["memory"]["marks"]
    assert (mark_30["frames"], mark_30["in_sight"], mark_30["tracks"]) == (30, 1, 1)
    assert mark_30["memory_mb"] > 0 < mark_30["objects"]


@pytest.mark.slow
def test_delay_and_kills(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, small in (("PICTURES", 64), ("WIDTH", 320), ("HEIGHT", 240)):
        monkeypatch.setattr(bench_live, name, small)
    options = ("--only", "delay,kills", "--minutes", "0.02", "--kills", "1", "--up", "0.2")
    parts = ran(videos, tmp_path, monkeypatch, *options)
    for row in parts["delay"]["systems"]:
        (minute,) = row["minutes"]
        assert minute["frames"] > 1
        assert 0 < minute["median_ms"] <= minute["p99_ms"] <= minute["max_ms"]
    (row,) = parts["kills"]["rows"]
    assert (row["status"], row["alive"], row["names"]) == ("ok", True, {"A": 2})
    assert (row["events"]["source_lost"], row["events"]["source_back"]) == (1, 1)
    assert row["back_s"][0] <= row["named_s"][0]


def test_delay_in_pictures_that_were_understood_in_the_meantime() -> None:
    # A picture is understood each second; each had been there for 0.5 s, then for 1.5 s, then for 3.5 s.
    waits = [0.5] * 60 + [1.5] * 60 + [3.5] * 10
    first_minute, second, third = by_minute(
        [Understood(100.0 + second - wait, 100.0 + second) for second, wait in enumerate(waits)]
    )
    assert (first_minute["frames"], first_minute["frame_ms"]) == (60, 1000.0)
    assert (first_minute["median_ms"], first_minute["behind_max"], first_minute["queued"]) == (500.0, 0, 0)
    assert (second["max_ms"], second["behind_median"], second["queued"]) == (1500.0, 1.0, 0)
    assert (third["minute"], third["behind_max"], third["queued"]) == (3, 3, 10)
    assert by_minute([]) == []


def test_minutes_that_are_shown() -> None:
    minutes = [{"minute": number, "seconds": 59.9} for number in range(1, 11)] + [
        {"minute": 11, "seconds": 0.1}
    ]
    assert [minute["minute"] for minute in some_of(minutes)] == [1, 5, 10]
    assert [minute["minute"] for minute in some_of(minutes[-1:])] == [11]


def test_pictures_say_which_they_are() -> None:
    counting = Counting(began=100.0, fps=10.0, lap=16)
    canvas = np.full((48, 320, 3), 120, np.uint8)
    for number, now_s in ((70, 107.1), (71, 107.2), (71, 107.3), (86, 108.7), (95, 130.0)):
        mark(canvas, number % 16)
        assert marked(canvas) == number % 16
        assert counting.due_s(canvas, now_s) == pytest.approx(100.0 + number / 10.0)


def test_the_camera_sends_marked_pictures_in_order(tmp_path: Path) -> None:
    path = str(tmp_path / "film.avi")
    write(Path(path), [np.full((64, 320, 3), 60, np.uint8)] * 3)
    with Camera(0, encoded(path, 300), 100.0) as camera:
        thread = threading.Thread(target=camera.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            reader = open_http(parse_address(camera.url))
            assert reader is not None
            seen = [marked(grabbed.image.pixels) for _ in range(5) if (grabbed := reader.read()) is not None]
            reader.close()
        finally:
            camera.shutdown()
            thread.join()
    assert len(seen) == 5
    assert all(later > earlier for earlier, later in pairwise(seen))


def test_names_are_counted_by_frame() -> None:
    watched = [("A", [[], ["A"], ["A", "B"], [None]]), ("B", [["B", None]])]
    assert counted(watched) == {"with_face": 4 / 5, "named": 3 / 5, "wrong": 1 / 5}
    assert first(watched[0][1], "A") == 2
    assert first(watched[0][1], "C") is None


def test_there_and_back_shows_no_picture_twice_in_a_row() -> None:
    some = [np.full((2, 2, 3), number, np.uint8) for number in range(3)]
    assert [int(one[0, 0, 0]) for one in there_and_back(some, 7)] == [0, 1, 2, 1, 0, 1, 2]
    large = enlarged(some[2], 8, 4)
    assert (large.shape, int(large.max()), int(large[:, :2].max())) == ((4, 8, 3), 2, 0)


def test_memory_is_read_at_the_end_too() -> None:
    assert marks(20_000) == [1_000, 5_000, 10_000, 20_000]
    assert marks(400) == [400]
