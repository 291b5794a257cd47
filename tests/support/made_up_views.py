"""Views with made-up pictures, faces and outcomes, for the tests of what shows and keeps them."""

from __future__ import annotations

import numpy as np

from faceid.live.decision.evidence import Outcome
from faceid.live.liveness.state import Liveness
from faceid.live.source.stream import Frame, SourceLost
from faceid.live.tracking.tracks import Track
from faceid.live.view import Shown, View
from faceid.types import Box, Image


def shown(
    state: str = "named",
    name: str | None = None,
    *,
    box: Box = (100.0, 100.0, 180.0, 200.0),
    number: int = 1,
    distance: float | None = 0.3,
    threshold: float = 0.4,
    liveness: Liveness | None = None,
    doubted: bool = False,
    sighted: bool = True,
    detected: bool = True,
    score: float = 0.99,
) -> Shown:
    landmarks = np.zeros((5, 2), np.float32)
    track = Track(number, box, landmarks, score, 0.0, 0.0, detected=detected, sighted=sighted)
    outcome = Outcome(state, name, distance, threshold, None, None, None, None, 1, 0.0, doubted)  # type: ignore[arg-type]
    return Shown(track, outcome, liveness)


def gray(value: int = 128, height: int = 480, width: int = 640) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def view(
    pixels: np.ndarray | None = None,
    *people: Shown,
    time_s: float = 0.0,
    claim: str | None = None,
    fps: float = 25.0,
    lost: SourceLost | None = None,
) -> View:
    image = Image(gray() if pixels is None else pixels, "camera 0", "")
    return View(Frame(image, round(time_s * 25), time_s), people, claim, fps, lost)
