"""`faceid live` on made-up films: what it tells, and its exit codes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import cv2
import pytest
from PIL import Image as PilImage

from cli_runs import ALICE, BOB, CAROL, Faceid, Photo
from faceid.recognition.liveness.fake import frame_copy
from filmed import Placed, frame
from moving_pictures import mjpeg_server, multipart

FACEID = [str(Path(sys.executable).with_name("faceid")), "--model", "fake", "--device", "cpu"]
FACE: Placed = (ALICE, 40, 60, 100)
OTHER: Placed = (CAROL, 180, 60, 100)


@pytest.fixture
def enrolled(faceid: Faceid, photo: Photo) -> Faceid:
    for name, colour in (("alice", ALICE), ("bob", BOB)):
        assert faceid("enroll", "--name", name, photo(colour), photo(colour)).code == 0
    return faceid


def film(
    path: Path, *scenes: tuple[int, tuple[Placed, ...]], fps: float = 25.0, copied: bool = False
) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (320, 240))
    assert writer.isOpened()
    for length, faces in scenes:
        for _ in range(length):
            shown = frame(0, *faces, background=0 if copied else 24).image.pixels
            for _, x, y, side in faces if copied else ():
                frame_copy(shown, x, y, side)
            writer.write(shown[..., ::-1])
    writer.release()
    return path


def kinds(objects: list[dict[str, object]]) -> list[object]:
    return [each["event"] for each in objects if "event" in each]


def test_a_film_is_told_event_by_event(enrolled: Faceid, tmp_path: Path) -> None:
    source = film(tmp_path / "film.avi", (10, ()), (25, (FACE,)), (25, ()))
    ran = enrolled("--json", "live", source, "--no-display")
    assert ran.code == 0, ran.err
    assert kinds(ran.objects) == ["appeared", "identified", "left", "source_ended"]
    identified = ran.objects[1]
    assert set(identified) == {
        *("event", "time", "time_s", "frame", "track", "name", "distance", "threshold", "fmr", "looks"),
        "fmr_alike",
        *("liveness", "box", "reason", "detail"),
    }
    assert identified["name"] == "alice"
    assert identified["distance"] <= identified["threshold"]
    assert 10 <= identified["frame"] <= 15
    assert identified["time_s"] == pytest.approx(identified["frame"] / 25, abs=0.01)


def test_people_read_lines(enrolled: Faceid, tmp_path: Path) -> None:
    ran = enrolled("live", film(tmp_path / "film.avi", (25, (FACE,))), "--no-display", "--stats")
    assert "identified" in ran.out
    assert "alice  distance 0." in ran.out
    assert "frames/s" in ran.err
    assert "MB" in ran.err


def test_nobody_known_is_exit_code_1(enrolled: Faceid, tmp_path: Path) -> None:
    ran = enrolled("--json", "live", film(tmp_path / "film.avi", (40, (OTHER,))), "--no-display")
    assert ran.code == 1
    assert kinds(ran.objects) == ["appeared", "unknown", "left", "source_ended"]


@pytest.mark.parametrize(
    ("shown", "code", "last"), [(FACE, 0, "accepted"), (OTHER, 1, "rejected"), (None, 1, "timeout")]
)
def test_a_door_asks_once_whether_it_is_alice(
    enrolled: Faceid, tmp_path: Path, shown: Placed | None, code: int, last: str
) -> None:
    source = film(tmp_path / "film.avi", (100, () if shown is None else (shown,)))
    ran = enrolled(
        *("--json", "live", source, "--claim", "alice", "--once", "--timeout", 2, "--min-frames", 3),
        "--no-display",
    )
    assert ran.code == code, ran.err
    assert kinds(ran.objects)[-1] == last
    if last != "timeout":
        assert ran.objects[-1]["looks"] >= 3


def test_stats_are_objects_of_their_own(enrolled: Faceid, tmp_path: Path) -> None:
    ran = enrolled("--json", "live", film(tmp_path / "film.avi", (25, (FACE,))), "--no-display", "--stats")
    (stats,) = [each["stats"] for each in ran.objects if "stats" in each]
    assert stats["frames"] == 25
    assert stats["delay_ms"] is None
    assert {"fps", "detections", "looks", "cpu_percent", "memory_mb", "dropped", "time_s"} <= set(stats)


def test_a_directory_of_pictures_is_a_source(enrolled: Faceid, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for number in range(12):
        PilImage.fromarray(frame(number, FACE, background=16).image.pixels).save(
            tmp_path / "frames" / f"{number:03}.png"
        )
    ran = enrolled("--json", "live", tmp_path / "frames", "--no-display")
    assert ran.code == 0, ran.err
    assert "identified" in kinds(ran.objects)


def test_a_stream_of_http_is_a_source_and_its_password_is_nobodys(enrolled: Faceid) -> None:
    jpegs = []
    for number in range(30):
        coded, data = cv2.imencode(".jpg", frame(number, FACE, background=16).image.pixels[..., ::-1])
        assert coded
        jpegs.append(data.tobytes())
    with mjpeg_server([multipart(jpegs)]) as (place, _):
        ran = enrolled(
            *("--json", "live", f"http://ann:hunter2@{place}/stream", "--once", "--timeout", 20),
            "--no-display",
        )
    assert ran.code == 0, ran.err
    assert kinds(ran.objects)[-1] == "identified"
    assert "hunter2" not in ran.out + ran.err


def test_standard_input_is_a_source(enrolled: Faceid, db: Path) -> None:
    coded, data = cv2.imencode(".jpg", frame(0, FACE, background=16).image.pixels[..., ::-1])
    assert coded
    command = [*FACEID, "--db", str(db)]
    ran = subprocess.run(
        [*command, "--json", "live", "-", "--no-display", "--once"],
        input=data.tobytes() * 20,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert b'"identified"' in ran.stdout


def test_a_service_that_is_stopped_ends_in_order(enrolled: Faceid, db: Path, tmp_path: Path) -> None:
    source = film(tmp_path / "film.avi", (500, (FACE,)))
    command = [*FACEID, "--db", str(db)]
    running = subprocess.Popen(
        [*command, "--json", "live", str(source), "--realtime", "--no-display"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    assert b'"appeared"' in running.stdout.readline()
    os.kill(running.pid, signal.SIGTERM)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert b"Traceback" not in err


def test_a_file_in_real_time_takes_its_time(enrolled: Faceid, tmp_path: Path) -> None:
    source = film(tmp_path / "film.avi", (20, (FACE,)))
    began = time.monotonic()
    ran = enrolled("--json", "live", source, "--no-display", "--realtime")
    # At the least: no claim about how fast the machine is.
    assert time.monotonic() - began >= 19 / 25
    assert ran.code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["nowhere.mp4"], 3, "no_such_source"),
        (["ftp://host/s"], 2, "bad_source"),
        (["{film}", "--claim", "zoe"], 1, "unknown_identity"),
        (["{film}", "--fmr", "0.1", "--threshold", "0.2"], 2, "usage"),
        (["{text}"], 3, "source_unreadable"),
    ],
)
def test_what_cannot_be_watched_is_one_line(
    enrolled: Faceid, tmp_path: Path, arguments: list[str], code: int, reason: str
) -> None:
    made = {"film": str(film(tmp_path / "film.avi", (5, ()))), "text": str(tmp_path / "text.mp4")}
    (tmp_path / "text.mp4").write_text("not a film")
    ran = enrolled("--json", "live", *(each.format(**made) for each in arguments), "--no-display")
    assert ran.code == code, ran.err
    assert ran.object["error"]["code"] == reason
    # FFmpeg is silent only where faceid is the first to use it, and here a film was written before.
    lines = [line for line in ran.err.splitlines() if line.startswith("faceid: ") and "device:" not in line]
    assert len(lines) == 1
    assert "Traceback" not in ran.err


def test_without_a_gallery_there_is_nobody_to_name(faceid: Faceid, tmp_path: Path) -> None:
    ran = faceid("--json", "live", film(tmp_path / "film.avi", (5, ())), "--no-display")
    assert ran.code == 4
    assert ran.object["error"]["code"] == "database_missing"


def test_a_copy_is_not_named_where_liveness_is_looked_at(enrolled: Faceid, tmp_path: Path) -> None:
    """As the fake detector has it, what a dim frame surrounds is a copy."""
    real = film(tmp_path / "real.avi", (30, (FACE,)))
    ran = enrolled("--json", "live", real, "--liveness", "passive", "--no-display")
    assert ran.code == 0, ran.err
    identified = next(each for each in ran.objects if each["event"] == "identified")
    assert identified["liveness"] > 0.9
    assert "liveness is judged by fake" in ran.err
    copy = film(tmp_path / "copy.avi", (60, (FACE,)), copied=True)
    ran = enrolled("--json", "live", copy, "--liveness", "passive", "--no-display", "--claim", "alice")
    assert ran.code == 1
    assert kinds(ran.objects) == ["appeared", "spoof", "rejected", "left", "source_ended"]


def test_a_challenge_says_what_it_waits_for(enrolled: Faceid, tmp_path: Path) -> None:
    ran = enrolled(
        *(
            "--json",
            "live",
            film(tmp_path / "film.avi", (60, (FACE,))),
            "--liveness",
            "challenge",
            "--no-display",
        ),
    )
    assert ran.code == 1
    first = next(each for each in ran.objects if each["event"] == "challenge")
    assert first["reason"] == "look_straight"
    # A square never turns its head.
    assert "identified" not in kinds(ran.objects)


def test_a_way_of_judging_liveness_that_is_none(enrolled: Faceid, tmp_path: Path) -> None:
    ran = enrolled("live", film(tmp_path / "film.avi", (5, ())), "--liveness", "sometimes", "--no-display")
    assert ran.code == 2
    assert "one of off, passive, challenge" in ran.err


def test_a_recording_and_pictures_of_strangers_are_kept_where_asked_for(
    enrolled: Faceid, tmp_path: Path
) -> None:
    source = film(tmp_path / "film.avi", (50, (FACE, OTHER)))
    recording, pictures = tmp_path / "told.mkv", tmp_path / "unknown"
    ran = enrolled(
        *("--json", "live", source, "--no-display", "--record", recording, "--snapshot-dir", pictures)
    )
    assert ran.code == 0, ran.err
    reader = cv2.VideoCapture(str(recording))
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == pytest.approx(50, abs=2)
    there, _ = reader.read()
    reader.release()
    assert there
    (kept,) = pictures.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    middle = cv2.imread(str(kept)).mean(axis=(0, 1))[::-1]
    # The stranger's colour, and not that of the person who is enrolled.
    assert middle.argmax() == 2


def test_nothing_is_kept_where_nobody_asked(enrolled: Faceid, tmp_path: Path) -> None:
    source = film(tmp_path / "film.avi", (30, (OTHER,)))
    before = sorted(tmp_path.rglob("*"))
    enrolled("live", source, "--no-display")
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before] == []


def test_a_browser_on_this_machine_can_watch(enrolled: Faceid, db: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    source = film(tmp_path / "film.avi", (200, (FACE,)))
    running = subprocess.Popen(
        [*FACEID, "--db", str(db), "live", str(source), "--realtime", "--no-display", "--mjpeg", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert running.stderr is not None
        assert f"http://127.0.0.1:{port}/".encode() in running.stderr.readline()
        with urlopen(f"http://127.0.0.1:{port}/stream.mjpg", timeout=60) as stream:
            data = stream.read(4000)
        assert b"image/jpeg" in data
        assert b"\xff\xd8\xff" in data
    finally:
        running.terminate()
        running.communicate(timeout=60)


def test_without_a_display_there_is_a_hint(
    enrolled: Faceid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    if sys.platform != "linux":
        pytest.skip("elsewhere there always is a display")
    ran = enrolled("live", film(tmp_path / "film.avi", (5, ())))
    assert ran.code == 2
    assert "--no-display" in ran.err


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [("--record", "told.txt", "unknown_suffix"), ("--record", "no/told.mkv", "cannot_write")],
)
def test_what_cannot_be_written_is_said_before_anything_is_watched(
    enrolled: Faceid, tmp_path: Path, option: str, value: str, code: str
) -> None:
    ran = enrolled(
        "--json", "live", film(tmp_path / "film.avi", (5, ())), "--no-display", option, tmp_path / value
    )
    assert ran.code == 2
    assert [each["error"]["code"] for each in ran.objects] == [code]


def test_a_challenge_needs_frames(enrolled: Faceid, tmp_path: Path) -> None:
    ran = enrolled(
        *("live", film(tmp_path / "film.avi", (5, ())), "--no-display"),
        *("--liveness", "challenge", "--max-fps", 2),
    )
    assert ran.code == 2
    assert "--liveness passive" in ran.err
