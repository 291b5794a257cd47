"""Whose photo is it: rules that choose the subject among the faces of a photo.

    python -m scripts.studies.compare_subject_rules [--data DIR] [--cache DIR]

Photos of one person: LFW View 1, where the labelled person is in the middle, LFW cropped at random about the labelled
face, so that it is not, and CelebA in the wild, where it is the face like the person's other photos. A rule chooses a
wrong face or refuses the photo, of all photos. The places and scores of faces are those of the detector; a crop keeps
the faces whose middle it holds. Photos of several people: photographs of groups, and two or three photos of LFW side by
side, whole and with the borders cropped at random; a rule that takes one of the faces is wrong. The weights of
`faceid.recognition.subject` were chosen on the people of the first half (every other one by name): the table has both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.app import factories
from faceid.decision.scores import distance_from_similarity
from faceid.decision.thresholds import threshold_at_fmr
from faceid.evaluation.statistics.intervals import clopper_pearson
from faceid.imaging import read
from faceid.networks import registry
from faceid.recognition.subject import subjects
from faceid.types import Face, Image
from scripts import command
from scripts.datasets import lfw, photo_faces

NETWORK, SAME_FMR = "mobilefacenet", 1e-3
CROP, GROUPS, LFW_SIDE = 170, 1000, 250
DETECTION = photo_faces.FACTORS.index("detection")

Choice = Callable[[Sequence[Face], Image], Sequence[Face]]


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture of `size` pixels with `faces`, of which `own` is the subject; None where there are several."""

    person: str
    size: tuple[int, int]
    faces: tuple[Face, ...]
    own: int | None


def main() -> None:
    arguments = command.parser(__doc__, data=True, cache=True, report="bench/subjects.json").parse_args()
    data = lfw.data_directory(arguments.data)
    rng = np.random.default_rng(2026)
    known = photo_faces.faces(photo_faces.lfw_paths(data), NETWORK, arguments.cache)
    wild = photo_faces.faces(photo_faces.wild_paths(data), NETWORK, arguments.cache)
    whole = list(scenes(known, known_by_place=True))
    photos = {
        "LFW View 1": whole,
        f"LFW cropped to {CROP} px": [cropped for one in whole if (cropped := crop(one, rng)) is not None],
        "CelebA in the wild": list(scenes(wild, known_by_place=False)),
    }
    groups = {"photographs of groups": photographs(data)}
    alone = [scene for scene in whole if len(scene.faces) == 1]
    for number in (2, 3):
        rows = [row(alone, number, rng) for _ in range(GROUPS)]
        groups[f"{number} people side by side"] = rows
        groups[f"{number} people, cropped"] = [trim(one, rng) for one in rows]
    report = {"one person": of_one(photos), "several people": of_several(groups)}
    command.write_report(arguments.json, report)
    print(f"written to {arguments.json}")


def rules() -> dict[str, Choice]:
    """The rules: those of faceid, and that of 0.2.0 (the face that is larger than the next by half)."""
    return {
        "largest": partial(subjects, rule="largest"),
        "centre": partial(subjects, rule="centre"),
        "only": partial(subjects, rule="only"),
        "0.2.0": larger_by_half,
    }


def larger_by_half(faces: Sequence[Face], image: Image) -> Sequence[Face]:
    order = sorted(faces, key=lambda face: -face.size)
    return order[:1] if len(order) < 2 or order[0].size >= 1.5 * order[1].size else []


def scenes(found: photo_faces.Faces, *, known_by_place: bool) -> list[Scene]:
    """The photos whose person is known: by the place, or by the person's photos with one face."""
    card = registry.card(NETWORK)
    assert card.calibration is not None
    near = threshold_at_fmr(card.calibration, SAME_FMR)
    alone: dict[str, list[int]] = defaultdict(list)
    for photo, name in enumerate(found.names):
        rows = found.of(photo)
        if rows.stop - rows.start == 1:
            alone[name].append(rows.start)
    kept = []
    for photo, name in enumerate(found.names):
        rows = found.of(photo)
        count = rows.stop - rows.start
        own: int | None = found.central(photo) - rows.start if known_by_place or count == 1 else None
        if count > 1 and not known_by_place and alone[name]:
            mean = found.vectors[alone[name]].mean(axis=0)
            similar = found.vectors[rows] @ (mean / np.linalg.norm(mean))
            agree = [
                place
                for place, one in enumerate(similar)
                if distance_from_similarity(float(one), card.metric) <= near
            ]
            own = agree[0] if len(agree) == 1 else None
        if own is not None and count:
            width, height = found.sizes[photo].tolist()
            kept.append(Scene(name, (width, height), as_faces(found, rows), own))
    return kept


def as_faces(found: photo_faces.Faces, rows: slice) -> tuple[Face, ...]:
    # The quality factor of detection is linear in the score.
    scores = 0.7 + 0.3 * found.factors[rows, DETECTION]
    return tuple(
        placed(box, float(score)) for box, score in zip(found.boxes[rows].tolist(), scores, strict=True)
    )


def placed(box: Sequence[float], score: float) -> Face:
    x1, y1, x2, y2 = map(float, box)
    return Face((x1, y1, x2, y2), np.zeros((5, 2), np.float32), score)


def moved(face: Face, by: NDArray[np.float64]) -> Face:
    return placed((np.array(face.box) - np.tile(by, 2)).tolist(), face.score)


def crop(scene: Scene, rng: np.random.Generator) -> Scene | None:
    """A square about the subject, which is anywhere in it; None where the face does not fit."""
    assert scene.own is not None
    box = np.array(scene.faces[scene.own].box)
    low = np.maximum(box[2:] - CROP, 0)
    high = np.minimum(box[:2], np.array(scene.size) - CROP)
    if (high < low).any():
        return None
    corner = rng.uniform(low, high)
    return within(scene, corner, (CROP, CROP))


def within(scene: Scene, corner: NDArray[np.float64], size: tuple[int, int]) -> Scene:
    """The part of a scene from `corner` on, with the faces whose middle it holds."""
    shown = [(place, moved(face, corner)) for place, face in enumerate(scene.faces)]
    kept = [
        (place, face)
        for place, face in shown
        if all(
            0 < (face.box[axis] + face.box[axis + 2]) / 2 < side
            for axis, side in zip((0, 1), size, strict=True)
        )
    ]
    own = None if scene.own is None else [place for place, _ in kept].index(scene.own)
    return Scene(scene.person, size, tuple(face for _, face in kept), own)


def row(alone: Sequence[Scene], number: int, rng: np.random.Generator) -> Scene:
    """Photos of LFW beside each other."""
    chosen = [alone[index] for index in rng.choice(len(alone), number, replace=False)]
    faces = [moved(scene.faces[0], np.array([-LFW_SIDE * place, 0.0])) for place, scene in enumerate(chosen)]
    return Scene("", (LFW_SIDE * number, LFW_SIDE), tuple(faces), None)


def trim(scene: Scene, rng: np.random.Generator) -> Scene:
    """A scene without parts of its borders, with all its faces whole where they were."""
    boxes, size = np.array([face.box for face in scene.faces]), np.array(scene.size)
    first = rng.uniform(0, np.maximum(0, boxes[:, :2].min(axis=0)))
    last = rng.uniform(np.minimum(size, boxes[:, 2:].max(axis=0)), size)
    width, height = (last - first).tolist()
    return within(scene, first, (round(width), round(height)))


def photographs(data: Path) -> list[Scene]:
    """Photographs of groups in which the detector finds several faces."""
    detector = factories.make_detector(NETWORK, "cpu")
    found = []
    for folder in ("groups_count", "wider11", "dlib_voc"):
        for path in sorted((data / "detection" / folder).glob("*.jpg")):
            image = read(str(path))
            (faces,) = detector.detect([image])
            if len(faces) > 1:
                found.append(Scene("", (image.width, image.height), tuple(faces), None))
    return found


def outcome(scene: Scene, choose: Choice) -> str:
    width, height = scene.size
    blank = np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3))
    chosen = choose(scene.faces, Image(blank, "", ""))
    if not chosen:
        return "refused"
    return "right" if scene.own is not None and chosen[0] is scene.faces[scene.own] else "wrong"


def of_one(photos: Mapping[str, Sequence[Scene]]) -> dict[str, object]:
    """The shares of wrong subjects and of refused photos, of all photos of one person."""
    table = Table(
        "photos of one person", "half", "rule", "photos", "several faces", "wrong subject", "refused"
    )
    report: dict[str, object] = {}
    for label, listed in photos.items():
        names = sorted({scene.person for scene in listed})
        for half in (0, 1):
            crowd = set(names[half::2])
            part = [scene for scene in listed if scene.person in crowd]
            several = sum(len(scene.faces) > 1 for scene in part)
            for name, choose in rules().items():
                outcomes = [outcome(scene, choose) for scene in part]
                counts = {kind: outcomes.count(kind) for kind in ("wrong", "refused")}
                shares = [share(counts[kind], len(part)) for kind in counts]
                side = "chosen on" if half == 0 else "held out"
                table.add_row(label, side, name, f"{len(part):,}", str(several), *shares)
                report[f"{label}, {side}, {name}"] = {**counts, "photos": len(part), "several": several}
    Console(width=150).print(table)
    return report


def of_several(groups: Mapping[str, Sequence[Scene]]) -> dict[str, object]:
    """The share of photos of several people that are taken for the photo of one."""
    table = Table("photos of several people", "photos", *rules())
    report: dict[str, object] = {}
    for label, listed in groups.items():
        taken = {
            name: sum(outcome(scene, choose) == "wrong" for scene in listed)
            for name, choose in rules().items()
        }
        table.add_row(label, f"{len(listed):,}", *(share(count, len(listed)) for count in taken.values()))
        report[label] = {**taken, "photos": len(listed)}
    Console(width=150).print(table)
    return report


def share(count: int, total: int) -> str:
    interval = clopper_pearson(count, total)
    return f"{interval.rate:.2%} ({interval.low:.2%} .. {interval.high:.2%})"


if __name__ == "__main__":
    main()
