"""Photos that lie on a side or upside down, and landmarks that no face has.

    python -m scripts.studies.check_turning [--detector NAME] [--model NAME] [--data DIR] [--photos 300]

Recognised: one photo each of all people with two photos is enrolled; another photo of each is identified as it is, and
turned clockwise by 90, 180 and 270 degrees with no orientation in the file. `before` looks at the picture as it is.
Wrong names are names of other people. LFW View 1 and CelebA in the wild, each split by people (a hash of the name):
the constants of `faceid.recognition.turning` and `plausible` were chosen on the first half, `held` is the second.

False faces: pictures without a face, and what lies beside the faces of photos (the largest part that has none), with a
face before and after. Group photos must stay as they are.

Refused: faces of upright photos with an implausible pose, also in profile (UMIST), half turned (CCtwelve) and leaning.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from faceid import FaceID
from faceid.decision.decide import decide_identity
from faceid.errors import InputError
from faceid.imaging import read
from faceid.imaging.turned import turned_image
from faceid.ports.networks import Detector
from faceid.recognition.align import align
from faceid.recognition.plausible import is_plausible
from faceid.recognition.subject import subjects
from faceid.recognition.turning import detect_upright
from faceid.types import Embedding, Face, Image
from scripts import command
from scripts.datasets import lfw, photo_faces

TURNS = (0, 90, 180, 270)
SUFFIXES = (".jpg", ".jpeg", ".png", ".pgm")


class Remembering:
    """A detector that looks at equal pictures once: turned and tried, a photo is four pictures."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._known: dict[bytes, list[Face]] = {}

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        keys = [
            hashlib.sha256(repr(image.pixels.shape).encode() + image.pixels.tobytes()).digest()
            for image in images
        ]
        new = {key: image for key, image in zip(keys, images, strict=True) if key not in self._known}
        self._known.update(zip(new, self._detector.detect([*new.values()]), strict=True))
        return [self._known[key] for key in keys]

    def forget(self) -> None:
        self._known.clear()


@dataclass(frozen=True)
class Person:
    name: str
    enrolled: Path
    probe: Path


@dataclass
class Counts:
    """Of `photos`: with the right name, with a wrong one, and turned otherwise than by what makes them upright."""

    photos: int = 0
    right: int = 0
    wrong: int = 0
    misturned: int = 0

    def shown(self) -> list[str]:
        return [
            str(self.photos),
            command.share(self.right, self.photos),
            str(self.wrong),
            str(self.misturned),
        ]


def main() -> None:
    parser = command.parser(__doc__, data=True, report="bench/turning.json")
    parser.add_argument("--detector", default="mtcnn", help="default: %(default)s")
    parser.add_argument("--model", default="mobilefacenet", help="default: %(default)s")
    parser.add_argument("--photos", type=int, default=300, help="of each collection; default: %(default)s")
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    report: dict[str, Any] = {"detector": arguments.detector, "model": arguments.model}
    with tempfile.TemporaryDirectory() as folder:
        collections = {"LFW": photo_faces.lfw_paths(data), "CelebA": photo_faces.wild_paths(data)}
        for label, paths in collections.items():
            chosen = people(paths)
            chosen = chosen[:: max(1, len(chosen) // arguments.photos)][: arguments.photos]
            with FaceID(
                db=Path(folder) / f"{label}.db", model=arguments.model, detector=arguments.detector
            ) as system:
                report[f"recognised, {label}"] = recognised(system, chosen)
        with FaceID(db=Path(folder) / "x.db", model=arguments.model, detector=arguments.detector) as system:
            detector = system.services.current().detector
        report["false faces"] = false_faces(detector, data)
        report["refused"] = refused(detector, data, arguments.photos)
    show(report)
    command.write_report(arguments.json, report)
    print(f"written to {arguments.json}")


def people(paths: Sequence[Path]) -> list[Person]:
    """Everybody with two photos or more: the first to enrol, another to look for."""
    of: dict[str, list[Path]] = {}
    for path in paths:
        of.setdefault(lfw.SAME_PERSON.get(path.parent.name, path.parent.name), []).append(path)
    return [Person(name, photos[0], photos[1]) for name, photos in sorted(of.items()) if len(photos) > 1]


def recognised(system: FaceID, chosen: Sequence[Person]) -> dict[str, dict[str, list[Any]]]:
    """Half -> what -> counts of photos."""
    services = system.services.current()
    detector = Remembering(services.detector)
    services.pipeline.detector = detector
    for person in chosen:
        system.enroll(person.name, str(person.enrolled))
    counts: dict[tuple[str, str], Counts] = {}
    for number, person in enumerate(chosen):
        image = read(str(person.probe))
        for degrees in TURNS:
            picture = turned_image(image, degrees)
            result = system.identify(picture.pixels)
            names = [face.name for face in result.faces if face.name is not None]
            half = "held" if photo_faces.is_held(person.name) else "chosen on"
            for what, found, turned in (
                ("after", names, result.turned),
                ("before", names_as_it_is(system, detector, picture), 0),
            ):
                one = counts.setdefault((half, f"{degrees} degrees, {what}"), Counts())
                one.photos += 1
                one.right += person.name in found
                one.wrong += any(name != person.name for name in found)
                one.misturned += (degrees + turned) % 360 != 0
        detector.forget()
        print(f"\r{number + 1}/{len(chosen)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    table: dict[str, dict[str, list[Any]]] = {}
    for (half, what), one in sorted(counts.items()):
        table.setdefault(half, {})[what] = one.shown()
    return table


def names_as_it_is(system: FaceID, detector: Detector, image: Image) -> list[str]:
    """The names that the system gives to the faces of a picture which nobody turns."""
    services = system.services.current()
    (faces,) = detector.detect([image])
    if not faces:
        return []
    crops = [align(image, face, services.embedder.model.aligner) for face in faces]
    gallery = system.services.gallery()
    policy = services.policies(gallery).for_search(None)
    probes = [Embedding(vector, services.embedder.model) for vector in services.embedder.embed(crops)]
    decided = [decide_identity(found, policy) for found in gallery.search(probes, 2)]
    return [one.name for one in decided if one.name is not None]


def false_faces(detector: Detector, data: Path) -> dict[str, list[Any]]:
    """Pictures, those with a face before and after, and those that were turned."""
    kinds = {
        "pictures without a face": pictures(data / "detection" / "noface"),
        "beside the faces of photos": backgrounds(detector, data),
        "group photos": (
            image
            for folder in ("groups_count", "wider11", "dlib_voc")
            for image in pictures(data / "detection" / folder)
        ),
    }
    table = {}
    for kind, images in kinds.items():
        number = before = after = turned = 0
        remembering = Remembering(detector)
        for image in images:
            remembering.forget()
            (seen,) = detect_upright(remembering, [image])
            number += 1
            before += bool(remembering.detect([image])[0])
            after += bool(seen.faces)
            turned += seen.turned != 0
        table[kind] = [number, before, after, turned]
    return table


def pictures(folder: Path) -> Iterator[Image]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            try:
                yield read(str(path))
            except InputError:
                continue


def backgrounds(detector: Detector, data: Path) -> Iterator[Image]:
    """The largest part of each photo beside all its faces, if it has 60 pixels or more across and down."""
    paths = photo_faces.lfw_paths(data)[3::24] + photo_faces.wild_paths(data)[1::4]
    for path in paths:
        image = read(str(path))
        (faces,) = detector.detect([image])
        if not faces:
            continue
        boxes = np.array([face.box for face in faces])
        margin = 0.35 * float((boxes[:, 2] - boxes[:, 0]).max())
        left, top = boxes[:, :2].min(axis=0)
        right, bottom = boxes[:, 2:].max(axis=0)
        parts = [
            image.pixels[:, : max(0, int(left - margin))],
            image.pixels[:, max(0, int(right + margin)) :],
            image.pixels[: max(0, int(top - 1.5 * margin))],
            image.pixels[max(0, int(bottom + 0.5 * margin)) :],
        ]
        largest = max(parts, key=lambda part: part.size)
        if min(largest.shape[:2]) >= 60:
            yield replace(image, pixels=np.ascontiguousarray(largest))


def refused(detector: Detector, data: Path, photos: int) -> dict[str, list[Any]]:
    """Photos whose subject is found, and whose pose is refused, in the pictures as they are upright."""
    kinds: dict[str, list[Path]] = {
        "LFW, chosen on": halves(photo_faces.lfw_paths(data), held=False)[: 2 * photos],
        "LFW, held": halves(photo_faces.lfw_paths(data), held=True)[: 2 * photos],
        "CelebA, chosen on": halves(photo_faces.wild_paths(data), held=False),
        "CelebA, held": halves(photo_faces.wild_paths(data), held=True),
        "profiles (UMIST)": files(data / "umist_faces"),
        "half turned (CCtwelve)": files(data / "cctwelve"),
        "frontal, small (ORL)": files(data / "orl_faces"),
        "turned, up, down, leaning": files(data / "spoof_quality" / "pose"),
    }
    table = {}
    for kind, paths in kinds.items():
        found = implausible = turned = 0
        for path in paths:
            (seen,) = detect_upright(detector, [read(str(path))])
            for face in subjects(seen.faces, seen.image, "largest"):
                found += 1
                implausible += not is_plausible(face)
                turned += seen.turned != 0
        table[kind] = [len(paths), found, command.share(implausible, found), turned]
    return table


def halves(paths: Sequence[Path], *, held: bool) -> list[Path]:
    return [path for path in paths if photo_faces.is_held(path.parent.name) == held]


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def show(report: dict[str, Any]) -> None:
    for label in ("LFW", "CelebA"):
        table = Table("people", "photo", "photos", "right name", "wrong names", "not upright", title=label)
        for half, rows in report[f"recognised, {label}"].items():
            for what, row in rows.items():
                table.add_row(half, what, *map(str, row))
        Console(width=150).print(table)
    for what, columns in (
        ("false faces", ("pictures", "with a face before", "after", "turned")),
        ("refused", ("photos", "with a subject", "implausible pose", "turned")),
    ):
        table = Table(what, *columns)
        for kind, row in report[what].items():
            table.add_row(kind, *map(str, row))
        Console(width=150).print(table)


if __name__ == "__main__":
    main()
