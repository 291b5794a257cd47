"""Records the annotated stream as video files, for any time."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceid.errors import UsageError
from faceid.live.screen.screens import cannot_write, create_fresh
from faceid.live.source.video import quiet_cv2

if TYPE_CHECKING:
    from faceid.live.screen.screens import Draw
    from faceid.live.view import View
    from faceid.types import Pixels

CODECS = {".mp4": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
"""Suffix -> FourCC. MPEG-4 part 2 and motion JPEG: FFmpeg has them without any library."""

LONGEST_GAP_S = 30.0
"""Seconds without a picture that are filled with the last one. Filling a whole night would block everything else."""

LEAST_FREE_BYTES = 64 * 2**20
"""Free disk space that is kept: several times what is needed to finish a file."""


class Recorder:
    """Writes views to a video that keeps the time of the stream: `fps` frames a second at any pace of the source.

    Pictures are repeated if the source is slower or silent; of several pictures for one frame the newest is kept. The
    first picture sets the size of the video; others are fitted into it with black edges.

    No file is replaced. `path` is the first part; after `part_s` seconds, after a gap of more than `LONGEST_GAP_S`, and
    if `path` exists already, the next part is named by its start, as in door-20261122T093000Z.mkv. A power failure
    costs the last seconds of .mkv and .avi (their FFmpeg buffers), and the whole current part of .mp4, which is
    unreadable until it is finished. Only the owner may read the files.
    """

    def __init__(
        self,
        path: Path,
        draw: Draw,
        *,
        fps: float = 25.0,
        part_s: float = 3600.0,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        """Raises UsageError: `unknown_suffix`, or `cannot_write` where the file cannot be made."""
        if not (fps > 0.0 and part_s > 0.0):
            raise ValueError(f"no way of recording: {fps} frames a second in parts of {part_s} s")
        codec = CODECS.get(path.suffix.lower())
        if codec is None:
            raise UsageError(
                f"cannot write {path}: no video has the suffix '{path.suffix}'",
                code="unknown_suffix",
                suffixes=", ".join(CODECS),
                path=str(path),
            )
        quiet_cv2()
        self._path, self._draw, self._fps, self._now = path, draw, fps, now
        self._codec = cv2.VideoWriter.fourcc(*codec)
        self._frames_a_part = max(1, round(part_s * fps))
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._began_s = 0.0
        self._written = 0
        self._pending: Pixels | None = None
        """The newest picture, RGB: for the next frame, unless a newer one comes in time."""
        # Created at once, so that a bad path is reported before the networks are loaded.
        self._part = self._next_part() if path.exists() else self._create(path.stem)
        self._begun = False
        """Whether the part holds a picture."""

    def show(self, view: View) -> bool:
        """Record the view at its time; always True. Raises UsageError (`cannot_write`), also where the disk is full."""
        time_s = view.frame.time_s if view.lost is None else max(view.frame.time_s, view.lost.time_s)
        place = round((time_s - self._began_s) * self._fps)
        if abs(place - self._written) > LONGEST_GAP_S * self._fps:
            self._finish_part()
        elif place >= self._frames_a_part:
            self._write_up_to(place)
            self._finish_part()
        pixels = self._draw(view)
        if self._writer is None:
            self._begin_part(pixels, time_s)
            place = 0
        if place >= self._written:
            self._write_up_to(place)
            self._pending = pixels
        return True

    def close(self) -> None:
        """Finish the file. An empty file is removed."""
        self._finish_part()
        if not self._begun:
            self._part.unlink(missing_ok=True)

    def _create(self, stem: str) -> Path:
        return create_fresh(self._path.parent, stem, self._path.suffix)

    def _next_part(self) -> Path:
        return self._create(f"{self._path.stem}-{self._now():%Y%m%dT%H%M%SZ}")

    def _begin_part(self, pixels: Pixels, time_s: float) -> None:
        if self._begun:
            self._part, self._begun = self._next_part(), False
        height, width = pixels.shape[:2]
        # Colour is stored for squares of four pixels.
        self._size = width + width % 2, height + height % 2
        # Absolute, so that FFmpeg takes no file name for a protocol.
        place = str(self._part.absolute())
        writer = cv2.VideoWriter(place, cv2.CAP_FFMPEG, self._codec, self._fps, self._size)
        if not writer.isOpened():
            raise cannot_write(
                self._part, f"OpenCV makes no {self._part.suffix} of {width} x {height} pixels"
            )
        self._writer, self._begun = writer, True
        self._began_s, self._written = time_s, 0

    def _finish_part(self) -> None:
        if self._writer is None:
            return
        try:
            self._write_up_to(self._written + 1)
        finally:
            self._writer.release()
            self._writer = None

    def _write_up_to(self, place: int) -> None:
        """Repeat the newest picture up to the given number of frames; it is dropped afterwards, also on failure."""
        if self._writer is None or self._pending is None:
            return
        picture = self._fitted(self._pending)
        self._pending = None
        while self._written < place:
            if self._written % max(1, round(self._fps)) == 0:
                self._check_disk()
            self._writer.write(picture)
            self._written += 1

    def _check_disk(self) -> None:
        """Raises if the disk is full: OpenCV reports no error when it cannot write."""
        try:
            free = shutil.disk_usage(self._part).free
        except OSError as error:
            raise cannot_write(self._part, error) from error
        if free < LEAST_FREE_BYTES:
            raise cannot_write(self._part, "the disk is full")

    def _fitted(self, pixels: Pixels) -> Pixels:
        bgr = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), dtype=np.uint8)
        (width, height), (high, wide) = self._size, bgr.shape[:2]
        if (wide, high) == (width, height):
            return bgr
        scale = min(width / wide, height / high)
        if scale < 1.0 or min(width - wide, height - high) > 1:
            size = max(1, round(wide * scale)), max(1, round(high * scale))
            reduce = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
            bgr = np.asarray(cv2.resize(bgr, size, interpolation=reduce), dtype=np.uint8)
        canvas = np.zeros((height, width, 3), np.uint8)
        top, left = (height - bgr.shape[0]) // 2, (width - bgr.shape[1]) // 2
        canvas[top : top + bgr.shape[0], left : left + bgr.shape[1]] = bgr
        return canvas
