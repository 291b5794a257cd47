"""The videos of bench_live: people of data/videos/asl_ccby, and pictures that carry their number.

A clip lasts two or three seconds. A longer video plays it forwards and backwards, so that nothing jumps. The recordings
of `spliced`, however, consist of hard cuts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from scripts.studies.check_live import Clip, frames, read_clips

if TYPE_CHECKING:
    from faceid.types import Pixels

FPS = 30.0
STUDIO = "asl_ccby"
"""Of its clips all have one person in the middle, 640x480 and 30 frames a second."""
WHOLE = 10_000

EMPTY, EMPTY_FRAMES = 90, 45
"""The gray of pictures without a person, and how many there are in a row."""

BLOCK = 16
BITS = 16


@dataclass(frozen=True)
class Person:
    """A person in the clips: `photos` are files from one of them, `clips` are the others."""

    name: str
    photos: tuple[str, ...]
    clips: tuple[Clip, ...]


def people(videos: Path, directory: Path, photos: int = 5) -> list[Person]:
    """Everybody who is in several clips; their photos are written to `directory`."""
    found: dict[str, list[Clip]] = {}
    for clip in read_clips(videos):
        if clip.path.parent.name == STUDIO:
            found.setdefault(clip.persons[0], []).append(clip)
    some = []
    for name, (home, *others) in sorted(found.items()):
        if not others:
            continue
        pictures = whole(home)
        paths = []
        for number in np.linspace(0, len(pictures) - 1, photos).astype(int):
            paths.append(str(directory / f"{name}-{number}.png"))
            cv2.imwrite(paths[-1], pictures[number][..., ::-1])
        some.append(Person(name, tuple(paths), tuple(others)))
    return some


def there_and_back(pictures: Sequence[Pixels], count: int) -> Iterator[Pixels]:
    """`count` pictures: forwards, backwards, and so on."""
    return islice(cycle([*pictures, *pictures[-2:0:-1]]), count)


def whole(clip: Clip) -> list[Pixels]:
    """All pictures of a clip."""
    return list(frames(clip, WHOLE))


def write(path: Path, pictures: Iterable[Pixels], coding: str = "MJPG") -> str:
    """A video of RGB pictures of one size; its path."""
    writer = None
    for pixels in pictures:
        if writer is None:
            size = (pixels.shape[1], pixels.shape[0])
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*coding), FPS, size)
            if not writer.isOpened():
                raise SystemExit(f"this OpenCV does not write {coding}")
        writer.write(pixels[..., ::-1])
    if writer is not None:
        writer.release()
    return str(path)


def enlarged(pixels: Pixels, width: int, height: int) -> Pixels:
    """The picture as large as fits into the middle of one of this size, on black."""
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    inner = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    canvas = np.zeros((height, width, 3), np.uint8)
    y, x = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
    canvas[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
    return canvas


def spliced(clips: Sequence[Clip], count: int) -> Iterator[Pixels]:
    """`count` pictures: clip after clip, empty pictures after every third, and again from the beginning."""
    pictures: list[Pixels] = []
    for number, clip in enumerate(clips, 1):
        pictures += whole(clip)
        if number % 3 == 0:
            pictures += [np.full_like(pictures[-1], EMPTY)] * EMPTY_FRAMES
    return islice(cycle(pictures), count)


def mark(pixels: Pixels, number: int) -> None:
    """Write `number`, modulo 2^16, into the top left corner as black and white blocks: JPEG leaves them readable."""
    for bit in range(BITS):
        pixels[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 255 * (number >> bit & 1)


def marked(pixels: Pixels) -> int:
    """The number that was written into a picture."""
    blocks = pixels[:BLOCK, : BITS * BLOCK].reshape(BLOCK, BITS, BLOCK, 3).mean(axis=(0, 2, 3))
    return sum(1 << bit for bit in range(BITS) if blocks[bit] > 127)


class Counting:
    """Counts without end the pictures that a camera of `lap` different ones sends.

    The first is taken for one of the last `lap` that are due; no later one comes before one that was seen.
    """

    def __init__(self, began: float, fps: float, lap: int) -> None:
        self._began, self._fps, self._lap = began, fps, lap
        self._last: int | None = None

    def due_s(self, pixels: Pixels, now_s: float) -> float:
        """When the picture was due, by the clock of `began`; `now_s` is when it is asked."""
        if self._last is None:
            self._last = int((now_s - self._began) * self._fps) - self._lap + 1
        self._last += (marked(pixels) - self._last) % self._lap
        return self._began + self._last / self._fps
