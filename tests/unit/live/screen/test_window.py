"""The window: under a real X server where there is one, and its refusals where there is none."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from faceid.cli.messages import hint_for
from faceid.errors import UsageError
from faceid.live.screen import display, window
from faceid.live.screen.window import Window
from made_up_views import gray, shown, view
from places import ROOT
from x_display import Display
from x_display import display as x_display

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only there may a display be missing")

# One view of one colour: what the screen shows is then known.
SHOWS = """
import time
import numpy as np
from faceid.live.source.stream import Frame
from faceid.live.screen.annotate import Annotator
from faceid.live.screen.window import Window
from faceid.live.view import View
from faceid.types import Image

pixels = np.empty((120, 160, 3), np.uint8)
pixels[:] = (200, 30, 90)
view = View(Frame(Image(pixels, "camera 0", ""), 0, 0.0), (), None, 25.0)
window = Window("faceid test", Annotator())
print("open", flush=True)
until = time.monotonic() + 60
while window.show(view) and time.monotonic() < until:
    time.sleep(0.01)
print("ended by the user" if time.monotonic() < until else "never ended", window.show(view), flush=True)
window.close()
"""


@pytest.fixture(autouse=True)
def _no_trial_remembered() -> Iterator[None]:
    display._trial.cache_clear()
    yield
    display._trial.cache_clear()


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in display._SETTINGS:
        monkeypatch.delenv(name, raising=False)


@LINUX
def test_without_a_display_the_user_is_told_what_to_do(no_settings: None) -> None:
    with pytest.raises(UsageError, match="there is no display") as caught:
        Window("faceid", lambda view: view.frame.image.pixels)
    assert (caught.value.code, hint_for(caught.value)) == ("no_display", "use --no-display")


@LINUX
def test_a_display_that_is_not_there_does_not_end_the_process(
    no_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":4711")
    with pytest.raises(UsageError, match="the display cannot be opened"):
        Window("faceid", lambda view: view.frame.image.pixels)


@LINUX
@pytest.mark.parametrize(
    ("trial", "problem"),
    [
        (f"raise SystemExit({display._WITHOUT_WINDOWS})", "built without windows"),
        ("import os; os.abort()", "cannot be opened"),
        ("import time; time.sleep(60)", "does not answer"),
    ],
)
def test_what_a_trial_finds(
    no_settings: None, monkeypatch: pytest.MonkeyPatch, trial: str, problem: str
) -> None:
    monkeypatch.setenv("DISPLAY", ":4711")
    monkeypatch.setattr(display, "_TRIAL", trial)
    monkeypatch.setattr(display, "_TRIAL_S", 3.0)
    with pytest.raises(UsageError, match=problem):
        display.require_display()


def watched(on: Display) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SHOWS],
        env=on.environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def wait_for_colour(on: Display, colour: tuple[int, int, int]) -> np.ndarray | None:
    until = time.monotonic() + 4
    while time.monotonic() < until:
        screen = on.screenshot()
        if (screen == colour).all(axis=2).sum() > 10000:
            return screen
        time.sleep(0.05)
    return None


def shown_until(ending: str, directory: Path) -> bool:
    """Whether the picture came on the screen; then the user ended it as told."""
    directory.mkdir()
    with x_display(directory) as on, watched(on) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            screen = wait_for_colour(on, (200, 30, 90))
            if screen is None:
                return False
            # The rate, white on dark, is there as well.
            assert (screen[:120, :160] > 240).all(axis=2).any()
            if ending == "close":
                assert on.close_windows("faceid test") == 1
            else:
                on.press("faceid test", ending)
            assert process.stdout.readline() == "ended by the user False\n"
            assert process.wait(30) == 0
            return True
        finally:
            process.kill()


@pytest.mark.parametrize("ending", ["q", "Escape", "close"])
def test_a_window_shows_the_view_until_the_user_ends_it(tmp_path: Path, ending: str) -> None:
    # Under one Xvfb in eight a window of OpenCV alone, without anything of ours, stays black as well.
    assert any(shown_until(ending, tmp_path / str(attempt)) for attempt in range(5))


class Gui:
    """What the window uses of cv2, without a window."""

    WINDOW_NORMAL, WINDOW_KEEPRATIO, WINDOW_GUI_NORMAL, WND_PROP_VISIBLE, COLOR_RGB2BGR = 0, 0, 16, 4, 4

    class error(Exception):
        pass

    def __init__(self) -> None:
        self.key, self.visible = -1, 1.0
        self.shown: list[np.ndarray] = []
        self.size: tuple[int, int] | None = None
        self.destroyed = 0
        self.gone = False

    def namedWindow(self, title: str, flags: int) -> None:
        assert title == "faceid"

    def resizeWindow(self, title: str, width: int, height: int) -> None:
        assert self.size is None
        self.size = width, height

    def cvtColor(self, pixels: np.ndarray, code: int) -> np.ndarray:
        return pixels[..., ::-1]

    def imshow(self, title: str, pixels: np.ndarray) -> None:
        self.shown.append(pixels)

    def pollKey(self) -> int:
        return self.key

    def getWindowProperty(self, title: str, what: int) -> float:
        if self.gone:
            raise self.error("NULL guiReceiver (please create a window)")
        return self.visible

    def destroyWindow(self, title: str) -> None:
        self.destroyed += 1
        self.visible = 0.0


@pytest.fixture
def gui(monkeypatch: pytest.MonkeyPatch) -> Gui:
    fake = Gui()
    monkeypatch.setattr(window, "cv2", fake)
    monkeypatch.setattr(window, "require_display", lambda: None)
    return fake


def drawn(seen: object) -> np.ndarray:
    return seen.frame.image.pixels  # type: ignore[attr-defined]


def test_a_large_picture_opens_in_a_window_that_fits_the_screen(gui: Gui) -> None:
    on_screen = Window("faceid", drawn)
    assert on_screen.show(view(gray(1, 2160, 3840)))
    assert gui.size == (1280, 720)


def test_the_same_picture_is_not_sent_twice_but_keys_are_still_read(gui: Gui) -> None:
    on_screen = Window("faceid", drawn)
    still = view(gray(), shown())
    assert on_screen.show(still)
    assert on_screen.show(still)
    assert len(gui.shown) == 1
    gui.key = ord("x")
    assert on_screen.show(still)
    gui.key = ord("q") | 0x100000
    assert not on_screen.show(still)
    assert gui.destroyed == 1


@pytest.mark.parametrize("gone", [False, True])
def test_a_closed_window_stays_closed(gui: Gui, gone: bool) -> None:
    on_screen = Window("faceid", drawn)
    assert on_screen.show(view())
    gui.visible, gui.gone = 0.0, gone
    assert not on_screen.show(view())
    assert not on_screen.show(view())
    on_screen.close()
    assert (len(gui.shown), gui.destroyed) == (2, 0)


def test_opencv_without_windows(gui: Gui, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(title: str, flags: int) -> None:
        raise Gui.error("The function is not implemented")

    monkeypatch.setattr(gui, "namedWindow", refuse)
    with pytest.raises(UsageError, match="built without windows"):
        Window("faceid", drawn)
