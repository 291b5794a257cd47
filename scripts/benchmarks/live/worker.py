"""One contender of bench_live, in its own process and environment.

    python -m scripts.benchmarks.live.worker JOB

JOB is a JSON object: the contender's `module` and `options`. The worker prints a line when it is ready. Each line on
stdin is then a JSON object: `do` names a method of the contender, `with` its arguments. The answer is a line with the
seconds it took, wall clock and CPU of all threads, and under `told` what the method returned.
"""

from __future__ import annotations

from scripts.benchmarks.pipeline.worker import serve

if __name__ == "__main__":
    serve("told", lambda contender, asked: getattr(contender, asked["do"])(**asked["with"]))
