"""Speed, cores and memory of the command `faceid enroll --each-folder` over thousands of photos.

    python -m scripts.benchmarks.bench_enrolment [--photos 1000,20000] [--model NAME] [--data DIR] [--json FILE]

The photos are those of LFW View 1. If a run needs more photos than LFW has, copies of them stand for other people. A
few bytes after the end of each JPEG give every copy a hash of its own. `--on-conflict accept` makes the command store
all of them. With `--model fake`, the photos are drawn squares; use it to try the script.

Memory is the resident set of the process, read each second, and the peak that the kernel reports. "Running" is the time
from the first result to the last, without the start of the process. Before each run, the pipeline alone makes the
templates of up to 2,000 of the photos, as in bench_pipeline. The last line is the growth of the peak from the
smallest run to the largest: memory that grows with the number of photos.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PilImage
from rich.console import Console
from rich.table import Table

from faceid.recognition.detect.fake import LEVELS, draw_face
from scripts import command, machine
from scripts.benchmarks.pipeline.contenders import faceid
from scripts.benchmarks.pipeline.runs import WARM_UP, System
from scripts.datasets import lfw

TICKS = os.sysconf("SC_CLK_TCK")
EACH_S = 1.0
DRAWN_A_PERSON = 4
MOST_ALONE = 2000


@dataclass
class ProcessMonitor:
    """A process seen from outside: seconds and resident bytes over time.

    `first` and `last` are the seconds and CPU seconds at its first and last result, `peak` the most bytes so far.
    """

    pid: int
    memory: list[tuple[float, int]] = field(default_factory=list)
    peak: int = 0
    first: tuple[float, float] | None = None
    last: tuple[float, float] | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        threading.Thread(target=self._sample, daemon=True).start()

    def result(self) -> None:
        """A result has come."""
        moment = (time.monotonic() - self.began, cpu_seconds(self.pid))
        self.first = self.first or moment
        self.last = moment

    def weigh(self) -> None:
        """Read what it has in memory."""
        told = memory_bytes(self.pid)
        if told is not None:
            # Linux counts in batches: what is there now can be a little more than the peak that it tells.
            resident, peak = told
            self.peak = max(self.peak, peak, resident)
            self.memory.append((round(time.monotonic() - self.began, 1), resident))

    def _sample(self) -> None:
        while not self.ended.wait(EACH_S):
            self.weigh()


def main(arguments: list[str] | None = None) -> None:
    options = parsed(arguments)
    data = None if options.model == "fake" else lfw.data_directory(options.data)
    report: dict[str, Any] = {
        "machine": {"cpu": machine.processor(), "cores": machine.cores()},
        "load_before": os.getloadavg()[0],
        "model": options.model,
        "runs": [],
    }
    options.cache.mkdir(parents=True, exist_ok=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    for count in options.photos:
        with tempfile.TemporaryDirectory(dir=options.cache, prefix="enrolment-") as directory:
            root = Path(directory) / "people"
            if data is None:
                draw_people(root, count)
            else:
                copy_people(data, root, count)
            print(f"enrolling {count:,} photos", file=sys.stderr)
            alone = None if data is None else pipeline_alone(root, options.model, options.cache)
            run = enrol(root, Path(directory) / "gallery.db", options.model, count)
            report["runs"].append({**run, "pipeline_photos_per_s": alone})
        report["peak_grows_by"] = report["runs"][-1]["peak_bytes"] - report["runs"][0]["peak_bytes"]
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    show(report)
    print(f"written to {options.json}")


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/enrolment.json")
    parser.add_argument(
        "--photos",
        type=lambda text: [int(word) for word in text.split(",")],
        default=[1000, 20_000],
        help="how many in each run, fewest first; default: 1000,20000",
    )
    parser.add_argument("--model", default="dlib-resnet")
    return parser.parse_args(arguments)


def enrol(root: Path, db: Path, model: str, count: int) -> dict[str, Any]:
    """Run the command on the folders in `root`, with what it costs. Ends this process where it fails."""
    options = ["--db", str(db), "--model", model, "--device", "cpu", "--json", "--quiet"]
    arguments = ["enroll", "--each-folder", str(root), "--on-conflict", "accept"]
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            [*machine.FACEID, *options, *arguments],
            stdout=subprocess.PIPE,
            stderr=said,
            env=machine.environment(),
            text=True,
        )
        watch = ProcessMonitor(process.pid)
        assert process.stdout is not None
        for line in process.stdout:
            told = json.loads(line)
            if "status" in told:
                watch.result()
                outcomes[told["reason"] or told["status"]] += 1
            else:
                # The last line: with the process the kernel's account of it is gone.
                watch.ended.set()
                watch.weigh()
        process.stdout.close()
        # Of this child alone. Its ru_maxrss would be of this process, from before it became another, if that is more.
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - watch.began
        code = process.returncode = os.waitstatus_to_exitcode(status)
        if code not in (0, 3) or watch.first is None or watch.last is None:
            said.seek(0)
            sys.exit(f"bench_enrolment: exit {code}: {said.read()[-2000:]}")
    if sum(outcomes.values()) != count:
        sys.exit(f"bench_enrolment: {count} photos, but {sum(outcomes.values())} results")
    running_s, running_cpu_s = (last - first for first, last in zip(watch.first, watch.last, strict=True))
    return {
        "photos": count,
        "people": sum(1 for _ in root.iterdir()),
        "outcomes": dict(outcomes),
        "wall_s": wall_s,
        "first_result_s": watch.first[0],
        "photos_per_s": count / wall_s,
        "running_photos_per_s": (count - 1) / running_s,
        "cores_busy": (used.ru_utime + used.ru_stime) / wall_s / machine.cores(),
        "running_cores_busy": running_cpu_s / running_s / machine.cores(),
        "peak_bytes": watch.peak,
        "resident": watch.memory,
    }


def pipeline_alone(root: Path, model: str, environments: Path) -> float:
    """Photos a second of the pipeline without a gallery."""
    paths = sorted(map(str, root.glob("*/*")))[:MOST_ALONE]
    with ExitStack() as stack:
        system = System.started(faceid(model), environments, stack)
        system.look(paths[:WARM_UP])
        return len(paths) / float(system.look(paths)["seconds"])


def copy_people(data: Path, root: Path, count: int) -> None:
    """`count` photos of LFW View 1 in folders by person, as often under other names as that takes."""
    photos = sorted((data / "lfw" / "images").glob("*/*.jpg"))
    for number in range(count):
        again, index = divmod(number, len(photos))
        photo = photos[index]
        folder = root / (photo.parent.name + (f" {again + 1}" if again else ""))
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / photo.name
        shutil.copyfile(photo, copy)
        if again:
            with copy.open("ab") as file:
                file.write(again.to_bytes(4, "big"))


def draw_people(root: Path, count: int) -> None:
    """`count` pictures for the fake model, a few of each person. There are fewer colours than people."""
    colours = list(product(LEVELS, repeat=3))
    for number in range(count):
        person, photo = divmod(number, DRAWN_A_PERSON)
        canvas = np.zeros((96, 96, 3), np.uint8)
        draw_face(canvas, colours[person % len(colours)], 10 + photo, 12, 60)
        # Too dark to be seen: no two pictures are the same.
        canvas[-1, :3] = person // 256 % 32, person % 256 // 8, person % 8
        folder = root / f"person {person:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        PilImage.fromarray(canvas).save(folder / f"{photo}.png")


def memory_bytes(pid: int) -> tuple[int, int] | None:
    """What of a process is in memory, now and at most so far; None where it is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    sizes = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", text, re.MULTILINE))
    return (1024 * int(sizes["VmRSS"]), 1024 * int(sizes["VmHWM"])) if len(sizes) == 2 else None


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, all threads; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def show(report: dict[str, Any]) -> None:
    table = Table(
        "photos",
        "people",
        "photos/s",
        "running",
        "pipeline alone",
        "cores busy",
        "running",
        "peak MB",
        "MB at 1/4, 1/2, 3/4, end",
    )
    for run in report["runs"]:
        resident = [size for _, size in run["resident"]] or [0]
        quarters = [resident[min(len(resident) - 1, len(resident) * part // 4)] for part in (1, 2, 3, 4)]
        table.add_row(
            f"{run['photos']:,}",
            f"{run['people']:,}",
            f"{run['photos_per_s']:.1f}",
            f"{run['running_photos_per_s']:.1f}",
            "-" if run["pipeline_photos_per_s"] is None else f"{run['pipeline_photos_per_s']:.1f}",
            f"{run['cores_busy']:.0%}",
            f"{run['running_cores_busy']:.0%}",
            f"{run['peak_bytes'] / 1e6:,.0f}",
            ", ".join(f"{size / 1e6:,.0f}" for size in quarters),
        )
    Console(width=120).print(table)
    for run in report["runs"]:
        print(f"{run['photos']:,}: " + ", ".join(f"{n:,} {what}" for what, n in run["outcomes"].items()))
    print(f"the peak grows by {report['peak_grows_by'] / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
