"""LFW View 1 for the other scripts: pairs, and a template of every photo, computed once and cached.

Only View 1 (the development view) is used: thresholds and choices must not see View 2.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid.app import factories
from faceid.config import Settings
from faceid.imaging import read
from faceid.ports.networks import Detector, Embedder
from faceid.recognition.align import align
from faceid.types import Face, Image, ModelKey
from scripts import command

# Label errors of View 1: each was found among the closest pairs of "different" people and looked at. Left in, they
# would set every threshold at FMR 1e-5 and below.
SAME_PERSON = {
    "Choi_Sung-hong": "Sung_Hong_Choi",
    "Hasan_Wirayuda": "Hassan_Wirajuda",
    "Joseph_Blatter": "Sepp_Blatter",
    "Nan_Wang": "Wang_Nan",
}
MISLABELLED = frozenset(
    {
        # One photo under two names.
        "Andrew_Caldecott_0001.jpg",
        "Andrew_Gilligan_0001.jpg",
        # One person under two names; which is right, the photos do not say.
        "Jason_Kapono_0001.jpg",
        "Ray_Young_0001.jpg",
        # Shows Abdullah Gul.
        "Recep_Tayyip_Erdogan_0004.jpg",
    }
)

BATCH = 16


@dataclass(frozen=True)
class Finder:
    """A detector, opened where the cache lacks its faces, and the name that they have there."""

    name: str
    open: Callable[[], Detector]


MTCNN = Finder("mtcnn", lambda: factories.make_detector("mtcnn", "cpu"))


@dataclass(frozen=True, eq=False)
class Photos:
    """A collection of photos: paths, whose they are, each one's face (None where none was found), and who found it."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    faces: tuple[Face | None, ...]
    finder: str = MTCNN.name

    def at(self, rows: Sequence[int]) -> Photos:
        """Only the photos of these rows."""
        paths, names, faces = (
            tuple(column[row] for row in rows) for column in (self.paths, self.names, self.faces)
        )
        return Photos(paths, names, faces, self.finder)


@dataclass(frozen=True, eq=False)
class Templates:
    """One vector a photo: `vectors` (n, d) float32, `identity` (n,) int64; photos without a face are left out."""

    model: ModelKey
    paths: tuple[Path, ...]
    identity: NDArray[np.int64]
    vectors: NDArray[np.float32]
    without_face: int


def data_directory(given: Path | None) -> Path:
    """Where the data sets are: as given, else $FACEID_TEST_DATA, else ../shared/data beside the repository."""
    directory = given or command.test_data()
    if not (directory / "lfw" / "images").is_dir():
        sys.exit(f"no LFW View 1 in {directory}: give --data, or set FACEID_TEST_DATA")
    return directory


def lfw_photos(data: Path, cache: Path, finder: Finder = MTCNN) -> Photos:
    """All photos of View 1 with their faces: the one nearest to the middle, about which LFW is centred."""
    return _photos(sorted((data / "lfw" / "images").glob("*/*.jpg")), cache, finder)


def folder_photos(root: Path, cache: Path, finder: Finder = MTCNN) -> Photos:
    """All photos of a folder per identity."""
    paths = sorted(path for path in root.glob("*/*") if path.suffix.lower() in (".jpg", ".png", ".pgm"))
    return _photos(paths, cache, finder)


def known_faces(photos: Photos) -> list[tuple[str, Path, Face]]:
    """Person, path and face of each photo that shows a face and whose label is right or can be corrected."""
    return [
        (SAME_PERSON.get(name, name), path, face)
        for name, path, face in zip(photos.names, photos.paths, photos.faces, strict=True)
        if face is not None and path.name not in MISLABELLED
    ]


def pairs(data: Path, part: str) -> list[tuple[str, str, bool]]:
    """The pairs of `pairsDevTrain` or `pairsDevTest` as file names, with whether they are mated."""
    lines = (data / "lfw" / f"{part}.txt").read_text(encoding="utf-8").splitlines()[1:]
    result = []
    for fields in (line.split() for line in lines if line.strip()):
        if len(fields) == 3:
            name, first, second = fields
            result.append((_file(name, first), _file(name, second), True))
        else:
            name, first, other, second = fields
            result.append((_file(name, first), _file(other, second), False))
    return result


def templates(photos: Photos, model: str, cache: Path, settings: Settings | None = None) -> Templates:
    """A template of every photo that has a face."""
    return templates_by(factories.make_embedder(model, "cpu", settings or Settings.load()), photos, cache)


def templates_by(embedder: Embedder, photos: Photos, cache: Path) -> Templates:
    """`templates` by an embedder that is open already."""
    key = embedder.model
    what = str(key) if photos.finder == MTCNN.name else f"{key} {photos.finder}"
    store = cache / f"templates-{_digest(photos.paths, what)}.npy"
    if store.exists():
        vectors = np.load(store)
    else:
        vectors = vectors_of(photos, embedder)
        _save(store, vectors)
    found = [index for index, face in enumerate(photos.faces) if face is not None]
    names = [SAME_PERSON.get(name, name) for name in photos.names]
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    return Templates(
        model=key,
        paths=tuple(photos.paths[index] for index in found),
        identity=np.array([numbers[names[index]] for index in found]),
        vectors=vectors,
        without_face=len(photos.paths) - len(found),
    )


def vectors_of(photos: Photos, embedder: Embedder) -> NDArray[np.float32]:
    """The templates (n, d) of the photos that have a face, in their order; nothing is cached."""
    found = [(path, face) for path, face in zip(photos.paths, photos.faces, strict=True) if face is not None]
    blocks = []
    for start in range(0, len(found), BATCH):
        crops = [
            align(read(str(path)), face, embedder.model.aligner)
            for path, face in found[start : start + BATCH]
        ]
        blocks.append(embedder.embed(crops))
        done = start + len(crops)
        print(f"\rembedding with {embedder.model.name}: {done}/{len(found)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return np.concatenate(blocks)


def labelled(templates: Templates) -> Templates:
    """Without the photos whose label is wrong."""
    right = np.array([path.name not in MISLABELLED for path in templates.paths])
    return replace(
        templates,
        paths=tuple(path for path, kept in zip(templates.paths, right, strict=True) if kept),
        identity=templates.identity[right],
        vectors=templates.vectors[right],
    )


def _photos(paths: list[Path], cache: Path, finder: Finder) -> Photos:
    store = cache / f"faces-{_digest(tuple(paths), finder.name)}.npy"
    if store.exists():
        rows = np.load(store)
    else:
        detector = finder.open()
        blocks = []
        for start in range(0, len(paths), BATCH):
            images = [read(str(path)) for path in paths[start : start + BATCH]]
            found = zip(images, detector.detect(images), strict=True)
            blocks.extend(_row(_middle_face(image, faces)) for image, faces in found)
            print(f"\rdetecting: {len(blocks)}/{len(paths)}", end="", file=sys.stderr)
        print(file=sys.stderr)
        rows = np.array(blocks)
        _save(store, rows)
    names = tuple(path.parent.name for path in paths)
    return Photos(tuple(paths), names, tuple(map(_face, rows)), finder.name)


def _middle_face(image: Image, faces: list[Face]) -> Face | None:
    def distance(face: Face) -> float:
        x1, y1, x2, y2 = face.box
        return float(np.hypot((x1 + x2 - image.width) / 2, (y1 + y2 - image.height) / 2))

    return min(faces, key=distance, default=None)


def _row(face: Face | None) -> NDArray[np.float64]:
    if face is None:
        return np.full(15, np.nan)
    return np.concatenate([face.box, [face.score], face.landmarks.ravel()]).astype(np.float64)


def _face(row: NDArray[np.float64]) -> Face | None:
    if np.isnan(row[0]):
        return None
    x1, y1, x2, y2 = (float(value) for value in row[:4])
    return Face((x1, y1, x2, y2), row[5:].reshape(5, 2).astype(np.float32), float(row[4]))


def _file(name: str, number: str) -> str:
    return f"{name}_{int(number):04d}.jpg"


def _digest(paths: tuple[Path, ...], what: str) -> str:
    text = "\n".join([what, *(str(path) for path in paths)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _save(path: Path, array: NDArray[np.floating]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.npy")
    np.save(temporary, array)
    temporary.replace(path)
