"""The pictures of bench_pipeline: LFW as it is, and 720p photos made of real faces and real places.

A scene is a photo without people (data/detection/noface) at 1280x720, with a known number of faces of LFW View 1 at
known places. Each inserted part is the middle of its photo, where LFW has the face, faded out in an oval; the face is
about 0.6 times as wide as the part. One seed determines all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from scripts.datasets.lfw import pairs

Pixels = NDArray[np.uint8]
Pair = tuple[str, str, bool]

WIDTH, HEIGHT = 1280, 720
MIDDLE = 160
"""The side of the part of an LFW photo (250 pixels) that is let into a scene; the face is about 93 pixels wide."""

COLUMNS, ROWS = 8, 4
PLACES = ("Landscape_1", "dog", "dogs", "eagle", "giraffe", "grass", "horses", "view")


@dataclass(frozen=True)
class Spot:
    """Where a face is: the middle of what was let in, and its side, pixels."""

    x: float
    y: float
    side: float


@dataclass(frozen=True)
class Pictures:
    """A set of picture files; for scenes `spots` of each, for LFW the `pairs` by file name."""

    name: str
    paths: tuple[str, ...]
    spots: tuple[tuple[Spot, ...], ...] = ()
    pairs: tuple[Pair, ...] = field(default=(), repr=False)


def lfw_pictures(data: Path, most: int) -> Pictures:
    """The photos of the first mated and non-mated pairs of pairsDevTest, in turns, up to `most` of them."""
    listed = pairs(data, "pairsDevTest")
    turns = zip_longest(*([pair for pair in listed if pair[2] is mated] for mated in (True, False)))
    chosen: list[Pair] = []
    photos: set[str] = set()
    for pair in chain.from_iterable(turns):
        if pair is None or len(photos | {pair[0], pair[1]}) > most:
            continue
        chosen.append(pair)
        photos |= {pair[0], pair[1]}
    root = data / "lfw" / "images"
    paths = tuple(str(root / photo.rpartition("_")[0] / photo) for photo in sorted(photos))
    return Pictures("LFW, 250 px", paths, pairs=tuple(chosen))


def scenes(data: Path, count: int, faces: tuple[int, int], directory: Path, seed: int = 1) -> Pictures:
    """`count` JPEG files in `directory`, each with `faces` (from, to) faces."""
    photos = sorted((data / "lfw" / "images").glob("*/*.jpg"))
    places = [cv2.imread(str(data / "detection" / "noface" / f"{name}.jpg")) for name in PLACES]
    random = np.random.default_rng((seed, *faces))
    directory.mkdir(parents=True)
    paths, spots = [], []
    for number in range(count):
        chosen = random.choice(len(photos), int(random.integers(*faces, endpoint=True)), replace=False)
        picture, known = scene(
            places[number % len(places)], [cv2.imread(str(photos[index])) for index in chosen], random
        )
        paths.append(str(directory / f"{number:04d}.jpg"))
        spots.append(tuple(known))
        cv2.imwrite(paths[-1], picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    what = "1 face" if faces == (1, 1) else f"{faces[0]} to {faces[1]} faces"
    return Pictures(f"720p, {what}", tuple(paths), spots=tuple(spots))


def scene(place: Pixels, photos: Sequence[Pixels], random: np.random.Generator) -> tuple[Pixels, list[Spot]]:
    """1280x720 pixels of `place` with the faces of up to 32 (250, 250, 3) `photos`, and where they are."""
    picture = _covering(place, random)
    if len(photos) == 1:
        tiles, cell = [(0, 0)], (WIDTH, HEIGHT)
    else:
        cells = random.choice(COLUMNS * ROWS, len(photos), replace=False)
        cell = (WIDTH // COLUMNS, HEIGHT // ROWS)
        tiles = [(int(index) % COLUMNS * cell[0], int(index) // COLUMNS * cell[1]) for index in cells]
    spots = []
    for photo, (left, top) in zip(photos, tiles, strict=True):
        # Faces are then 50 pixels wide or more: everybody's business.
        side = int(random.integers(240, 640) if len(photos) == 1 else random.integers(90, min(cell)))
        x = left + int(random.integers(cell[0] - side + 1))
        y = top + int(random.integers(cell[1] - side + 1))
        _let_in(picture[y : y + side, x : x + side], photo)
        spots.append(Spot(x + side / 2, y + side / 2, side))
    return picture, spots


def hits(spots: Sequence[Spot], boxes: Sequence[Sequence[float]]) -> int:
    """How many of the known faces have a box, each box counting once: its middle is near that of the face."""
    free = [((x1 + x2) / 2, (y1 + y2) / 2) for x1, y1, x2, y2 in boxes]
    found = 0
    for spot in spots:
        near = [
            middle for middle in free if np.hypot(middle[0] - spot.x, middle[1] - spot.y) < 0.25 * spot.side
        ]
        if near:
            free.remove(near[0])
            found += 1
    return found


def _covering(place: Pixels, random: np.random.Generator) -> Pixels:
    """A random part of `place` that is 1280x720 after the least enlargement."""
    scale = max(WIDTH / place.shape[1], HEIGHT / place.shape[0])
    size = (max(WIDTH, round(place.shape[1] * scale)), max(HEIGHT, round(place.shape[0] * scale)))
    whole = cv2.resize(place, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    x, y = int(random.integers(size[0] - WIDTH + 1)), int(random.integers(size[1] - HEIGHT + 1))
    return np.ascontiguousarray(whole[y : y + HEIGHT, x : x + WIDTH])


def _let_in(canvas: Pixels, photo: Pixels) -> None:
    """Put the middle of `photo` onto the square `canvas`, faded out in an oval."""
    side = len(canvas)
    edge = (len(photo) - MIDDLE) // 2
    face = cv2.resize(
        photo[edge : edge + MIDDLE, edge : edge + MIDDLE],
        (side, side),
        interpolation=cv2.INTER_AREA if side < MIDDLE else cv2.INTER_CUBIC,
    )
    grid = np.linspace(-1, 1, side)
    share = np.clip((1 - np.hypot(grid[None, :], grid[:, None])) / 0.12, 0, 1)[:, :, None]
    canvas[:] = np.rint(share * face + (1 - share) * canvas)
