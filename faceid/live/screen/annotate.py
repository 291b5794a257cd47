"""Draws a view into its picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from faceid.live.screen.labels import DARK, WHITE, Colour, label, stacked
from faceid.live.screen.layout import Layout
from faceid.live.screen.wording import claim_words, distance_words, liveness_words, prompt, rate_words, who

if TYPE_CHECKING:
    from faceid.live.source.stream import SourceLost
    from faceid.live.view import Shown, View
    from faceid.types import Box, Pixels

_COLOURS: dict[str, Colour] = {
    "undecided": WHITE,
    "named": (86, 180, 233),
    "accepted": (86, 180, 233),
    "unknown": (240, 228, 66),
    "rejected": (213, 94, 0),
    "spoof": (213, 94, 0),
}
"""From Okabe and Ito's palette, which colour-blind people can tell apart, each of another lightness. The labels repeat
it.
"""

_DIMMED = 0.35


class Annotator:
    """Draws views. It keeps the last drawing, so that several screens can share it.

    `mirrored` flips the picture, not the words, for people who see themselves in a window. Recordings and served
    streams should show the picture of the camera.
    """

    def __init__(self, *, mirrored: bool = False) -> None:
        self._mirrored = mirrored
        self._last: tuple[View, Pixels] | None = None

    def __call__(self, view: View) -> Pixels:
        """The annotated picture, (H, W, 3) RGB uint8, read-only; the frame's own pixels stay as they are."""
        last = self._last
        if last is not None and last[0] is view:
            return last[1]
        pixels = annotate(view, mirrored=self._mirrored)
        pixels.setflags(write=False)
        self._last = view, pixels
        return pixels


def annotate(view: View, *, mirrored: bool = False) -> Pixels:
    """The view drawn into a copy of its picture: (H, W, 3) RGB uint8 of the same size.

    Each face has a box: only its corners until the face is decided, and thin lines while the face is not visible. Above
    are the name and the liveness. Below is a bar that fills as the distance shrinks: empty at twice the threshold and
    beyond, full, up to the tick at its end, at the threshold and nearer; the numbers under it are distance / threshold.
    At the top is the movement that the largest face is asked for, at the bottom the claim and the frames per second.
    While the source is lost, its last picture is dimmed, without faces, and shows the reason.
    """
    pixels = view.frame.image.pixels
    # Always a copy: `ascontiguousarray` returns a picture of one column itself.
    canvas: Pixels = np.array(pixels[:, ::-1] if mirrored else pixels, order="C")
    if not canvas.size:
        return canvas
    height, width = canvas.shape[:2]
    size = max(11, round(min(height, width) / 32))
    if view.lost is not None:
        canvas = np.asarray(cv2.convertScaleAbs(canvas, alpha=_DIMMED), dtype=np.uint8)
        _draw_loss(canvas, view.lost, size)
        people: list[Shown] = []
    else:
        people = [shown for shown in view.people if all(map(math.isfinite, shown.track.box))]
    boxes = [_pixels_of(shown.track.box, width, height, mirrored=mirrored) for shown in people]
    layout = Layout(canvas, boxes)
    _draw_status(layout, view, size)
    asked = _asked_first(people)
    if asked is not None:
        words = label(prompt(asked), _prompt_size(prompt(asked), size, width), DARK, WHITE, width)
        x = (width - words.shape[1]) // 2
        layout.put(words, [(x, size // 2), (x, height - words.shape[0] - 2 * size)])
    for shown, box in zip(people, boxes, strict=True):
        _draw_box(canvas, box, shown, size)
    for shown, box in zip(people, boxes, strict=True):
        _draw_words(layout, box, shown, view.claim, size)
    return canvas


def _pixels_of(box: Box, width: int, height: int, *, mirrored: bool) -> tuple[int, int, int, int]:
    """Whole pixels, limited so that drawing does not overflow."""
    x1, y1, x2, y2 = box
    if mirrored:
        x1, x2 = width - x2, width - x1
    return (
        round(min(max(x1, -width), 2 * width)),
        round(min(max(y1, -height), 2 * height)),
        round(min(max(x2, -width), 2 * width)),
        round(min(max(y2, -height), 2 * height)),
    )


def _colour(shown: Shown) -> Colour:
    spoof = shown.liveness is not None and shown.liveness.state == "spoof"
    return _COLOURS["spoof" if spoof else shown.outcome.state]


def _asked_first(people: list[Shown]) -> str | None:
    """The request to the largest of the faces with an open challenge."""
    asked = [shown for shown in people if shown.liveness is not None and shown.liveness.asked is not None]
    if not asked:
        return None
    largest = max(asked, key=lambda shown: shown.track.face.size)
    assert largest.liveness is not None
    return largest.liveness.asked


def _prompt_size(words: str, size: int, width: int) -> int:
    """The em for a prompt: as large as the picture allows. A letter is about half as wide as its em."""
    return max(size, min(2 * size, round(1.8 * width / max(1, len(words)))))


def _draw_box(canvas: Pixels, box: tuple[int, int, int, int], shown: Shown, size: int) -> None:
    x1, y1, x2, y2 = box
    # Thinner around a small face, which it would cover.
    stroke = max(1, min(max(2, size // 5), (y2 - y1) // 20)) if shown.track.sighted else 1
    undecided = _colour(shown) is WHITE
    reach_x, reach_y = (x2 - x1) // 4, (y2 - y1) // 4
    # A dark line under the coloured one is visible on any background.
    for colour, thickness in ((DARK, stroke + 2), (_colour(shown), stroke)):
        if not undecided:
            cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, thickness)
            continue
        for x, y, dx, dy in (
            (x1, y1, reach_x, reach_y),
            (x2, y1, -reach_x, reach_y),
            (x1, y2, reach_x, -reach_y),
            (x2, y2, -reach_x, -reach_y),
        ):
            cv2.line(canvas, (x, y), (x + dx, y), colour, thickness)
            cv2.line(canvas, (x, y), (x, y + dy), colour, thickness)


def _draw_words(
    layout: Layout, box: tuple[int, int, int, int], shown: Shown, claim: str | None, size: int
) -> None:
    face_width = box[2] - box[0]
    gap = max(3, size // 5)
    room = max(layout.width // 2, min(face_width, layout.width))
    lines = [label(who(shown, claim), size, DARK, _colour(shown), room)]
    if shown.liveness is not None:
        lines.append(label(liveness_words(shown.liveness), size, WHITE, DARK, room))
    bar = _bar(shown, face_width, size, room)
    if bar is not None:
        _put_beside(layout, box, gap, bar, above=False)
    _put_beside(layout, box, gap, stacked(lines, DARK), above=True, beyond=0 if bar is None else bar.shape[0])


def _put_beside(
    layout: Layout, box: tuple[int, int, int, int], gap: int, plate: Pixels, *, above: bool, beyond: int = 0
) -> None:
    """Put a plate above or below a face, there `beyond` another plate, or beside it; inside the face only if no place
    is free.
    """
    x1, y1, x2, y2 = box
    height, width = plate.shape[:2]
    over, under = (x1, y1 - gap - height), (x1, y2 + gap + beyond)
    beside_y = y1 if above else y2 - height
    layout.put(
        plate,
        [
            *((over, under) if above else (under, over)),
            *((x2 + gap, beside_y), (x1 - gap - width, beside_y)),
            (x1, y1 + gap if above else y2 - gap - height),
        ],
    )


def _bar(shown: Shown, box_width: int, size: int, room: int) -> Pixels | None:
    distance, threshold = shown.outcome.distance, shown.outcome.threshold
    if distance is None or not (math.isfinite(distance) and math.isfinite(threshold)):
        return None
    numbers = label(distance_words(distance, threshold), max(10, round(0.8 * size)), WHITE, DARK, room)
    width = max(numbers.shape[1], min(box_width, room))
    height, edge = max(8, round(0.7 * size)), max(1, size // 12)
    bar = np.empty((height, width, 3), np.uint8)
    bar[:] = DARK
    tick = max(2, size // 5)
    inside = max(1, width - 2 * edge - tick - edge)
    bar[edge:-edge, edge : edge + inside] = (96, 96, 96)
    bar[edge:-edge, edge : edge + round(inside * nearness(distance, threshold))] = _colour(shown)
    bar[:, width - tick :] = WHITE
    return stacked([bar, numbers], DARK)


def nearness(distance: float, threshold: float) -> float:
    """How far a bar is filled, 0..1: 0 at twice the threshold and beyond, 1 at the threshold and nearer."""
    if distance <= threshold:
        return 1.0
    return max(0.0, 2.0 - distance / threshold) if threshold > 0.0 else 0.0


def _draw_status(layout: Layout, view: View, size: int) -> None:
    rate = label(rate_words(view.fps), max(10, round(0.8 * size)), WHITE, DARK, layout.width // 3)
    layout.put(rate, [(layout.width - rate.shape[1], layout.height - rate.shape[0])])
    claim = claim_words(view)
    if claim is not None:
        plate = label(claim, size, DARK, WHITE, max(1, layout.width - rate.shape[1] - size // 2))
        layout.put(plate, [(0, layout.height - plate.shape[0])])


def _draw_loss(canvas: Pixels, lost: SourceLost, size: int) -> None:
    height, width = canvas.shape[:2]
    layout = Layout(canvas)
    words = f"source lost: {lost.reason}"
    plate = label(words, _prompt_size(words, size, width), DARK, WHITE, width)
    layout.put(plate, [((width - plate.shape[1]) // 2, height // 2 - plate.shape[0])])
    detail = label(lost.detail, size, WHITE, DARK, width)
    layout.put(detail, [((width - detail.shape[1]) // 2, height // 2 + size // 4)])
