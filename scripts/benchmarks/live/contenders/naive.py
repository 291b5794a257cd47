"""A simple loop over a stream: read a frame, identify the faces, read the next one."""

from __future__ import annotations

import time
from typing import Any

import cv2

from scripts.benchmarks.live.contenders.ours import Ours
from scripts.benchmarks.live.data import Counting
from scripts.benchmarks.live.delay import Understood, by_minute


def make(model: str, detector: str = "auto") -> Naive:
    return Naive(model, detector, drawn=False)


class Naive(Ours):
    """The same networks and the same gallery, without the engine."""

    def delay(self, url: str, began: float, fps: float, lap: int, seconds: float) -> list[dict[str, Any]]:
        understood: list[Understood] = []
        counting = Counting(began, fps, lap)
        until = time.monotonic() + seconds
        capture = cv2.VideoCapture(url)
        while time.monotonic() < until and (grabbed := capture.read())[0]:
            pixels = cv2.cvtColor(grabbed[1], cv2.COLOR_BGR2RGB)
            self.system.identify(pixels)
            now_s = time.monotonic()
            understood.append(Understood(counting.due_s(pixels, now_s), now_s))
        capture.release()
        return by_minute(understood)
