"""Run the contenders of bench_pipeline: their processes, their turns, and their results."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from faceid.evaluation.statistics.metrics import accuracy, best_threshold, eer
from scripts import machine
from scripts.benchmarks.pipeline.contenders import Spec
from scripts.benchmarks.pipeline.data import Pictures, hits
from scripts.benchmarks.rival_environments import Absent, last_line, python_of

WORKER = "scripts.benchmarks.pipeline.worker"
WARM_UP = 24

Row = dict[str, Any]
"""What the table shows of one system on one set. `status` is `ok`, or says why the other figures are absent."""


class Failed(Exception):
    """A system ended by itself."""


@dataclass
class System:
    """A contender's process, and what it did with the set at hand."""

    spec: Spec
    process: subprocess.Popen[str]
    said: IO[str]
    seconds: float = 0.0
    cpu_s: float = 0.0
    photos: list[list[Row]] = field(default_factory=list)

    @classmethod
    def started(cls, spec: Spec, environments: Path, stack: ExitStack, worker: str = WORKER) -> System:
        """Its process, ready to work, until `stack` ends. Raises Absent, Failed."""
        python = python_of(spec.environment, spec.requirements, environments, with_ours=True)
        said = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
        process = stack.enter_context(
            subprocess.Popen(
                machine.run_module(
                    worker, json.dumps({"module": spec.module, "options": spec.options}), python=python
                ),
                env=machine.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        )
        stack.callback(said.close)
        stack.callback(process.kill)
        system = cls(spec, process, said)
        system._answer()
        return system

    def look(self, paths: Sequence[str]) -> Row:
        """Have it work through pictures: seconds, CPU seconds and faces. Raises Failed."""
        return self.ask(list(paths))

    def ask(self, job: Any) -> Row:
        """What its worker answers to a line of JSON. Raises Failed."""
        assert self.process.stdin is not None
        # Who is gone has said why.
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
        return self._answer()

    def begin(self) -> None:
        """Forget what was done with another set."""
        self.seconds = self.cpu_s = 0.0
        self.photos = []

    def work(self, paths: Sequence[str]) -> None:
        """The same as `look`, counted."""
        told = self.look(paths)
        self.seconds += told["seconds"]
        self.cpu_s += told["cpu_s"]
        self.photos += told["photos"]

    def _answer(self) -> Row:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.said.seek(0)
            raise Failed(last_line(self.said.read()) or f"exit {code}")
        told: Row = json.loads(line)
        return told


def start(
    specs: Sequence[Spec], environments: Path, stack: ExitStack, worker: str = WORKER
) -> tuple[list[System], list[Row]]:
    """The systems that can be had here, and a row for each of the others."""
    systems, absent = [], []
    for spec in specs:
        try:
            systems.append(System.started(spec, environments, stack, worker))
        except (Absent, Failed) as reason:
            absent.append({"system": spec.name, "status": f"absent: {reason}"})
    return systems, absent


def race(systems: Sequence[System], pictures: Pictures, rounds: int) -> list[Row]:
    """A row for each system; all work through the pictures, in turns on parts of the set."""
    broken: dict[str, str] = {}

    def turn(system: System, what: Callable[[], object]) -> None:
        if system.spec.name not in broken:
            try:
                what()
            except Failed as reason:
                broken[system.spec.name] = f"failed: {reason}"

    for system in systems:
        # Sizes of buffers and choices of kernels depend on the pictures' size.
        system.begin()
        turn(system, lambda system=system: system.look(pictures.paths[:WARM_UP]))
    for part in np.array_split(np.array(pictures.paths), rounds):
        for system in systems:
            turn(system, lambda system=system, part=part: system.work(part.tolist()))
    rows = [
        {"system": system.spec.name, "status": broken[system.spec.name]}
        if system.spec.name in broken
        else {"system": system.spec.name, "status": "ok", **figures(system, pictures)}
        for system in systems
    ]
    first = next((row for row in rows if "photos_per_s" in row), None)
    for row in rows:
        if first is not None and "photos_per_s" in row:
            row["ratio"] = first["photos_per_s"] / row["photos_per_s"]
    return rows


def figures(system: System, pictures: Pictures) -> Row:
    """Speed, and how good the answers were."""
    count = len(pictures.paths)
    row: Row = {
        "photos_per_s": count / system.seconds,
        "ms_per_photo": 1e3 * system.seconds / count,
        "cpu_ms_per_photo": 1e3 * system.cpu_s / count,
        "cores_busy": system.cpu_s / system.seconds / machine.cores(),
        "boxes": sum(map(len, system.photos)),
    }
    if pictures.spots:
        found = [
            hits(spots, [face["box"] for face in faces])
            for spots, faces in zip(pictures.spots, system.photos, strict=True)
        ]
        row["found"] = sum(found) / sum(map(len, pictures.spots))
        row["others"] = row["boxes"] - sum(found)
    if pictures.pairs:
        row |= verified(pictures, system.photos)
    return row


def verified(pictures: Pictures, photos: Sequence[Sequence[Row]]) -> Row:
    """How well the templates tell mated from non-mated pairs."""
    templates = {
        Path(path).name: np.array(nearest(faces)["template"])
        for path, faces in zip(pictures.paths, photos, strict=True)
        if faces
    }
    found: dict[bool, list[float]] = {True: [], False: []}
    for first, second, mated in pictures.pairs:
        if first in templates and second in templates:
            found[mated].append(float(np.linalg.norm(templates[first] - templates[second])))
    mated, non_mated = np.array(found[True]), np.array(found[False])
    right = accuracy(mated, non_mated, best_threshold(mated, non_mated)) * (mated.size + non_mated.size)
    return {
        "without_face": len(pictures.paths) - len(templates),
        "accuracy": right / len(pictures.pairs),
        "eer": eer(mated, non_mated),
    }


def nearest(faces: Sequence[Row], middle: tuple[float, float] = (125, 125)) -> Row:
    """The face nearest to the middle of an LFW photo."""

    def distance(face: Row) -> float:
        x1, y1, x2, y2 = face["box"]
        return float(np.hypot((x1 + x2) / 2 - middle[0], (y1 + y2) / 2 - middle[1]))

    return min(faces, key=distance)
