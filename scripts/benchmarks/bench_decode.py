"""Decoding a JPEG: faceid (Pillow) beside OpenCV and simplejpeg, which is libjpeg-turbo's own interface.

    python -m scripts.benchmarks.bench_decode [--rounds 15] [--json FILE]

All work in turns in one thread, on photos of LFW (250 pixels), scenes of 720p and a phone's photos of 12 megapixels
(pipeline/data.py). The figure is the median over the photos of the least CPU time in a number of rounds. faceid's times
include what it does beside decoding: it looks for damage, counts scans and turns the picture. "reduced" is what it does
at first with a photo of 12 megapixels; the others then decode at the same size. OpenCV and simplejpeg get the bytes
alone; they neither turn the picture nor refuse the files that faceid refuses.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from faceid.imaging import decode
from faceid.types import Encoded
from scripts import command, machine
from scripts.benchmarks.pipeline.data import LAYOUTS, lfw_pictures, scenes
from scripts.benchmarks.rival_environments import python_of
from scripts.datasets import lfw

REQUIREMENTS = ("simplejpeg==1.9.0",)
OPENCV_REDUCED = {
    1: cv2.IMREAD_COLOR_RGB,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/decode.json")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--inside", action="store_true", help="this process has simplejpeg already")
    arguments = parser.parse_args()
    if not arguments.inside:
        python = python_of("simplejpeg", REQUIREMENTS, arguments.cache, with_ours=True)
        line = machine.run_module("scripts.benchmarks.bench_decode", *sys.argv[1:], "--inside", python=python)
        sys.exit(subprocess.run(line, env=machine.environment(), check=False).returncode)

    data = lfw.data_directory(arguments.data)
    cv2.setNumThreads(1)
    table = Table("photos", "KB", "decoded", "faceid, ms", "OpenCV", "simplejpeg")
    report = []
    with tempfile.TemporaryDirectory() as directory:
        sets = {
            "LFW, 250 px": lfw_pictures(data, 20).paths,
            **{
                LAYOUTS[name].name: scenes(data, 4, LAYOUTS[name], Path(directory) / name).paths
                for name in ("one", "phone-large")
            },
        }
        for name, paths in sets.items():
            photos = [Path(path).read_bytes() for path in paths]
            first = decode(Encoded.of(photos[0]), "").reduced(8)[1]
            for factor in sorted({1, first}):
                ms: dict[str, list[float]] = {who: [] for who in contenders(factor)}
                for photo in photos:
                    for who, least in timed(photo, factor, arguments.rounds).items():
                        ms[who].append(least)
                medians = {who: statistics.median(measured) for who, measured in ms.items()}
                size = statistics.median(map(len, photos)) / 1000
                how = "whole" if factor == 1 else f"reduced by {factor}"
                table.add_row(name, f"{size:.0f}", how, *(f"{value:.2f}" for value in medians.values()))
                report.append({"photos": name, "kb": size, "reduced": factor, "ms": medians})
    Console(width=110).print(table)
    command.write_report(arguments.json, report)
    print(f"written to {arguments.json}")


def contenders(factor: int) -> dict[str, Callable[[bytes], object]]:
    """Who decodes a file at 1 / `factor` of its size."""
    import simplejpeg

    def ours(photo: bytes) -> object:
        return decode(Encoded(photo, ""), "").reduced(factor)

    def opencv(photo: bytes) -> object:
        how = OPENCV_REDUCED[factor] | cv2.IMREAD_IGNORE_ORIENTATION
        return cv2.imdecode(np.frombuffer(photo, np.uint8), how)

    def turbo(photo: bytes) -> object:
        height, width, *_ = simplejpeg.decode_jpeg_header(photo)
        return simplejpeg.decode_jpeg(
            photo, "RGB", min_height=-(-height // factor), min_width=-(-width // factor), min_factor=factor
        )

    return {"faceid": ours, "OpenCV": opencv, "simplejpeg": turbo}


def timed(photo: bytes, factor: int, rounds: int) -> dict[str, float]:
    """The least CPU time of each, ms; they take turns."""
    least: dict[str, float] = {}
    for _ in range(rounds):
        for who, work in contenders(factor).items():
            started = time.thread_time()
            work(photo)
            took = 1e3 * (time.thread_time() - started)
            least[who] = min(took, least.get(who, took))
    return least


if __name__ == "__main__":
    main()
