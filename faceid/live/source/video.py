"""Reads cameras, streams and video files with OpenCV (FFmpeg, V4L2, AVFoundation, Media Foundation)."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from faceid.errors import InputError
from faceid.imaging import DEFAULT_LIMITS
from faceid.live.source.addresses import Camera, NetworkStream, VideoFile
from faceid.live.source.readers import Grabbed
from faceid.types import Image

TIMEOUT_S = 10.0
"""How long FFmpeg may take to open a stream, and to give its next frame."""


class VideoReader:
    """Reads the frames of OpenCV as RGB.

    Raises InputError: `source_unreachable` if a camera or stream does not open, `source_unreadable` if a file is no
    video, or its frames exceed the limits for photos.
    """

    def __init__(self, address: Camera | NetworkStream | VideoFile) -> None:
        self._cv2 = quiet_cv2()
        self._name, self._live = address.name, address.live
        self._number, self._media_s = 0, 0.0
        self._capture = self._opened(address)
        try:
            self._check(address)
        except InputError:
            self._capture.release()
            raise

    def _opened(self, address: Camera | NetworkStream | VideoFile) -> Any:
        cv2 = self._cv2
        if isinstance(address, Camera):
            capture = cv2.VideoCapture(address.index)
            # Drivers queue frames, but only the newest is needed. A driver without this setting ignores it.
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            return capture
        # Absolute, so that FFmpeg takes no file name for a protocol.
        place = address.url if isinstance(address, NetworkStream) else str(Path(address.path).absolute())
        milliseconds = int(TIMEOUT_S * 1000)
        timeouts = [
            *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds),
            *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds),
        ]
        # FFmpeg by name: other backends that OpenCV would try print the URL with its credentials.
        return cv2.VideoCapture(place, cv2.CAP_FFMPEG, timeouts)

    def _check(self, address: Camera | NetworkStream | VideoFile) -> None:
        cv2 = self._cv2
        if not self._capture.isOpened():
            if isinstance(address, VideoFile):
                raise self._error("source_unreadable", "not a video that can be read")
            raise self._error("source_unreachable", "does not open")
        width, height = (
            int(self._capture.get(size)) for size in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if width * height > DEFAULT_LIMITS.max_pixels:
            raise self._error("source_unreadable", f"frames of too many pixels: {width} x {height}")

    def read(self) -> Grabbed | None:
        """The next frame; None at the end of a file. Raises InputError (`source_disconnected`) if a stream ends."""
        try:
            there, bgr = self._capture.read()
        except self._cv2.error:
            there, bgr = False, None
        if not there:
            if self._live:
                raise self._error("source_disconnected", "gives no more frames")
            if not self._number:
                raise self._error("source_unreadable", "a video without a frame that can be read")
            return None
        pixels = self._cv2.cvtColor(bgr, self._cv2.COLOR_BGR2RGB)
        media_s = None if self._live else self._shown_at()
        self._number += 1
        return Grabbed(Image(pixels=pixels, source=self._name, sha256=""), media_s)

    def _shown_at(self) -> float:
        """Media time; computed from the frame rate if a file states none. It never decreases."""
        cv2 = self._cv2
        stated = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if stated <= 0 and self._number:
            rate = self._capture.get(cv2.CAP_PROP_FPS)
            stated = self._number / (rate if 0 < rate < 1000 else 25.0)
        self._media_s = max(self._media_s, stated)
        return self._media_s

    def close(self) -> None:
        """Close the file, stream or camera."""
        self._capture.release()

    def _error(self, code: str, cause: str) -> InputError:
        return InputError(f"{self._name}: {cause}", code=code, path=self._name)


@cache
def quiet_cv2() -> Any:
    """cv2, configured to print nothing. FFmpeg reads its setting once, when the process opens its first video."""
    os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
    os.environ.pop("OPENCV_FFMPEG_DEBUG", None)
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
