"""One phase of one contender of bench_gallery, in its own process and environment.

    python -m scripts.benchmarks.gallery.worker JOB

JOB is a JSON object. The last line on stdout is another one, with the measurements. There are three phases: `build`
with all allowed threads, then `use` and `reopen`, each in a fresh process with one core. The worker needs NumPy and
the contender's library, nothing else.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.benchmarks.gallery.contenders import Contender, blocks_of

K = 10
"""Neighbours asked for: an identification looks at several before it decides."""

BATCH = 1000
BATCH_S, SINGLES_S, CHANGES_S = 30.0, 20.0, 10.0
"""About how long the probes of one setting may take, and the changes of one kind."""

LEAST_SINGLES, LEAST_SLOW_SINGLES, SLOW_S = 200, 30, 0.1
CHANGES, SAVED_CHANGES, SYNCS = 100, 3, 25


def main() -> None:
    job = json.loads(sys.argv[1])
    if job["threads"] == 1 and hasattr(os, "sched_setaffinity"):
        # Not every library can be told; this they all obey.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    before = memory()
    started = time.perf_counter()
    module = importlib.import_module(job["module"])
    result: dict[str, Any] = {"import_s": time.perf_counter() - started}
    contender = module.make(
        Path(job["directory"]), job["dim"], job["count"], job["threads"], **job["options"]
    )
    phases = {"build": build, "use": use, "reopen": reopen}
    phases[job["phase"]](contender, job, before, result)
    print(json.dumps(result))


def build(contender: Contender, job: dict[str, Any], before: dict[str, int], result: dict[str, Any]) -> None:
    """Build, save, and answer all probes in batches; files are measured when they are closed."""
    forget_peak()
    started = time.perf_counter()
    contender.build(blocks_of(Path(job["vectors"])))
    contender.save()
    result["build_s"] = time.perf_counter() - started
    probes = np.load(job["probes"])
    result["batches"] = []
    for number, setting in enumerate(job["settings"]):
        contender.tune(**setting)
        answers, seconds = batches(contender, probes)
        np.save(f"{job['answers']}-batch-{number}.npy", answers)
        result["batches"].append({"probes": len(answers), "probes_per_s": len(answers) / seconds})
    result["peak_bytes"] = memory()["peak"] - before["rss"]
    contender.close()
    if contender.persistent:
        files = [path for path in Path(job["directory"]).rglob("*") if path.is_file()]
        result["disk_bytes"] = sum(path.stat().st_size for path in files)


def use(contender: Contender, job: dict[str, Any], before: dict[str, int], result: dict[str, Any]) -> None:
    """Open, answer probes one by one, then change things; what is not kept is built first, untimed."""
    probes = np.load(job["probes"])
    contender_opened(contender, job, probes, result)
    result["singles"] = []
    for number, setting in enumerate(job["settings"]):
        contender.tune(**setting)
        answers, seconds = singles(contender, probes)
        np.save(f"{job['answers']}-single-{number}.npy", answers)
        result["singles"].append({"probes": len(answers), **percentiles(seconds)})
    after = memory()
    result["use_bytes"] = after["rss"] - before["rss"]
    result["use_anonymous_bytes"] = after["anonymous"] - before["anonymous"]
    if contender.saves:
        contender.close()
        contender = importlib.import_module(job["module"]).make(
            Path(job["directory"]), job["dim"], job["count"], job["threads"], **job["options"]
        )
        contender.open(writable=True)
        contender.tune(**job["settings"][-1])
    change(contender, job, result)
    contender.close()


def reopen(contender: Contender, job: dict[str, Any], before: dict[str, int], result: dict[str, Any]) -> None:
    """Open what was changed, and look whether the changes have lasted."""
    contender_opened(contender, job, np.load(job["probes"]), result)
    contender.tune(**job["settings"][-1])
    look(contender, job, result, job["added"], job["removed"])
    contender.close()


def contender_opened(
    contender: Contender, job: dict[str, Any], probes: NDArray[np.float32], result: dict[str, Any]
) -> None:
    """Time from a closed gallery to the first answer; the files are in the system's cache."""
    if not contender.persistent:
        contender.build(blocks_of(Path(job["vectors"])))
        return
    started = time.perf_counter()
    contender.open(writable=False)
    result["open_s"] = time.perf_counter() - started
    contender.tune(**job["settings"][0])
    contender.search(probes[:1], K)
    result["first_answer_s"] = time.perf_counter() - started


def change(contender: Contender, job: dict[str, Any], result: dict[str, Any]) -> None:
    """Add and remove one by one; with those that save as a whole also each with a saving."""
    vectors, removable = np.load(job["new_vectors"]), np.load(job["removable"]).tolist()
    first = job["count"]

    def add(number: int) -> None:
        contender.add(first + number, vectors[number])

    def remove(number: int) -> None:
        contender.remove(removable[number])

    done = {}
    syncs = bare_syncs(contender.directory)
    for name, step in (("add", add), ("remove", remove)):
        seconds = timed(step, range(CHANGES))
        in_memory = {"n": len(seconds), **percentiles(seconds)}
        number = done[name] = len(seconds)
        if contender.saves:

            def saved(number: int, step: Callable[[int], None] = step) -> None:
                step(number)
                contender.save()

            seconds = timed(saved, range(number, number + SAVED_CHANGES))
            result[f"{name}_saved"] = {"n": len(seconds), **percentiles(seconds)}
            done[name] += len(seconds)
            result[name] = in_memory
        else:
            # Without a saving of its own, the change is on the disk already; or nothing ever is.
            result[name if not contender.persistent else f"{name}_saved"] = in_memory
    if contender.persistent:
        syncs = np.concatenate([syncs, bare_syncs(contender.directory)])
        result["bare_fsync"] = {"n": len(syncs), **percentiles(syncs)}
    result["added"], result["removed"] = done["add"], done["remove"]
    look(contender, job, result, done["add"], done["remove"])


def bare_syncs(directory: Path) -> NDArray[np.float64]:
    """The seconds of writing 4 KiB and having them on the disk: what the disk, or its other users, cost alone."""
    path = directory / "sync.bin"
    with path.open("wb", buffering=0) as file:

        def step(number: int) -> None:
            file.write(bytes(4096))
            os.fsync(file.fileno())

        seconds = timed(step, range(SYNCS))
    path.unlink()
    return seconds


def look(contender: Contender, job: dict[str, Any], result: dict[str, Any], added: int, removed: int) -> None:
    """Search for the vectors that were added and for those that were removed."""
    new = np.load(job["new_vectors"])[:added]
    found = np.concatenate([contender.search(new[i : i + 1], K) for i in range(added)])
    result["added_found"] = int((found[:, 0] == job["count"] + np.arange(added)).sum())
    gone = np.load(job["removable"])[:removed]
    vectors = np.array(np.load(job["vectors"], mmap_mode="r")[gone])
    found = np.concatenate([contender.search(vectors[i : i + 1], K) for i in range(removed)])
    result["removed_found"] = int((found == gone[:, None]).any(axis=1).sum())


def batches(contender: Contender, probes: NDArray[np.float32]) -> tuple[NDArray[np.int64], float]:
    """As many probes as there is time for, a thousand at once: ids (n, K) and seconds."""
    trial = min(20, len(probes))
    started = time.perf_counter()
    contender.search(probes[:trial], K)
    each = (time.perf_counter() - started) / trial
    count = min(len(probes), max(trial, int(BATCH_S / each)))
    started = time.perf_counter()
    answers = [
        contender.search(probes[start : min(start + BATCH, count)], K) for start in range(0, count, BATCH)
    ]
    seconds = time.perf_counter() - started
    return np.concatenate(answers), seconds


def singles(
    contender: Contender, probes: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Probes one by one, at most a thousand of them: ids (n, K) and the seconds of each."""
    for i in range(min(5, len(probes))):
        contender.search(probes[i : i + 1], K)
    answers, seconds = [], []
    for i in range(min(len(probes), BATCH)):
        started = time.perf_counter()
        answers.append(contender.search(probes[i : i + 1], K))
        seconds.append(time.perf_counter() - started)
        total, n = sum(seconds), len(seconds)
        if total > SINGLES_S and (n >= LEAST_SINGLES or (n >= LEAST_SLOW_SINGLES and total / n > SLOW_S)):
            break
    return np.concatenate(answers), np.array(seconds)


def timed(step: Callable[[int], None], numbers: range) -> NDArray[np.float64]:
    """The seconds of each step, of fewer where they take long."""
    seconds: list[float] = []
    for number in numbers:
        started = time.perf_counter()
        step(number)
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > CHANGES_S and len(seconds) >= SAVED_CHANGES:
            break
    return np.array(seconds)


def percentiles(seconds: NDArray[np.float64]) -> dict[str, float]:
    p50, p99 = 1e3 * np.percentile(seconds, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99)}


def memory() -> dict[str, int]:
    """Bytes of this process in memory, now and at most: all its pages, those of mapped files too."""
    rollup = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8")
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return {
        "rss": _kib(rollup, "Rss"),
        "anonymous": _kib(rollup, "Anonymous"),
        "peak": _kib(status, "VmHWM"),
    }


def forget_peak() -> None:
    """Have the kernel count the greatest size anew from now on."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def _kib(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    assert found is not None, f"no {name} in what the kernel says of this process"
    return 1024 * int(found[1])


if __name__ == "__main__":
    main()
