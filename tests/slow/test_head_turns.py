"""Challenges played with clips of people who really turn and nod: real detector, alignment and default network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cli_runs import Ran
from faceid import cli
from faceid.app import factories
from faceid.config import Settings
from faceid.live.liveness import checks
from faceid.live.source.stream import Frame
from faceid.recognition.liveness.challenge import Action, Limits
from faceid.recognition.liveness.pose import head_pose
from places import SHARED_DATA
from scripts.studies.head_turns import (
    ORDERS,
    PERFORMED,
    SEEN,
    SPEAKING,
    Doors,
    Look,
    RememberedDetector,
    RememberedEmbedder,
    Tools,
    doors,
    frames,
    longest,
)
from scripts.studies.held_prints import held
from scripts.studies.performances import performance

pytestmark = pytest.mark.slow

NETWORK = "dlib-resnet"
TURNS = SHARED_DATA / "video_turns"


@pytest.fixture(scope="module", autouse=True)
def _clips() -> None:
    if not TURNS.is_dir():
        pytest.skip(f"no video_turns in {SHARED_DATA}; set FACEID_TEST_DATA")


@pytest.fixture(scope="module")
def tools() -> Tools:
    embedder = factories.make_embedder(NETWORK, "cpu", Settings.load())
    detector = factories.make_detector(NETWORK, "cpu")
    return Tools(RememberedDetector(detector), {NETWORK: RememberedEmbedder(embedder)})


@pytest.fixture(scope="module")
def door() -> Doors:
    (made,) = doors([NETWORK])
    return made


def seen(tools: Tools, clip: str) -> list[Look]:
    """As often as the live loop detects a face."""
    taken: list[Frame] = []
    for frame in frames(TURNS / clip):
        if not taken or frame.time_s - taken[-1].time_s >= 0.095:
            taken.append(frame)
    return tools.looks(taken)


@pytest.mark.parametrize("clip", SEEN)
def test_who_does_what_is_asked_passes_and_no_other_order_does(clip: str, tools: Tools, door: Doors) -> None:
    looks = seen(tools, clip)
    assert door.play(PERFORMED[clip], looks).state == "passed"
    for order in ORDERS:
        if order != PERFORMED[clip]:
            assert door.play(order, looks).state != "passed", order


@pytest.mark.parametrize("clip", SPEAKING)
def test_who_only_speaks_passes_nothing_and_does_nothing_wrong(clip: str, tools: Tools, door: Doors) -> None:
    looks = seen(tools, clip)
    for order in ORDERS:
        found = door.play(order, looks)
        assert (found.state in ("running", "timeout"), found.steps[0].done_s) == (True, None), order


@pytest.mark.parametrize("clip", ["turn_a_267.MOV", "turn_f_5ec_176x144.3gp"])
@pytest.mark.parametrize("tilted", [False, True])
def test_a_flat_print_neither_turns_nor_nods(clip: str, tilted: bool, tools: Tools) -> None:
    (still, *_) = frames(TURNS / clip)
    shown = [
        Frame(held(still.image, degrees, tilted=tilted), 0, 0.0)
        for degrees in (0, *range(-60, 0, 10), *range(10, 61, 10))
    ]
    poses = [head_pose(look.face.landmarks) for look in tools.looks(shown) if look.face is not None]
    limits, rest = Limits(), poses[0]
    assert rest is not None
    clear = [pose for pose in poses if pose is not None and abs(pose.misfit) <= limits.misfit]
    assert len(clear) >= 6
    for pose in clear:
        assert abs(pose.yaw) < limits.turned_yaw
        assert -limits.nodded_up < pose.pitch - rest.pitch < limits.nodded_down


def written(path: Path, shown: list[Frame], fps: float) -> Path:
    height, width = shown[0].image.pixels.shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (width, height))
    assert writer.isOpened()
    for frame in shown:
        writer.write(np.ascontiguousarray(frame.image.pixels[..., ::-1]))
    writer.release()
    return path


@pytest.fixture
def command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def run(*arguments: object) -> Ran:
        options = [
            "--db",
            tmp_path / "gallery.db",
            "--device",
            "cpu",
            "--model",
            NETWORK,
            "--detector",
            "mtcnn",
        ]
        code = cli.run([str(each) for each in (*options, *arguments)])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.mark.parametrize(
    ("clip", "fps"),
    [
        ("turn_f_5ec_176x144.3gp", 14.0),
        ("turn_b_705.MOV", 25.0),
        ("turn_c_f74.MOV", 30.0),
        ("turn_d_eb3.MOV", 5.0),
    ],
)
def test_the_command_accepts_who_does_what_it_asks_for_and_nobody_else(
    clip: str, fps: float, tmp_path: Path, command: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    film = frames(TURNS / clip)
    begin, end = longest(clip)
    enrolled = tmp_path / "subject.png"
    cv2.imwrite(str(enrolled), film[(begin + end) // 2].image.pixels[..., ::-1])
    assert command("enroll", "--name", "subject", enrolled).code == 0
    done: tuple[Action, ...] = ("nod", "turn_left", "turn_right")
    shown = performance(clip, film, done, fps=fps if fps < 10 else None)
    source = written(tmp_path / "film.avi", shown, fps)

    def live(order: tuple[Action, ...]) -> tuple[int, list[dict[str, Any]]]:
        monkeypatch.setattr(checks, "draw_actions", lambda count: order)
        ran = command(
            "--json", "live", source, "--claim", "subject", "--liveness", "challenge", "--no-display"
        )
        return ran.code, [each for each in ran.objects if "event" in each]

    code, events = live(done)
    assert code == 0, events
    asked = [event["reason"] for event in events if event["event"] == "challenge"]
    assert asked == [
        *(
            "look_straight",
            "nod",
            "look_straight",
            "turn_left",
            "look_straight",
            "turn_right",
            "look_straight",
        )
    ]
    assert [event["name"] for event in events if event["event"] == "accepted"] == ["subject"]
    code, events = live(("nod", "turn_right", "turn_left"))
    assert code == 1
    assert "wrong_action" in [event["reason"] for event in events if event["event"] == "spoof"]
