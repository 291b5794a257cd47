"""One contender of bench_pipeline, in its own process and environment.

    python -m scripts.benchmarks.pipeline.worker JOB

JOB is a JSON object: the contender's `module` and `options`. The worker prints a line when it is ready. Each line on
stdin is then a list of paths. The answer is a line with the seconds it took, wall clock and CPU of all threads, and the
faces found.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any


def main() -> None:
    serve("photos", lambda contender, paths: contender.look(paths), faces)


def serve(
    name: str, do: Callable[[Any, Any], Any], plain: Callable[[Any], Any] = lambda result: result
) -> None:
    """Make the contender that the job names, say that it is ready, and answer each line until there is none.

    An answer has the seconds that `do` took with the contender and what was asked, and under `name` what it gave, made
    `plain` outside of that time.
    """
    job = json.loads(sys.argv[1])
    # What libraries print is none of the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(told: dict[str, Any]) -> None:
        print(json.dumps(told), file=answers, flush=True)

    contender = importlib.import_module(job["module"]).make(**job["options"])
    answer({"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        cpu, started = cpu_seconds(), time.perf_counter()
        result = do(contender, asked)
        seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
        answer({"seconds": seconds, "cpu_s": cpu, name: plain(result)})


def faces(looks: Any) -> list[Any]:
    """Boxes and templates as JSON knows them, a list for each picture."""
    # A contender may set up its process first.
    import numpy as np

    return [
        [
            {"box": np.asarray(box).tolist(), "template": np.asarray(template).tolist()}
            for box, template in found
        ]
        for found in looks
    ]


def cpu_seconds() -> float:
    """User and system time of this process so far, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
