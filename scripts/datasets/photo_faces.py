"""Every face of every photo of a collection: template, quality and place, computed once and cached.

The module `lfw` has one face a photo, the one in the middle. A script that chooses among several faces needs them all.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid.app import factories
from faceid.config import Settings
from faceid.imaging import read
from faceid.recognition.align import align
from faceid.recognition.quality import assess
from faceid.types import Image
from scripts.datasets import lfw

FACTORS = ("sharpness", "size", "detection", "pose", "exposure")
BATCH = 16


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of `paths`, photo by photo, left to right; rows of one face go together.

    `photo` (n,) says which path; `boxes` (n, 4) float32 are x1, y1, x2, y2 in pixels of an image of `sizes` (paths, 2)
    pixels across and down; `vectors` (n, d) float32 are of unit length; `quality` (n,) and `factors` (n, 5) are 0..1.
    """

    paths: tuple[Path, ...]
    sizes: NDArray[np.int64]
    photo: NDArray[np.int64]
    boxes: NDArray[np.float32]
    vectors: NDArray[np.float32]
    quality: NDArray[np.float32]
    factors: NDArray[np.float32]

    @property
    def names(self) -> tuple[str, ...]:
        """The person of each photo: its folder, with corrected labels for LFW."""
        return tuple(lfw.SAME_PERSON.get(path.parent.name, path.parent.name) for path in self.paths)

    def of(self, photo: int) -> slice:
        """The rows of one photo."""
        first, last = np.searchsorted(self.photo, [photo, photo + 1])
        return slice(int(first), int(last))

    def central(self, photo: int) -> int:
        """The row of the face nearest to the middle of a photo; -1 where there is none."""
        rows = self.of(photo)
        boxes = self.boxes[rows]
        if not len(boxes):
            return -1
        off = (boxes[:, :2] + boxes[:, 2:] - self.sizes[photo]) / 2
        return rows.start + int(np.linalg.norm(off, axis=1).argmin())


def lfw_paths(data: Path) -> list[Path]:
    """The photos of LFW View 1, without those whose label is wrong."""
    return [
        path for path in sorted((data / "lfw" / "images").glob("*/*.jpg")) if path.name not in lfw.MISLABELLED
    ]


def wild_paths(data: Path) -> list[Path]:
    """The photos of CelebA in the wild, development half; none where it is not there."""
    return sorted((data / "celeba_wild" / "dev").glob("*/*.jpg"))


def is_held(person: str) -> bool:
    """Whether studies that choose constants on half of the people keep this one for measuring: a hash of the name."""
    return hashlib.sha256(person.encode()).digest()[0] % 2 == 1


def faces(
    paths: Sequence[Path],
    model: str,
    cache: Path,
    *,
    change: Callable[[Image], Image] | None = None,
    named: str = "as they are",
) -> Faces:
    """All faces of `paths` with the templates of `model`.

    `change` alters each picture before it is looked at; `named` says how, and tells its cache from others.
    """
    store = cache / f"photo-faces-{lfw._digest(tuple(paths), f'{model} {named}')}.npz"
    if not store.exists():
        columns = _look(paths, model, change)
        store.parent.mkdir(parents=True, exist_ok=True)
        temporary = store.with_suffix(".tmp.npz")
        np.savez(temporary, **columns)
        temporary.replace(store)
    with np.load(store) as kept:
        return Faces(tuple(paths), **{name: kept[name] for name in kept.files})


def _look(
    paths: Sequence[Path], model: str, change: Callable[[Image], Image] | None
) -> dict[str, NDArray[np.generic]]:
    detector = factories.make_detector(model, "cpu")
    embedder = factories.make_embedder(model, "cpu", Settings.load())
    sizes, photo, boxes, vectors, factors, quality = [], [], [], [], [], []
    for start in range(0, len(paths), BATCH):
        images = [read(str(path)) for path in paths[start : start + BATCH]]
        if change is not None:
            images = [change(image) for image in images]
        crops = []
        for number, (image, found) in enumerate(zip(images, detector.detect(images), strict=True), start):
            sizes.append((image.width, image.height))
            for face in found:
                crop = align(image, face, embedder.model.aligner)
                assessed = assess(image, face, crop)
                crops.append(crop)
                photo.append(number)
                boxes.append(face.box)
                quality.append(assessed.score)
                factors.append([assessed.factors[name] for name in FACTORS])
        if crops:
            vectors.append(embedder.embed(crops))
        print(f"\rlooking with {model}: {start + len(images)}/{len(paths)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return {
        "sizes": np.array(sizes, dtype=np.int64).reshape(-1, 2),
        "photo": np.array(photo, dtype=np.int64),
        "boxes": np.array(boxes, dtype=np.float32).reshape(-1, 4),
        "vectors": np.concatenate(vectors) if vectors else np.empty((0, embedder.model.dim), np.float32),
        "quality": np.array(quality, dtype=np.float32),
        "factors": np.array(factors, dtype=np.float32).reshape(-1, len(FACTORS)),
    }
