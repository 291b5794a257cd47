"""Speed and recall of the detectors beside facenet-pytorch's MTCNN, on the same weights, in the same process.

    python -m scripts.benchmarks.bench_detect [--data DIR] [--json FILE] [--images N] [--repeats N] [--threads N]

`same` is MTCNN with the image pyramid of the published default (smallest face 20 pixels). `default` has the pyramid of
this package. `yunet` and `yunet-n` are YuNet with MTCNN's O-Net, with the files in the folder `models` of the data. The
detectors take turns: each one gets the images one by one, then in batches of 8. Times are CPU times; the fastest repeat
counts, because other work on the machine disturbs it least. Recall is the share of annotated WIDER FACE boxes that are
found at an intersection over union of 0.5: of all boxes, and of those of 40 pixels and more.
"""

from __future__ import annotations

import json
import os
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.config import Runtime
from faceid.ports.networks import Detector
from faceid.recognition.detect.mtcnn import MtcnnDetector
from faceid.recognition.detect.yunet import YunetDetector
from faceid.types import Image
from scripts import command

YUNET_FILES = {"yunet": "face_detection_yunet_2023mar.onnx", "yunet-n": "yunet_n_dynamic.onnx"}
"""The files of YuNet in the folder `models` of the data."""

MIN_FACE = 20
BATCH = 8
Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float64]


@dataclass(frozen=True)
class Speed:
    """CPU milliseconds an image, one by one and in batches, and the faces found in all images."""

    images: str
    detector: str
    single_ms: float
    batch_ms: float
    faces: int


@dataclass(frozen=True)
class Recall:
    """Shares of the annotated faces that were found."""

    detector: str
    all_faces: float
    from_40_pixels: float
    found: int


def main() -> None:
    parser = command.parser(__doc__)
    parser.add_argument("--data", type=Path, default=command.test_data())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--images", type=int, default=24, help="how many of LFW")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="for all detectors")
    parser.add_argument("--runtime", choices=("torch", "openvino"), default="torch", help="of ours")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    photos = lfw_photos(arguments.data, arguments.images)
    pictures = {
        "LFW, 250x250": photos,
        "720p, 1 face": [scene(photos[index : index + 1], 1) for index in range(4)],
        "720p, 32 faces": [scene(photos, 32), scene(photos[::-1], 32)],
        "12 megapixels, 1 face": [cv2.resize(scene(photos[:1], 1), (4000, 3000))],
    }
    detectors = Detectors(arguments.data, arguments.threads, arguments.runtime)
    speeds = [
        speed for name, some in pictures.items() for speed in detectors.race(name, some, arguments.repeats)
    ]
    recalls = detectors.recall(arguments.data / "detection" / "wider11")
    show(speeds, recalls)
    if arguments.json:
        report = {
            "machine": platform.processor() or platform.machine(),
            "torch": torch.__version__,
            "threads": arguments.threads,
            "runtime": arguments.runtime,
            "load": os.getloadavg()[0],
            "speed": [asdict(speed) for speed in speeds],
            "recall": [asdict(recall) for recall in recalls],
        }
        command.write_report(arguments.json, report)


class Detectors:
    """The published detector and ours: pictures of one size -> boxes."""

    def __init__(self, data: Path, threads: int, runtime: Runtime) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from facenet_pytorch import MTCNN

            published = MTCNN(min_face_size=MIN_FACE, keep_all=True)
        ours: dict[str, Detector] = {
            "same": MtcnnDetector(min_face=MIN_FACE, threads=threads, runtime=runtime),
            "default": MtcnnDetector(threads=threads, runtime=runtime),
        }
        for name, file in YUNET_FILES.items():
            if (weights := data / "models" / file).exists():
                ours[name] = YunetDetector(weights, threads=threads, runtime=runtime)
        self._entrants: dict[str, Callable[[Sequence[Pixels]], list[Boxes]]] = {
            "published": lambda pictures: published_boxes(published, pictures),
            **{name: partial(our_boxes, detector) for name, detector in ours.items()},
        }

    def race(self, name: str, pictures: Sequence[Pixels], repeats: int) -> list[Speed]:
        """All on the same pictures, in turns."""
        best = {(entrant, size): float("inf") for entrant in self._entrants for size in (1, BATCH)}
        faces = {}
        for _ in range(repeats):
            for entrant, find in self._entrants.items():
                for size in (1, BATCH):
                    started = time.process_time()
                    found = [
                        boxes
                        for start in range(0, len(pictures), size)
                        for boxes in find(pictures[start : start + size])
                    ]
                    spent = (time.process_time() - started) / len(pictures) * 1000
                    best[entrant, size] = min(best[entrant, size], spent)
                    faces[entrant] = sum(map(len, found))
        return [
            Speed(name, entrant, best[entrant, 1], best[entrant, BATCH], faces[entrant])
            for entrant in self._entrants
        ]

    def recall(self, folder: Path) -> list[Recall]:
        """All on the annotated group photographs."""
        annotated = json.loads((folder / "gt_wider.json").read_text(encoding="utf-8"))
        rows = []
        for entrant, find in self._entrants.items():
            hits, sizes, count = [], [], 0
            for name, entry in annotated.items():
                valid = np.array(entry["invalid"]) == 0
                truth = np.array(entry["boxes_xywh"], dtype=float).reshape(-1, 4)[valid]
                (found,) = find([read(folder / name)])
                count += len(found)
                hits += matched(truth, found)
                sizes += truth[:, 2:].min(axis=1).tolist()
            large = np.array(sizes) >= 40
            rows.append(Recall(entrant, float(np.mean(hits)), float(np.array(hits)[large].mean()), count))
        return rows


def read(path: Path) -> Pixels:
    return np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_COLOR)[:, :, ::-1])


def lfw_photos(data: Path, count: int) -> list[Pixels]:
    paths = sorted((data / "lfw" / "images").rglob("*.jpg"))
    if not paths:
        raise SystemExit(f"no photographs in {data}: give --data or set FACEID_TEST_DATA")
    return [read(path) for path in paths[:: max(1, len(paths) // count)][:count]]


def scene(photos: Sequence[Pixels], faces: int) -> Pixels:
    """A 1280x720 picture: one photograph enlarged before a blurred one, or `faces` of them side by side."""
    if faces == 1:
        picture = cv2.GaussianBlur(cv2.resize(photos[0], (1280, 720)), (0, 0), 25)
        picture[60:660, 340:940] = cv2.resize(photos[0], (600, 600), interpolation=cv2.INTER_CUBIC)
        return picture
    columns = 8
    width, height = 1280 // columns, 720 // -(-faces // columns)
    picture = np.zeros((720, 1280, 3), np.uint8)
    for index in range(faces):
        row, column = divmod(index, columns)
        tile = cv2.resize(photos[index % len(photos)], (width, height), interpolation=cv2.INTER_AREA)
        picture[row * height : (row + 1) * height, column * width : (column + 1) * width] = tile
    return picture


def published_boxes(detector: Any, pictures: Sequence[Pixels]) -> list[Boxes]:
    found = detector.detect(np.stack(pictures), landmarks=True)[0]
    return [np.zeros((0, 4)) if boxes is None else np.asarray(boxes, dtype=np.float64) for boxes in found]


def our_boxes(detector: Detector, pictures: Sequence[Pixels]) -> list[Boxes]:
    found = detector.detect([Image(pixels, "array", "") for pixels in pictures])
    return [np.array([face.box for face in faces], dtype=np.float64).reshape(-1, 4) for faces in found]


def matched(truth: Boxes, found: Boxes) -> list[bool]:
    """Whether each annotated x, y, width, height has a box of its own that overlaps it by half."""
    free = list(range(len(found)))
    hits = []
    for x, y, width, height in truth:
        corner = np.maximum(found[free, :2], (x, y))
        shared = np.clip(np.minimum(found[free, 2:], (x + width, y + height)) - corner, 0, None).prod(axis=1)
        union = (found[free, 2:] - found[free, :2]).prod(axis=1) + width * height - shared
        overlap = shared / np.maximum(union, 1e-9)
        hits.append(bool(len(free) and overlap.max() >= 0.5))
        if hits[-1]:
            free.pop(int(overlap.argmax()))
    return hits


def show(speeds: Sequence[Speed], recalls: Sequence[Recall]) -> None:
    console = Console()
    table = Table("images", "detector", "one by one, CPU ms", "", f"batches of {BATCH}, CPU ms", "", "faces")
    for speed in speeds:
        published = next(
            other for other in speeds if (other.images, other.detector) == (speed.images, "published")
        )
        table.add_row(
            speed.images,
            speed.detector,
            f"{speed.single_ms:.1f}",
            f"{published.single_ms / speed.single_ms:.1f}x",
            f"{speed.batch_ms:.1f}",
            f"{published.batch_ms / speed.batch_ms:.1f}x",
            str(speed.faces),
        )
    console.print(table)
    table = Table("WIDER FACE, recall at IoU 0.5", "all", "40 px and more", "boxes")
    for recall in recalls:
        table.add_row(
            recall.detector, f"{recall.all_faces:.1%}", f"{recall.from_40_pixels:.1%}", str(recall.found)
        )
    console.print(table)


if __name__ == "__main__":
    main()
