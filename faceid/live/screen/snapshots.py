"""One picture of each unknown face, for a later review."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceid.errors import InputError
from faceid.live.screen.screens import cannot_write, create_fresh
from faceid.recognition.align import align
from faceid.recognition.quality import assess

if TYPE_CHECKING:
    from faceid.live.view import Shown, View
    from faceid.types import Box, Pixels

WAIT_S = 1.0
"""Seconds that a face must have been unknown: the best picture is then seldom the first, blurred one."""

MARGIN = 0.5
"""Of the face's width and height, on each side: hair and shoulders help people to recognise a person."""

LONGEST_SIDE = 640
"""Pixels; a larger cut-out is reduced to it."""

QUALITY = 90

_ALIGNER = "arcface-112-v1"
"""Quality has the same meaning with every aligner; this one's crops are the smallest."""

_OURS = re.compile(r"(unknown|rejected)-\d{8}T\d{6}\.\d{3}Z-track\d+(-\d+)?\.jpg")


@dataclass(frozen=True, slots=True, eq=False)
class _Best:
    """The best picture of a track so far, and the stream time in seconds since which the track is unknown; None if it
    is not.
    """

    quality: float
    pixels: Pixels
    taken: datetime
    state: str
    unknown_s: float | None = None


class Snapshots:
    """Keeps the best picture of each face that has been `unknown`, or `rejected` for a claim, for a second.

    One JPEG per track, cut out of the camera's frame and named by its time, as in
    unknown-20261122T093000.125Z-track7.jpg. The directory holds at most `most` such pictures: the oldest are removed.
    Nothing else in the directory is touched. The people in these pictures have not consented: only the owner can read
    the files, and the directory if it is created here.
    """

    def __init__(
        self,
        directory: Path,
        *,
        most: int = 1000,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        """Raises UsageError (`cannot_write`) if the directory cannot be made or written."""
        if most < 1:
            raise ValueError(f"no pictures can be kept: {most}")
        self._directory, self._most, self._now = directory, most, now
        self._best: dict[int, _Best] = {}
        self._kept: set[int] = set()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise cannot_write(directory, error) from error
        # Fail now, not when the first unknown face comes.
        create_fresh(directory, ".faceid", ".tmp").unlink()

    def show(self, view: View) -> bool:
        """Process the faces of the view; always returns True. Raises UsageError (`cannot_write`)."""
        people = {} if view.lost is not None else {shown.track.number: shown for shown in view.people}
        for number in [*self._best]:
            if number not in people:
                self._end(number)
        self._kept &= people.keys()
        for number, shown in people.items():
            self._take_in(view, number, shown)
        return True

    def close(self) -> None:
        """Write the pictures of the tracks that are unknown now."""
        for number in [*self._best]:
            self._end(number)

    def _take_in(self, view: View, number: int, shown: Shown) -> None:
        state, time_s = shown.outcome.state, view.frame.time_s
        if state in ("named", "accepted"):
            # Another person may follow in the same track.
            self._best.pop(number, None)
            self._kept.discard(number)
            return
        best = self._best.get(number)
        if state == "undecided":
            # The decision was withdrawn: this is another person.
            self._kept.discard(number)
            if best is not None and best.unknown_s is not None:
                self._end(number)
                best = None
        if number in self._kept:
            return
        if shown.track.detected:
            best = self._better(best, view, shown)
        if best is None:
            return
        if best.unknown_s is None and state != "undecided":
            best = replace(best, state=state, unknown_s=time_s)
        self._best[number] = best
        if best.unknown_s is not None and time_s - best.unknown_s >= WAIT_S:
            self._end(number)
            self._kept.add(number)

    def _better(self, best: _Best | None, view: View, shown: Shown) -> _Best | None:
        image = view.frame.image
        try:
            quality = assess(image, shown.track.face, align(image, shown.track.face, _ALIGNER)).score
        except InputError:
            return best
        if best is not None and quality <= best.quality:
            return best
        pixels = _cut_out(image.pixels, shown.track.box)
        if pixels is None:
            return best
        if best is None:
            return _Best(quality, pixels, self._now(), shown.outcome.state)
        return replace(best, quality=quality, pixels=pixels, taken=self._now())

    def _end(self, number: int) -> None:
        best = self._best.pop(number)
        if best.unknown_s is not None:
            self._write(number, best)

    def _write(self, number: int, best: _Best) -> None:
        moment = best.taken.strftime("%Y%m%dT%H%M%S.") + f"{best.taken.microsecond // 1000:03d}Z"
        bgr = cv2.cvtColor(best.pixels, cv2.COLOR_RGB2BGR)
        _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        path = create_fresh(self._directory, f"{best.state}-{moment}-track{number}", ".jpg")
        try:
            path.write_bytes(encoded.tobytes())
        except OSError as error:
            # A partial picture is of no use.
            path.unlink(missing_ok=True)
            raise cannot_write(path, error) from error
        self._remove_oldest()

    def _remove_oldest(self) -> None:
        try:
            ours = [path for path in self._directory.iterdir() if _OURS.fullmatch(path.name)]
            ours.sort(key=lambda path: path.name.partition("-")[2])
            for path in ours[: max(0, len(ours) - self._most)]:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(self._directory, error) from error


def _cut_out(pixels: Pixels, box: Box) -> Pixels | None:
    """The part of the face and its surroundings that lies in the picture; None if the face lies outside."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = box
    across, down = MARGIN * (x2 - x1), MARGIN * (y2 - y1)
    left, right = max(0, math.floor(x1 - across)), min(width, math.ceil(x2 + across))
    top, bottom = max(0, math.floor(y1 - down)), min(height, math.ceil(y2 + down))
    if left >= right or top >= bottom:
        return None
    part = pixels[top:bottom, left:right]
    scale = LONGEST_SIDE / max(part.shape[:2])
    if scale >= 1.0:
        return part.copy()
    size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
