"""Whole pipeline, photo file to template: faceid against face_recognition, same photos, same run.

    python scripts/bench_pipeline.py [--pairs 100] [--model NAME] [--data DIR] [--json FILE]

face_recognition is measured as its own code does it, through dlib: HOG detector upsampled once, 5-point landmarks,
150 px chip, one pass of the network, Euclidean distance. (The package itself no longer imports on a current
setuptools.) Photos are those of the first mated and non-mated pairs of LFW View 1's pairsDevTest. Accuracy is that of
each system's best threshold on these pairs; a pair with a photo in which no face was found is decided wrongly.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import files
from pathlib import Path

import dlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage
from rich.console import Console
from rich.table import Table

import lfw
from faceid.api import FaceID
from faceid.calibrate.metrics import accuracy, best_threshold, eer
from faceid.imaging import fetch
from faceid.pipeline import Source

Vectors = dict[str, NDArray[np.float64]]


@dataclass
class Outcome:
    """What one system did: seconds, where they went, and a template for each photo with a face."""

    name: str
    seconds: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    vectors: Vectors = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=100, help="how many mated, and as many non-mated")
    parser.add_argument("--model", default="dlib-resnet")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rounds", type=int, default=4, help="the systems take turns on so many parts")
    parser.add_argument("--json", type=Path, default=Path("bench/pipeline.json"))
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    listed = lfw.pairs(data, "pairsDevTest")
    pairs = [
        pair
        for mated in (True, False)
        for pair in [pair for pair in listed if pair[2] is mated][: arguments.pairs]
    ]
    photos = sorted({photo for first, second, _ in pairs for photo in (first, second)})
    root = data / "lfw" / "images"
    paths = [str(root / photo.rpartition("_")[0] / photo) for photo in photos]

    ours, theirs = Outcome(f"faceid, {arguments.model}"), Outcome("face_recognition (dlib)")
    with FaceID(db="unused.db", model=arguments.model, device="cpu") as system:
        systems: list[tuple[Outcome, Callable[[Sequence[str], Outcome], None]]] = [
            (ours, lambda part, outcome: run_faceid(system, part, outcome)),
            (theirs, FaceRecognition().run),
        ]
        for _, run in systems:  # warm up: weights, allocator, caches
            run(paths[:8], Outcome("warm-up"))
        for part in np.array_split(np.array(paths), arguments.rounds):
            for outcome, run in systems:
                started = time.perf_counter()
                run([str(path) for path in part], outcome)
                outcome.seconds += time.perf_counter() - started

    rows = [summary(outcome, pairs, len(paths)) for outcome in (ours, theirs)]
    table = Table("system", "photos/s", "ms a photo", "no face", "accuracy", "EER")
    for row in rows:
        table.add_row(
            row["system"],
            f"{row['photos_per_s']:.1f}",
            f"{row['ms_per_photo']:.1f}",
            str(row["without_face"]),
            f"{row['accuracy']:.1%}",
            f"{row['eer']:.1%}",
        )
    Console(width=120).print(table)
    ratio = rows[0]["photos_per_s"] / rows[1]["photos_per_s"]
    print(f"{len(paths)} photos, {len(pairs)} pairs; faceid does {ratio:.1f} times the photos a second")
    total = sum(ours.parts.values())
    print("where faceid's time goes: " + ", ".join(f"{k} {v / total:.0%}" for k, v in ours.parts.items()))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "photos": len(paths),
        "pairs": len(pairs),
        "ratio": ratio,
        "systems": rows,
        "parts_ms": ours.parts,
    }
    arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"written to {arguments.json}")


def run_faceid(system: FaceID, paths: Sequence[str], outcome: Outcome) -> None:
    for look in system.pipeline.look(Source(path, partial(fetch, path)) for path in paths):
        for part, milliseconds in look.timing_ms.items():
            outcome.parts[part] = outcome.parts.get(part, 0.0) + milliseconds
        if look.image is None or not look.observations:
            continue
        middle = (look.image.width / 2, look.image.height / 2)
        boxes = [observation.face.box for observation in look.observations]
        outcome.vectors[Path(look.source).name] = look.embeddings[nearest(boxes, middle)].vector.astype(
            np.float64
        )


class FaceRecognition:
    """What `face_recognition.face_locations` and `face_encodings` call, with their defaults."""

    def __init__(self) -> None:
        self.detector = dlib.get_frontal_face_detector()
        self.landmarks = dlib.shape_predictor(packaged("shape_predictor_5_face_landmarks.dat"))
        self.network = dlib.face_recognition_model_v1(packaged("dlib_face_recognition_resnet_model_v1.dat"))

    def run(self, paths: Sequence[str], outcome: Outcome) -> None:
        for path in paths:
            pixels = np.array(PilImage.open(path).convert("RGB"))
            found = self.detector(pixels, 1)
            if not found:
                continue
            boxes = [(box.left(), box.top(), box.right(), box.bottom()) for box in found]
            chosen = found[nearest(boxes, (pixels.shape[1] / 2, pixels.shape[0] / 2))]
            shape = self.landmarks(pixels, chosen)
            outcome.vectors[Path(path).name] = np.array(
                self.network.compute_face_descriptor(pixels, shape, 1)
            )


def packaged(name: str) -> str:
    found = next(file for file in files("face-recognition-models") or () if file.name == name)
    return str(found.locate())


def nearest(boxes: Sequence[tuple[float, float, float, float]], middle: tuple[float, float]) -> int:
    centres = [((x1 + x2) / 2 - middle[0], (y1 + y2) / 2 - middle[1]) for x1, y1, x2, y2 in boxes]
    return int(np.argmin([x * x + y * y for x, y in centres]))


def summary(outcome: Outcome, pairs: Sequence[tuple[str, str, bool]], photos: int) -> dict[str, object]:
    found: dict[bool, list[float]] = {True: [], False: []}
    for first, second, mated in pairs:
        if first in outcome.vectors and second in outcome.vectors:
            found[mated].append(float(np.linalg.norm(outcome.vectors[first] - outcome.vectors[second])))
    mated, non_mated = np.array(found[True]), np.array(found[False])
    right = accuracy(mated, non_mated, best_threshold(mated, non_mated)) * (mated.size + non_mated.size)
    return {
        "system": outcome.name,
        "photos_per_s": photos / outcome.seconds,
        "ms_per_photo": 1e3 * outcome.seconds / photos,
        "without_face": photos - len(outcome.vectors),
        "accuracy": right / len(pairs),
        "eer": eer(mated, non_mated),
    }


if __name__ == "__main__":
    main()
