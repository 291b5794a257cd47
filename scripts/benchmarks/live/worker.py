"""One contender of bench_live.py, in a process and an environment of its own.

    python -m scripts.benchmarks.live.worker JOB

JOB is a JSON object: the contender's `module` and `options`. When it is ready it says so, then each line on stdin is a
JSON object: what to `do`, a method of the contender, `with` which arguments. The answer is a line with the seconds it
took, wall clock and CPU of all threads, and what the method `told`.
"""

from __future__ import annotations

from scripts.benchmarks.pipeline.worker import serve

if __name__ == "__main__":
    serve("told", lambda contender, asked: getattr(contender, asked["do"])(**asked["with"]))
