"""Finds out in another process whether a window can open: Qt ends a process that has no display."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

from faceid.errors import UsageError

_SETTINGS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
_WITHOUT_WINDOWS = 3
_TRIAL = f"""
import cv2
try:
    cv2.namedWindow("faceid", cv2.WINDOW_NORMAL)
except cv2.error:
    raise SystemExit({_WITHOUT_WINDOWS})
"""
_TRIAL_S = 30.0


def require_display() -> None:
    """Raises UsageError (`no_display`) if OpenCV can open no window, with the reason."""
    # Other systems always have a display, and OpenCV itself reports if it was built without windows.
    problem = _trial(tuple(os.environ.get(name) for name in _SETTINGS)) if sys.platform == "linux" else None
    if problem is not None:
        raise no_display(problem)


def no_display(problem: str) -> UsageError:
    """The error where no window can be opened."""
    return UsageError(f"cannot open a window: {problem}", code="no_display")


@cache
def _trial(settings: tuple[str | None, ...]) -> str | None:
    """Why no window can open with these environment settings, as a trial in another process finds; None if one can."""
    if not any(settings):
        return "there is no display"
    try:
        outcome = subprocess.run(
            [sys.executable, "-c", _TRIAL],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TRIAL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the display does not answer within {_TRIAL_S:.0f} s"
    except OSError as error:
        return f"it cannot be tried out: {error.strerror}"
    if outcome.returncode == _WITHOUT_WINDOWS:
        return "this OpenCV was built without windows"
    return None if outcome.returncode == 0 else "the display cannot be opened"
