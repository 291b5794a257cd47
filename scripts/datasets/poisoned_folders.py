"""Folders of people with photos swapped between them, for check_guards, and which check refuses which photo."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid.app.faceid import FaceID
from faceid.enrolment.checks.group import BOUNDS, Bounds, examine
from faceid.enrolment.rules import EnrolmentRules
from faceid.networks.registry import Calibration
from faceid.types import Metric
from scripts.datasets import photo_faces

Array = NDArray[np.float32]
IDENTITIES = 200
SWAPPED = 0.05


@dataclass(frozen=True, eq=False)
class Person:
    """Of each photo the faces (k, d), and which of them is the person's."""

    name: str
    paths: tuple[Path, ...]
    photos: tuple[Array, ...]
    own: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Folder:
    """A folder as it is enrolled: of whom (a place in the crowd), whose photos it holds, and which are swapped."""

    person: int
    photos: list[tuple[Person, int]]
    wrong: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Network:
    name: str
    calibration: Calibration
    metric: Metric


def people(faces: photo_faces.Faces) -> list[Person]:
    """The folders of a collection, photos without a face left out."""
    folders: dict[str, list[int]] = defaultdict(list)
    for photo, name in enumerate(faces.names):
        if faces.central(photo) >= 0:
            folders[name].append(photo)
    return [
        Person(
            name,
            tuple(faces.paths[photo] for photo in own),
            tuple(faces.vectors[faces.of(photo)] for photo in own),
            tuple(faces.central(photo) - faces.of(photo).start for photo in own),
        )
        for name, own in sorted(folders.items())
    ]


def half(collection: Sequence[Person], second: bool) -> list[Person]:
    """Every other person of a collection, by name."""
    return list(collection[second::2])


def poison(crowd: Sequence[Person], rng: np.random.Generator) -> list[Folder]:
    """The folders of IDENTITIES people, SWAPPED of all photos exchanged in a circle of as many people."""
    several = [index for index, person in enumerate(crowd) if len(person.photos) >= 2]
    who = [several[index] for index in rng.permutation(len(several))[:IDENTITIES]]
    shown = [[(index, photo) for photo in range(len(crowd[index].photos))] for index in who]
    places = [(folder, photo) for folder, own in enumerate(shown) for photo in range(len(own))]
    wanted = round(SWAPPED * len(places))
    chosen: list[tuple[int, int]] = []
    for place in (places[index] for index in rng.permutation(len(places))):
        # A photo must not come back to its own person.
        if len(chosen) < wanted and (not chosen or chosen[-1][0] != place[0]):
            chosen.append(place)
    if chosen[0][0] == chosen[-1][0]:
        chosen.pop()
    swapped = [np.zeros(len(own), dtype=bool) for own in shown]
    moved = [shown[folder][photo] for folder, photo in chosen]
    for (folder, photo), other in zip(chosen, [moved[-1], *moved[:-1]], strict=True):
        shown[folder][photo] = other
        swapped[folder][photo] = True
    return [
        Folder(index, [(crowd[person], photo) for person, photo in own], wrong)
        for index, own, wrong in zip(who, shown, swapped, strict=True)
    ]


def judge(folder: Folder, network: Network, bounds: Bounds = BOUNDS) -> NDArray[np.bool_]:
    """Which photos of a folder, of each the face of the person it shows, the guards alone refuse or doubt."""
    faces = [person.photos[photo][person.own[photo]][None, :] for person, photo in folder.photos]
    verdicts = examine(faces, faces[0][:0], network.calibration, network.metric, bounds)
    return np.array([verdict.refusal is not None or verdict.doubtful for verdict in verdicts])


def enrol(folders: Sequence[Folder], network: Network) -> tuple[list[NDArray[np.bool_]], Counter[str]]:
    """Which photos of each folder the real enrolment does not confirm, one folder after the other, and why."""
    reasons: Counter[str] = Counter()
    verdicts = []
    with (
        tempfile.TemporaryDirectory() as directory,
        FaceID(db=Path(directory) / "gallery.db", model=network.name, device="cpu") as system,
    ):
        for folder in folders:
            results = system.enroll(
                f"person {folder.person}",
                [str(person.paths[photo]) for person, photo in folder.photos],
                EnrolmentRules(subject="all"),
            )
            verdicts.append(np.array([result.status in ("rejected", "unconfirmed") for result in results]))
            for result, wrong in zip(results, folder.wrong, strict=True):
                reasons[f"{'swapped' if wrong else 'honest'}: {result.reason or result.status}"] += 1
    return verdicts, reasons


def count(refused: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Swapped and refused, swapped, honest and refused, honest."""
    return np.array([(refused & wrong).sum(), wrong.sum(), (refused & ~wrong).sum(), (~wrong).sum()])
