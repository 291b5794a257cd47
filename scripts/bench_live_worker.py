"""One contender of bench_live.py, in a process and an environment of its own.

    python bench_live_worker.py JOB

JOB is a JSON object: the contender's `module` and `options`. When it is ready it says so, then each line on stdin is a
JSON object: what to `do`, a method of the contender, `with` which arguments. The answer is a line with the seconds it
took, wall clock and CPU of all threads, and what the method `told`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from typing import Any

from bench_pipeline_worker import cpu_seconds


def main() -> None:
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
        told = getattr(contender, asked["do"])(**asked["with"])
        answer({"seconds": time.perf_counter() - started, "cpu_s": cpu_seconds() - cpu, "told": told})


if __name__ == "__main__":
    main()
