"""Run one contender of bench_gallery: its environment, its phases one after the other, its rows."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts import machine
from scripts.benchmarks.gallery.contenders import Spec
from scripts.benchmarks.gallery.data import Trial, judge
from scripts.benchmarks.rival_environments import Absent, last_line, python_of

WORKER = "scripts.benchmarks.gallery.worker"

Row = dict[str, Any]
"""What the table shows of one contender with one setting. `status` is `ok`, or says why figures are absent:
`absent: ...`, `over N s in PHASE`, `failed in PHASE: ...`, or `wrong: ...` where the answers are not to be had."""


class Stopped(Exception):
    """A phase did not end well."""


@dataclass(frozen=True)
class Limits:
    """Threads for building and for batches, and how long all phases of a contender may take together."""

    threads: int
    cap_s: float


def run(spec: Spec, trial: Trial, environments: Path, limits: Limits) -> list[Row]:
    """A row for each setting of the search, with whatever was measured until the end or a failure."""
    named = [
        {"contender": " ".join([spec.name, *(f"{key}={value}" for key, value in setting.items())])}
        for setting in spec.settings
    ]
    try:
        python = python_of(spec.environment, spec.requirements, environments)
    except Absent as reason:
        return [{**row, "status": f"absent: {reason}"} for row in named]
    directory = trial.directory / spec.name.replace(":", "-")
    directory.mkdir()
    job = {
        "module": spec.module,
        "options": spec.options,
        "settings": spec.settings,
        "directory": str(directory),
        "vectors": str(trial.vectors),
        "probes": str(trial.probes),
        "new_vectors": str(trial.new_vectors),
        "removable": str(trial.removable),
        "answers": str(trial.directory / f"answers-{directory.name}"),
        "dim": trial.dim,
        "count": trial.count,
    }
    measured: dict[str, dict[str, Any]] = {}
    status = "ok"
    started = time.monotonic()
    for phase in ("build", "use", "reopen"):
        if phase == "reopen" and "open_s" not in measured["use"]:
            break
        threads = limits.threads if phase == "build" else 1
        changes = {key: measured["use"][key] for key in ("added", "removed")} if phase == "reopen" else {}
        left = limits.cap_s - (time.monotonic() - started)
        try:
            measured[phase] = _phase(python, {**job, **changes, "phase": phase, "threads": threads}, left)
        except subprocess.TimeoutExpired:
            status = f"over {limits.cap_s:g} s in {phase}"
            break
        except Stopped as reason:
            status = f"failed in {phase}: {reason}"
            break
    return [
        _row(row, status, number, spec, trial, job["answers"], measured) for number, row in enumerate(named)
    ]


def _phase(python: Path, job: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """What the worker measured. Raises Stopped or subprocess.TimeoutExpired; then the process is gone."""
    threads = str(job["threads"])
    libraries = ("OMP", "OPENBLAS", "MKL")
    environment = {
        **machine.environment(),
        **{f"{library}_NUM_THREADS": threads for library in libraries},
    }
    process = subprocess.Popen(
        machine.run_module(WORKER, json.dumps(job), python=python),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, errors = process.communicate(timeout=max(timeout_s, 0))
    finally:
        if process.returncode is None:
            # Its own children too: it leads a session.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        raise Stopped(last_line(errors) or f"exit {process.returncode}")
    return json.loads(last_line(out))


def _row(
    row: Row,
    status: str,
    number: int,
    spec: Spec,
    trial: Trial,
    answers: str,
    measured: dict[str, dict[str, Any]],
) -> Row:
    row = {**row, "ours": spec.ours}
    faults = []
    for phase in ("build", "use"):
        row |= {key: value for key, value in measured.get(phase, {}).items() if not isinstance(value, list)}
    for phase, kind in (("build", "batch"), ("use", "single")):
        if phase not in measured:
            continue
        verdict = judge(trial, np.load(f"{answers}-{kind}-{number}.npy"))
        figures = measured[phase]["batches" if kind == "batch" else "singles"][number]
        row[kind] = {**figures, **asdict(verdict)}
        if verdict.fault is not None:
            faults.append(verdict.fault)
        if verdict.exact < spec.least_exact:
            faults.append(
                f"the exact nearest of {verdict.exact:.2%} of the probes, {spec.least_exact:.0%} was stated"
            )
    faults += _lost(measured.get("use", {}), "", spec)
    if "reopen" in measured:
        row["open_changed_s"] = measured["reopen"]["open_s"]
        row["first_answer_changed_s"] = measured["reopen"]["first_answer_s"]
        again = {**measured["use"], **measured["reopen"]}
        faults += _lost(again, " after opening again", spec)
    return {**row, "status": f"wrong: {'; '.join(faults)}" if faults else status}


def _lost(figures: dict[str, Any], when: str, spec: Spec) -> list[str]:
    if "added" not in figures:
        return []
    lost = []
    if figures["added_found"] < spec.least_exact * figures["added"]:
        lost.append(f"{figures['added_found']} of {figures['added']} added vectors are found{when}")
    if figures["removed_found"]:
        lost.append(f"{figures['removed_found']} of {figures['removed']} removed vectors are found{when}")
    return lost
