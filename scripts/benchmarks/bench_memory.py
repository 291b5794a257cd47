"""The memory that `faceid identify` needs for one photo of each size, at its peak.

    python -m scripts.benchmarks.bench_memory [--model NAME] [--runs 3] [--json FILE]

Each photo goes through the command in a process of its own, which the system asks for its peak (resident set). The
photos are one of LFW, and photos of a phone with 12 and 48 megapixels, made as bench_pipeline makes them: with one
large face, which is cut from a picture that is decoded at a reduced size, and with small ones, which need all pixels.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts import command, machine
from scripts.benchmarks.pipeline.data import LAYOUTS, lfw_pictures, scenes
from scripts.datasets import lfw

ENLARGED = {"12 megapixels": 1, "48 megapixels": 2}


def main() -> None:
    parser = command.parser(__doc__, data=True, report="bench/memory.json")
    parser.add_argument("--model", default="dlib-resnet")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    with tempfile.TemporaryDirectory() as directory:
        # Made in another process: a process inherits the peak of the one that starts it.
        with get_context("spawn").Pool(1) as pool:
            large = pool.apply(phone_photos, (data, Path(directory)))
        photos = {"LFW, 250 px": lfw_pictures(data, 2).paths[0], **large}
        gallery = str(Path(directory) / "gallery.db")
        faceid = [*machine.FACEID, "--quiet", "--device", "cpu", "--model", arguments.model, "--db", gallery]
        peak_mb([*faceid, "enroll", "--name", "Ada", photos["LFW, 250 px"]])
        peaks: dict[str, list[float]] = {name: [] for name in photos}
        seconds: dict[str, list[float]] = {name: [] for name in photos}
        for _ in range(arguments.runs):
            for name, path in photos.items():
                started = time.perf_counter()
                peaks[name].append(peak_mb([*faceid, "identify", path]))
                seconds[name].append(time.perf_counter() - started)

    table = Table("photo", "peak, MB", "more than LFW", "s")
    small, *_ = medians = {name: statistics.median(measured) for name, measured in peaks.items()}
    for name, peak in medians.items():
        table.add_row(
            name, f"{peak:.0f}", f"{peak - medians[small]:.0f}", f"{statistics.median(seconds[name]):.1f}"
        )
    Console(width=100).print(table)
    command.write_report(arguments.json, {"model": arguments.model, "peak_mb": peaks, "seconds": seconds})
    print(f"written to {arguments.json}")


def phone_photos(data: Path, directory: Path) -> dict[str, str]:
    """Name -> path of a photo of each size and kind, stored upright."""
    made = {}
    for size, by in ENLARGED.items():
        for kind, what in (("phone-large", "1 large face"), ("phone-small", "small faces")):
            layout = LAYOUTS[kind]
            # Parts as large as before: faces of the same pixels, the photo of twice as many.
            layout = replace(layout, width=layout.width * by, height=layout.height * by)
            folder = directory / f"{kind}-{by}"
            made[f"{size}, {what}"] = scenes(data, 1, layout, folder).paths[0]
    return made


def peak_mb(line: list[str]) -> float:
    """The largest resident set of a process that runs `line`, MB. Raises CalledProcessError where it breaks down."""
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, env=machine.environment())
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    # 1 means that the face is nobody's.
    if process.returncode not in (0, 1):
        raise subprocess.CalledProcessError(process.returncode, line)
    return used.ru_maxrss / 1000


if __name__ == "__main__":
    main()
