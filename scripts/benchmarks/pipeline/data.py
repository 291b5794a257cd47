"""The pictures of bench_pipeline: LFW as it is, and larger photos made of real faces and real places.

A scene is a photo without people (data/detection/noface) at 1280x720, or at the 4032x3024 of a phone, with a known
number of faces of LFW View 1 at known places. Each inserted part is the middle of its photo, where LFW has the face,
faded out in an oval; the face is about 0.6 times as wide as the part. One seed determines all of it.

A phone's photos have what real ones have and an enlarged picture has not: the noise of a sensor, so that the file has
as many bytes, colour at half the resolution, and an EXIF orientation, so that most are stored turned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

from scripts.datasets.lfw import pairs

Pixels = NDArray[np.uint8]
Pair = tuple[str, str, bool]

MIDDLE = 160
"""The side of the part of an LFW photo (250 pixels) that is let into a scene; the face is about 93 pixels wide."""

COLUMNS, ROWS = 8, 4
PLACES = ("Landscape_1", "dog", "dogs", "eagle", "giraffe", "grass", "horses", "view")
ORIENTATION_TAG = 0x0112
TURNED = {
    1: None,
    6: PilImage.Transpose.ROTATE_90,
    3: PilImage.Transpose.ROTATE_180,
    8: PilImage.Transpose.ROTATE_270,
}
"""How a phone stores an upright picture, by the EXIF orientation that it then notes."""


@dataclass(frozen=True)
class Layout:
    """What the scenes of a set are like: `faces` (from, to) faces, let in as parts of `sides` (from, below) pixels.

    `phone` tells that they are photos of a phone.
    """

    name: str
    width: int
    height: int
    faces: tuple[int, int]
    sides: tuple[int, int]
    phone: bool = False


# All faces are everybody's business: 50 pixels wide or more at 720p, a hundred at 12 megapixels.
LAYOUTS = {
    "one": Layout("720p, 1 face", 1280, 720, (1, 1), (240, 640)),
    "many": Layout("720p, 12 to 32 faces", 1280, 720, (12, 32), (90, 160)),
    "phone-large": Layout("12 megapixels, 1 large face", 4032, 3024, (1, 1), (900, 2400), phone=True),
    "phone-small": Layout("12 megapixels, 4 to 16 small faces", 4032, 3024, (4, 16), (170, 400), phone=True),
}


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


def scenes(data: Path, count: int, layout: Layout, directory: Path, seed: int = 1) -> Pictures:
    """`count` JPEG files in `directory`."""
    photos = sorted((data / "lfw" / "images").glob("*/*.jpg"))
    places = [cv2.imread(str(data / "detection" / "noface" / f"{name}.jpg")) for name in PLACES]
    random = np.random.default_rng((seed, *layout.faces, *([layout.width] if layout.phone else [])))
    directory.mkdir(parents=True)
    paths, spots = [], []
    for number in range(count):
        chosen = random.choice(len(photos), int(random.integers(*layout.faces, endpoint=True)), replace=False)
        picture, known = scene(
            places[number % len(places)], [cv2.imread(str(photos[index])) for index in chosen], random, layout
        )
        paths.append(str(directory / f"{number:04d}.jpg"))
        spots.append(tuple(known))
        if layout.phone:
            save_as_a_phone_does(picture, paths[-1], tuple(TURNED)[number % len(TURNED)], random)
        else:
            cv2.imwrite(paths[-1], picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    return Pictures(layout.name, tuple(paths), spots=tuple(spots))


def save_as_a_phone_does(picture: Pixels, path: str, orientation: int, random: np.random.Generator) -> None:
    """Write an upright (H, W, 3) BGR picture as a JPEG of 4:2:0, with noise of 3 levels, stored turned."""
    noise = 3 * random.standard_normal((*picture.shape[:2], 1), dtype=np.float32)
    noisy = np.clip(picture[..., ::-1] + noise, 0, 255).astype(np.uint8)
    stored, turn = PilImage.fromarray(noisy), TURNED[orientation]
    exif = PilImage.Exif()
    exif[ORIENTATION_TAG] = orientation
    (stored if turn is None else stored.transpose(turn)).save(
        path, quality=90, subsampling="4:2:0", exif=exif
    )


def scene(
    place: Pixels, photos: Sequence[Pixels], random: np.random.Generator, layout: Layout
) -> tuple[Pixels, list[Spot]]:
    """The upright pixels of `place` with the faces of up to 32 (250, 250, 3) `photos`, and where they are."""
    picture = _covering(place, random, layout.width, layout.height)
    if len(photos) == 1:
        tiles, cell = [(0, 0)], (layout.width, layout.height)
    else:
        cells = random.choice(COLUMNS * ROWS, len(photos), replace=False)
        cell = (layout.width // COLUMNS, layout.height // ROWS)
        tiles = [(int(index) % COLUMNS * cell[0], int(index) // COLUMNS * cell[1]) for index in cells]
    spots = []
    for photo, (left, top) in zip(photos, tiles, strict=True):
        side = int(random.integers(*layout.sides))
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


def _covering(place: Pixels, random: np.random.Generator, width: int, height: int) -> Pixels:
    """A random part of `place` that has this size after the least enlargement."""
    scale = max(width / place.shape[1], height / place.shape[0])
    size = (max(width, round(place.shape[1] * scale)), max(height, round(place.shape[0] * scale)))
    whole = cv2.resize(place, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    x, y = int(random.integers(size[0] - width + 1)), int(random.integers(size[1] - height + 1))
    return np.ascontiguousarray(whole[y : y + height, x : x + width])


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
