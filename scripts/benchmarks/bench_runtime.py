"""PyTorch and OpenVINO side by side: CPU time a photo to detect and to embed, photos a second, agreement.

    python -m scripts.benchmarks.bench_runtime [--photos 64] [--model NAME] [--data DIR] [--json FILE] [--quick]

The detectors and networks of all runtimes live in one process and take turns on the same batches of 8 photos, with one
thread each. CPU time is that of the whole process, so that it includes the own threads of a runtime. The table gives
medians over all batches. Workers are threads that detect, align and embed batches of their own. The photos are those of
LFW, 250x250, and pictures of 1280x720 with eight of them, 320x320 each. A combination names the runtime of the detector
and that of the network. If OpenVINO is not installed, PyTorch is measured alone.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import TypeVar

from scripts import command

# Before torch is imported: what a worker of the pipeline has.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from faceid.app import factories
from faceid.config import Runtime, Settings
from faceid.imaging import read
from faceid.ports.networks import Detector, Embedder
from faceid.recognition.align import align
from faceid.types import Crop, Face, Image
from scripts.datasets import lfw

BATCH = 8

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Chain:
    """Detector and network, and what runs each."""

    name: str
    detector: Detector
    embedder: Embedder

    def crops(self, images: Sequence[Image], faces: Sequence[Sequence[Face]]) -> list[Crop]:
        aligner = self.embedder.model.aligner
        return [
            align(image, face, aligner) for image, some in zip(images, faces, strict=True) for face in some
        ]

    def run(self, images: Sequence[Image]) -> None:
        if crops := self.crops(images, self.detector.detect(images)):
            self.embedder.embed(crops)


@dataclass
class Row:
    """What one chain did on one kind of photograph; agreement is with torch's chain."""

    runtime: str
    photos: str
    faces_per_photo: float = 0.0
    detect_cpu_ms: float = 0.0
    embed_cpu_ms: float = 0.0
    photos_per_s: dict[int, float] = field(default_factory=dict)
    landmarks_px: float = 0.0
    cosine_distance: float = 0.0


def main() -> None:
    parser = command.parser(__doc__, data=True, report="bench/runtime.json")
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--model", default="dlib-resnet")
    parser.add_argument("--rounds", type=int, default=4, help="over all photographs, after one to warm up")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--quick", action="store_true", help="8 photographs, one round: does it run?")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.photos, arguments.rounds = 8, 1
    torch.set_num_threads(1)
    small = lfw_photos(lfw.data_directory(arguments.data), arguments.photos)
    chains = make_chains(arguments.model)
    rows = []
    for photos, images in (("LFW 250x250", small), ("720p, 8 photos", scenes(small))):
        rows += measure(chains, photos, images, arguments.rounds)
        for chain, row in zip(chains, rows[-len(chains) :], strict=True):
            for workers in arguments.workers:
                row.photos_per_s[workers] = photos_per_second(chain, images, workers)
    show(rows, arguments.workers)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "model": arguments.model,
        "machine": platform.processor(),
        "rows": [asdict(row) for row in rows],
    }
    arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"written to {arguments.json}")


def make_chains(model: str) -> list[Chain]:
    runtimes: list[Runtime] = ["torch", "openvino"] if find_spec("openvino") else ["torch"]
    detectors = {runtime: factories.make_detector(model, "cpu", runtime=runtime) for runtime in runtimes}
    embedders = {
        runtime: factories.make_embedder(model, "cpu", Settings.load(runtime=runtime)) for runtime in runtimes
    }
    return [
        Chain(f"{one} + {other}", detectors[one], embedders[other])
        for one, other in product(runtimes, runtimes)
    ]


def lfw_photos(data: Path, count: int) -> list[Image]:
    names = sorted({photo for pair in lfw.pairs(data, "pairsDevTest")[::3] for photo in pair[:2]})
    root = data / "lfw" / "images"
    return [read(str(root / name.rpartition("_")[0] / name)) for name in names[:count]]


def scenes(photos: Sequence[Image]) -> list[Image]:
    """Pictures of 1280x720 from eight photographs each, four beside four, with a black margin below."""
    made = []
    for start in range(0, len(photos) - 7, 8):
        picture = np.zeros((720, 1280, 3), np.uint8)
        for place, photo in enumerate(photos[start : start + 8]):
            row, column = divmod(place, 4)
            tile = cv2.resize(photo.pixels, (320, 320), interpolation=cv2.INTER_CUBIC)
            picture[320 * row : 320 * (row + 1), 320 * column : 320 * (column + 1)] = tile
        made.append(Image(picture, f"scene {start}", str(start)))
    return made


def measure(chains: Sequence[Chain], photos: str, images: Sequence[Image], rounds: int) -> list[Row]:
    rows = [Row(chain.name, photos) for chain in chains]
    times: list[tuple[list[float], list[float]]] = [([], []) for _ in chains]
    found = 0
    for round_number in range(rounds + 1):
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            expected: tuple[list[list[Face]], np.ndarray] | None = None
            for chain, row, (detect, embed) in zip(chains, rows, times, strict=True):
                faces, detect_ms = cpu_ms(partial(chain.detector.detect, batch))
                crops = chain.crops(batch, faces)
                vectors, embed_ms = cpu_ms(partial(chain.embedder.embed, crops))
                if expected is None:
                    expected = faces, vectors
                    found += len(crops) if not round_number else 0
                if round_number:
                    detect.append(detect_ms / len(batch))
                    embed.append(embed_ms / len(batch))
                else:
                    compare(row, expected, (faces, vectors))
    for row, (detect, embed) in zip(rows, times, strict=True):
        row.faces_per_photo = found / len(images)
        row.detect_cpu_ms, row.embed_cpu_ms = statistics.median(detect), statistics.median(embed)
    return rows


def cpu_ms(work: Callable[[], _Result]) -> tuple[_Result, float]:
    started = time.process_time()
    result = work()
    return result, (time.process_time() - started) * 1e3


def compare(
    row: Row, expected: tuple[list[list[Face]], np.ndarray], got: tuple[list[list[Face]], np.ndarray]
) -> None:
    """Enter the largest differences; pictures in which the numbers of faces differ count as infinitely far."""
    pairs = list(zip(expected[0], got[0], strict=True))
    if any(len(one) != len(other) for one, other in pairs):
        row.landmarks_px = row.cosine_distance = float("inf")
        return
    for one, other in pairs:
        for a, b in zip(one, other, strict=True):
            row.landmarks_px = max(row.landmarks_px, float(np.abs(a.landmarks - b.landmarks).max()))
    if len(got[1]):
        row.cosine_distance = max(row.cosine_distance, float((1 - (expected[1] * got[1]).sum(axis=1)).max()))


def photos_per_second(chain: Chain, images: Sequence[Image], workers: int) -> float:
    """Wall time of `workers` threads over batches of all photographs, which each sees as often as there are workers."""
    batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)] * workers

    def work(batch: Sequence[Image]) -> None:
        torch.set_num_threads(1)
        chain.run(batch)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, batches))  # each thread warms up
        started = time.perf_counter()
        list(pool.map(work, batches))
    return len(images) * workers / (time.perf_counter() - started)


def show(rows: Sequence[Row], workers: Sequence[int]) -> None:
    table = Table(
        "photos",
        "detector + network",
        "faces",
        "detect CPU ms",
        "embed CPU ms",
        *(f"photos/s, {count}" for count in workers),
        "landmarks px",
        "cosine",
    )
    for row in rows:
        table.add_row(
            row.photos,
            row.runtime,
            f"{row.faces_per_photo:.1f}",
            f"{row.detect_cpu_ms:.1f}",
            f"{row.embed_cpu_ms:.1f}",
            *(f"{row.photos_per_s[count]:.1f}" for count in workers),
            f"{row.landmarks_px:.1e}",
            f"{row.cosine_distance:.1e}",
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
