"""An X server without a screen (Xvfb), what it shows, and a user who presses keys and closes windows."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

_CLIENT_MESSAGE = 33


@dataclass(frozen=True)
class Display:
    name: str
    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "DISPLAY": self.name, "QT_LOGGING_RULES": "*=false"}

    def screenshot(self) -> np.ndarray:
        """(H, W, 3) RGB. The server keeps its screen as an XWD file of version 7: a header of 32-bit numbers."""
        data = (self.directory / "Xvfb_screen0").read_bytes()
        header = struct.unpack(">25I", data[:100])
        height, stride, colours = header[5], header[12], header[19]
        rows = np.frombuffer(data, np.uint8, stride * height, header[0] + 12 * colours)
        return rows.reshape(height, stride // 4, 4)[:, : header[4], 2::-1]

    def close_windows(self, title: str) -> int:
        """Ask windows to close as their frame's button does; how many there were."""
        return _close_windows(self.name.encode(), title)

    def press(self, title: str, key: str) -> None:
        tool = shutil.which("xdotool")
        if tool is None:
            pytest.skip("xdotool is not installed")
        subprocess.run(
            [tool, "search", "--name", title, "windowfocus", "--sync", "key", key],
            env=self.environment,
            check=True,
            timeout=30,
        )


@contextmanager
def display(directory: Path) -> Iterator[Display]:
    server = shutil.which("Xvfb")
    if server is None:
        pytest.skip("Xvfb is not installed")
    reading, writing = os.pipe()
    screen = ["-screen", "0", "400x300x24", "-nolisten", "tcp", "-fbdir", str(directory)]
    with subprocess.Popen(
        [server, "-displayfd", str(writing), *screen], pass_fds=[writing], stderr=subprocess.DEVNULL
    ) as process:
        os.close(writing)
        with os.fdopen(reading) as numbers:
            number = numbers.readline().strip()
        try:
            yield Display(f":{number}", directory)
        finally:
            process.terminate()


class _ClientMessage(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("room", ctypes.c_long * 24),
    ]


def _close_windows(name: bytes, title: str) -> int:
    library = ctypes.util.find_library("X11")
    if library is None:
        pytest.skip("libX11 is not installed")
    x = ctypes.CDLL(library)
    x.XOpenDisplay.restype = ctypes.c_void_p
    x.XDefaultRootWindow.restype = ctypes.c_ulong
    x.XInternAtom.restype = ctypes.c_ulong
    server = ctypes.c_void_p(x.XOpenDisplay(name))
    assert server.value
    protocols, delete = (x.XInternAtom(server, atom, 0) for atom in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
    root, parent, children, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_void_p(), ctypes.c_uint()
    top = ctypes.c_ulong(x.XDefaultRootWindow(server))
    references = [ctypes.byref(value) for value in (root, parent, children, count)]
    x.XQueryTree(server, top, *references)
    windows = ctypes.cast(children, ctypes.POINTER(ctypes.c_ulong))[: count.value]
    closed = 0
    for window in windows:
        called = ctypes.c_char_p()
        if not x.XFetchName(server, ctypes.c_ulong(window), ctypes.byref(called)) or not called.value:
            continue
        if called.value.decode() == title:
            message = _ClientMessage(_CLIENT_MESSAGE, 0, 1, server, window, protocols, 32)
            message.data[0] = delete
            x.XSendEvent(server, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(message))
            closed += 1
    x.XCloseDisplay(server)
    return closed
