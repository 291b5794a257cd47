"""How long the metrics take: a million scores, and all pairs of some templates.

    python -m scripts.benchmarks.bench_metrics [--scores N] [--templates N] [--json FILE]

The scores are random (one in ten is mated), and so are the templates: 4,986 vectors of 128 numbers make 12.4 million
pairs, as LFW View 1 does. Memory is the peak of the process before and after all pairs are compared.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from faceid.evaluation.statistics import metrics
from faceid.evaluation.statistics.bootstrap import at_fmr, fmr_interval, fnmr_interval, resample
from faceid.evaluation.statistics.caveats import caveats
from faceid.evaluation.statistics.curves import det
from faceid.evaluation.statistics.evidence import fit_evidence
from faceid.evaluation.statistics.scores import AllPairs, compare_all
from faceid.evaluation.statistics.tail import fit_tail
from scripts import command

PHOTOS_EACH = 2


def main() -> None:
    parser = command.parser(__doc__, report="bench/metrics.json")
    parser.add_argument("--scores", type=int, default=1_000_000)
    parser.add_argument("--templates", type=int, default=4986)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    mated = rng.normal(0.3, 0.1, arguments.scores // 10)
    non_mated = rng.normal(0.8, 0.1, arguments.scores - mated.size)
    vectors = rng.normal(size=(arguments.templates // PHOTOS_EACH, 128)).repeat(PHOTOS_EACH, axis=0)
    vectors += 0.7 * rng.normal(size=vectors.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    identity = np.arange(len(vectors)) // PHOTOS_EACH

    seconds: dict[str, float] = {}

    def timed(name: str, run: Callable[[], object]) -> None:
        start = time.perf_counter()
        run()
        seconds[name] = time.perf_counter() - start

    timed("DET, thinned", lambda: det(mated, non_mated).thinned())
    timed("EER", lambda: metrics.eer(mated, non_mated))
    timed("AUC", lambda: metrics.auc(mated, non_mated))
    timed("d'", lambda: metrics.d_prime(mated, non_mated))
    timed(
        "TMR at five FMR",
        lambda: [metrics.tmr_at_fmr(mated, non_mated, 10.0**-power) for power in range(1, 6)],
    )
    timed("caveats", lambda: caveats(mated, non_mated, 0.5, 1e-5))
    timed("evidence, isotonic, Cllr, minCllr", lambda: fit_evidence(mated, non_mated))
    timed("evidence, logistic", lambda: fit_evidence(mated, non_mated, "logistic"))
    timed("tail", lambda: fit_tail(non_mated, non_mated.size, rng))
    total = sum(seconds.values())

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found: list[AllPairs] = []
    timed("all pairs", lambda: found.append(compare_all(vectors, identity, "cosine")))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pairs = found[0]
    people = resample(int(identity.max()) + 1, rng)
    threshold = metrics.threshold_at_fmr(pairs.nearest.distance, 0.05)
    timed("FMR over 1,000 resamples", lambda: fmr_interval(people, pairs, threshold))
    timed("FNMR over 1,000 resamples", lambda: fnmr_interval(people, pairs, threshold))
    timed("TMR at FMR 1e-3 over 1,000 resamples", lambda: at_fmr(people, pairs, 1e-3))

    table = Table("step", "seconds")
    for name, value in seconds.items():
        table.add_row(name, f"{value:.2f}")
    Console().print(table)
    print(f"{arguments.scores:,} scores, all metrics: {total:.1f} s")
    print(
        f"{pairs.mated + pairs.non_mated:,} pairs of {len(vectors):,} templates in {seconds['all pairs']:.1f} s;"
        f" peak memory {before:.0f} -> {after:.0f} MiB"
    )
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(
        json.dumps(
            {"scores": arguments.scores, "seconds": seconds, "total": total, "peak_mib": [before, after]},
            indent=2,
        )
        + "\n",
        encoding="utf-8",
    )
    print(f"written to {arguments.json}")


if __name__ == "__main__":
    main()
