"""Where the time of the pipeline goes: CPU time of one thread for each stage, from photo file to templates.

    python -m scripts.benchmarks.bench_stages [--sets NAME,...] [--model NAME] [--detector NAME] [--photos N]

The sets are those of bench_pipeline. A stage's time excludes the stages that it calls: decoding that an aligner asks
for counts as decoding. Each set is analysed `--rounds` times in the batches of the pipeline; of each stage the least
time counts. Reading files, imports and the loading of weights are not counted.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

# Before NumPy and torch are imported: what a worker of the pipeline has.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from rich.console import Console
from rich.table import Table

from faceid.app.faceid import FaceID
from faceid.config import Runtime, Settings
from faceid.imaging import fetch, large_jpeg
from faceid.recognition import pipeline, quality
from faceid.recognition.detect import cascade, yunet
from faceid.recognition.embed.torch import TorchEmbedder
from faceid.recognition.pipeline import Source
from faceid.runtime.devices import torch_threads
from faceid.runtime.ordered_map import Crew
from faceid.runtime.process import tune_process
from scripts import command, machine
from scripts.benchmarks.bench_pipeline import PHOTOS, listed
from scripts.benchmarks.pipeline.data import LAYOUTS, Pictures, lfw_pictures, scenes
from scripts.datasets import lfw

REST = "the rest"
CALLS: tuple[tuple[str, Any, str], ...] = (
    ("decode", pipeline, "decode"),
    ("decode", large_jpeg.LargeJpeg, "reduced"),
    ("detect: P-Net, R-Net, turns", pipeline, "detect_upright"),
    ("detect: YuNet", yunet, "find"),
    ("detect: O-Net", yunet, "decide"),
    ("detect: O-Net", cascade, "decide"),
    ("align", pipeline, "align"),
    ("quality", pipeline, "assess"),
    ("quality: resolution", quality, "resolution"),
    ("embed", TorchEmbedder, "embed"),
)
"""The stage, and the attribute by which its callers find it."""


class StageClock:
    """CPU seconds of the calling thread by stage, without the stages inside it."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._open: list[float] = []

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """What runs inside belongs to `stage`."""
        started = time.thread_time()
        self._open.append(0.0)
        try:
            yield
        finally:
            whole = time.thread_time() - started
            self.spent[stage] += whole - self._open.pop()
            if self._open:
                self._open[-1] += whole

    def timed(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call`, whose time belongs to `stage`."""

        def timed(*given: Any, **named: Any) -> Any:
            with self.of(stage):
                return call(*given, **named)

        return timed


def main() -> None:
    arguments = parsed()
    data = lfw.data_directory(arguments.data)
    # As the command line does.
    tune_process()
    settings = Settings.load(db="unused.db", model=arguments.model, device="cpu", detector=arguments.detector)
    runtime: Runtime = "openvino" if find_spec("openvino") else "torch"
    system = FaceID(settings=replace(settings, runtime=runtime))
    line = system.services.current().pipeline
    line = pipeline.Pipeline(line.detector, line.embedder, Crew(workers=1, working=partial(torch_threads, 1)))
    report: dict[str, Any] = {
        "machine": {"cpu": machine.processor(), "cores": machine.cores()},
        "model": arguments.model,
        "detector": arguments.detector,
        "runtime": runtime,
        "sets": [],
    }
    arguments.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.cache, prefix="stages-") as scratch:
        for name in arguments.sets:
            most = min(PHOTOS[name], arguments.photos)
            pictures = (
                lfw_pictures(data, most)
                if name == "lfw"
                else scenes(data, most, LAYOUTS[name], Path(scratch) / name)
            )
            report["sets"].append(measured(line, pictures, arguments.rounds))
            show(report["sets"][-1])
    command.write_report(arguments.json, {**report, "load": os.getloadavg()[0]})
    print(f"written to {arguments.json}")


def measured(line: pipeline.Pipeline, pictures: Pictures, rounds: int) -> dict[str, Any]:
    """CPU ms a photo of each stage."""
    sources = [Source(path, partial(fetch, path)) for path in pictures.paths]
    least: dict[str, float] = {}
    faces = 0
    # The first round is not counted: libraries prepare themselves for each size of batch and picture.
    for number in range(rounds + 1):
        clock = StageClock()
        with ExitStack() as stack:
            stack.enter_context(
                patch.object(pipeline.Pipeline, "_analysed", clock.timed(REST, pipeline.Pipeline._analysed))
            )
            for stage, owner, name in CALLS:
                stack.enter_context(patch.object(owner, name, clock.timed(stage, getattr(owner, name))))
            faces = sum(len(analysis.embeddings) for analysis in line.analyse(sources))
        if number:
            for stage, seconds in clock.spent.items():
                least[stage] = min(seconds, least.get(stage, seconds))
    stages = {
        stage: 1e3 * least.get(stage, 0.0) / len(sources)
        for stage in [*dict.fromkeys(c[0] for c in CALLS), REST]
    }
    return {"set": pictures.name, "photos": len(sources), "faces": faces, "cpu_ms_a_photo": stages}


def parsed() -> argparse.Namespace:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/stages.json")
    parser.add_argument("--sets", type=listed(tuple(PHOTOS)), default=list(PHOTOS))
    parser.add_argument("--model", default="mobilefacenet")
    parser.add_argument("--detector", default="auto")
    parser.add_argument(
        "--photos", type=int, default=64, help="at most so many of each set; default: %(default)s"
    )
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    return parser.parse_args()


def show(told: dict[str, Any]) -> None:
    stages = told["cpu_ms_a_photo"]
    total = sum(stages.values())
    table = Table(
        "stage", "ms a photo", "share", title=f"{told['set']}: {told['photos']} photos, {told['faces']} faces"
    )
    for stage, ms in stages.items():
        table.add_row(stage, f"{ms:.2f}", f"{ms / total:.1%}")
    table.add_row("all", f"{total:.2f}", "")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
