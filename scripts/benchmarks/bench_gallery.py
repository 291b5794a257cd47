"""Galleries of faces beside other vector stores, in one run: the cost of each, and how often it is right.

    python -m scripts.benchmarks.bench_gallery [--templates 10k,100k,1M] [--contenders NAME,...] [--synthetic]

The templates are those of LFW View 1 and vectors drawn from their mean and covariance (gallery/data.py). Without LFW
the script stops, unless --synthetic asks for random vectors. Each contender runs in three processes. The first builds
the gallery with all threads and answers batches of 1000. The second has one core: it opens the gallery, answers single
probes, adds and removes. The third opens the changed gallery. Rivals are installed in bench/env-NAME and stay there.
If a rival is missing, fails, takes too long or answers wrongly, its row says so.

Opening times exclude the import of the library (the JSON has it); the files are in the system's cache. Memory is the
growth of the process, mapped files included, from an interpreter that has loaded NumPy alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.table import Column, Table

from enrollment_db.search.index import Kind
from scripts import command, machine
from scripts.benchmarks.gallery.contenders import RIVALS, spec_of
from scripts.benchmarks.gallery.data import TOLERANCE, Trial, lfw_people, prepare, synthetic_people
from scripts.benchmarks.gallery.runs import Limits, Row, run
from scripts.benchmarks.gallery.worker import BATCH, K

QUICK_PROBES = 100
COLUMNS: tuple[tuple[Any, ...], ...] = (
    ("build s", "build_s", ".2f"),
    ("add ms", "add.p50_ms", ".3g"),
    ("on disk", "add_saved.p50_ms", ".3g"),
    ("remove ms", "remove.p50_ms", ".3g"),
    ("on disk", "remove_saved.p50_ms", ".3g"),
    ("p50 ms", "single.p50_ms", ".3g"),
    ("p99 ms", "single.p99_ms", ".3g"),
    ("probes", "single.probes", "d"),
    ("batch /s", "batch.probes_per_s", ",.0f"),
    ("probes", "batch.probes", "d"),
    ("MB peak", "peak_bytes", ",.0f", 1e-6),
    ("MB open", "use_bytes", ",.0f", 1e-6),
    ("MB disk", "disk_bytes", ",.0f", 1e-6),
    ("open ms", "first_answer_s", ",.3g", 1e3),
    ("changed", "first_answer_changed_s", ",.3g", 1e3),
    ("rank-1", "batch.rank_1", ".4f"),
    ("exact, mated", "batch.exact_mated", ".2%"),
    ("all", "batch.exact", ".2%"),
)
CHANGES = {
    "add": "add",
    "add_saved": "add on disk",
    "remove": "remove",
    "remove_saved": "remove on disk",
    "bare_fsync": "a bare fsync",
}
UNITS = {"k": 1_000, "M": 1_000_000}


def main() -> None:
    arguments = parsed()
    people = (
        synthetic_people(dim=128)
        if arguments.synthetic
        else lfw_people(arguments.model, arguments.data, arguments.cache)
    )
    specs = [spec_of(name) for name in arguments.contenders or default_contenders(quick=arguments.quick)]
    limits = Limits(arguments.threads, arguments.cap_s)
    report: dict[str, Any] = {
        "machine": {"cpu": machine.processor(), "cores": os.cpu_count(), "python": platform.python_version()},
        "threads": {"build and batch": limits.threads, "everything else": 1},
        "vectors": {"from": people.what, "real": len(people.vectors), "floats": people.vectors.shape[1]},
        "neighbours": K,
        "batch": BATCH,
        "tolerance": TOLERANCE,
        "contenders": {spec.name: {"means": spec.means, "requirements": spec.requirements} for spec in specs},
        "sizes": [],
    }
    arguments.cache.mkdir(parents=True, exist_ok=True)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    for count in arguments.templates:
        with tempfile.TemporaryDirectory(dir=arguments.cache, prefix="gallery-") as directory:
            trial = prepare(people, count, Path(directory), QUICK_PROBES if arguments.quick else None)
            size: dict[str, Any] = {"templates": count, **truth(trial), "rows": []}
            report["sizes"].append(size)
            for spec in specs:
                print(f"{count:,}: {spec.name}", file=sys.stderr)
                size["rows"] += run(spec, trial, arguments.cache, limits)
                size["pareto"] = front(size["rows"])
                size["pareto_on_disk"] = front([row for row in size["rows"] if "disk_bytes" in row])
                arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        show(size)
    print(f"threads: {limits.threads} for building and batches, one core for everything else")
    for line in growth(report["sizes"]):
        print(line)
    for spec in specs:
        print(f"{spec.name}: {spec.means}")
    print(f"written to {arguments.json}")
    if len(report["sizes"]) > 1:
        from scripts.benchmarks.gallery.plot import draw

        draw(report, arguments.figure)
        print(f"drawn in {arguments.figure}")
    if any(row["status"].startswith("wrong") for size in report["sizes"] for row in size["rows"]):
        sys.exit("bench_gallery: a contender answers wrongly; see its row")


def parsed() -> argparse.Namespace:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/gallery.json")
    parser.add_argument(
        "--templates", type=sizes, help="sizes of galleries; default: 10k,100k,1M, --quick: 10k"
    )
    parser.add_argument(
        "--contenders",
        type=lambda text: text.split(","),
        help="faceid, faceid:KIND (with another index), index:KIND (the index alone), "
        + ", ".join(spec.name for spec in RIVALS)
        + "; default: all of them, faceid with its own index only",
    )
    parser.add_argument("--model", default="dlib-resnet")
    parser.add_argument(
        "--synthetic", action="store_true", help="vectors that are no faces: for trying it out"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for building and for batches")
    parser.add_argument("--cap-s", type=float, default=900, help="the most a contender may take at one size")
    parser.add_argument(
        "--quick", action="store_true", help="few probes, and nothing that must be installed first"
    )
    parser.add_argument("--figure", type=Path, default=Path("docs/images/gallery.svg"))
    arguments = parser.parse_args()
    arguments.templates = arguments.templates or sizes("10k" if arguments.quick else "10k,100k,1M")
    return arguments


def sizes(text: str) -> list[int]:
    """10k,1M -> 10000, 1000000."""
    return [int(word.rstrip("kM")) * UNITS.get(word[-1], 1) for word in text.split(",")]


def default_contenders(*, quick: bool) -> list[str]:
    """All, but those that want a GPU where there is none; with `quick` those that need no environment."""
    import faiss

    rivals = [spec.name for spec in RIVALS if not (quick and spec.requirements)]
    names = ["faceid", *(f"index:{kind}" for kind in get_args(Kind) if kind != "auto"), *rivals]
    return [name for name in names if "gpu" not in name or faiss.get_num_gpus()]


def truth(trial: Trial) -> dict[str, Any]:
    """What an exact search finds: the upper bound."""
    mated = trial.mates >= 0
    return {
        "mated_probes": int(mated.sum()),
        "non_mated_probes": int((~mated).sum()),
        "rank_1": float((trial.nearest[mated] == trial.mates[mated]).mean()),
    }


def costs(row: Row) -> tuple[float, float, float]:
    """Building time, share of probes without their exact nearest, median latency: less is better."""
    return row["build_s"], 1 - row["batch"]["exact"], row["single"]["p50_ms"]


def front(rows: list[Row]) -> dict[str, list[str]]:
    """The contenders that beat each one, as good in all three costs and better in one; empty on the front.

    One that was stopped after that counts too: to leave it out would flatter the others.
    """
    good = [
        row for row in rows if not row["status"].startswith("wrong") and {"batch", "single"} <= row.keys()
    ]

    def beats(one: Row, other: Row) -> bool:
        return costs(one) != costs(other) and all(
            a <= b for a, b in zip(costs(one), costs(other), strict=True)
        )

    return {row["contender"]: [other["contender"] for other in good if beats(other, row)] for row in good}


def show(size: dict[str, Any]) -> None:
    """What was measured, why figures are absent, and who is on the Pareto front. Of wrong answers nothing is shown."""
    table = Table(
        Column("contender", no_wrap=True),
        *(heading for heading, *_ in COLUMNS),
        title=f"{size['templates']:,} templates; exact search: rank-1 {size['rank_1']:.4f} of"
        f" {size['mated_probes']:,} mated probes, {size['non_mated_probes']:,} non-mated ones",
    )
    for row in size["rows"]:
        if "build_s" in row and not row["status"].startswith("wrong"):
            table.add_row(row["contender"], *(cell(row, *figure) for _, *figure in COLUMNS))
    Console(width=200).print(table)
    for row in size["rows"]:
        if row["status"] != "ok":
            print(f"{row['contender']}: {row['status']}")
    for key, whom in (("pareto", "all"), ("pareto_on_disk", "those that can be opened again")):
        beaten = size[key]
        print(f"Pareto front (building time, share with the exact nearest, median latency) of {whom}:")
        print("  " + (", ".join(name for name, by in beaten.items() if not by) or "none"))
        for name in (row["contender"] for row in size["rows"] if row["ours"] and row["contender"] in beaten):
            better = ", ".join(beaten[name]) or "none"
            worse = ", ".join(other for other, by in beaten.items() if name in by) or "none"
            print(f"  {name}: beaten in all three by {better}; beats {worse}")


def cell(row: Row, path: str, form: str, factor: float = 1) -> str:
    """The figure at a dotted path; `-` where it makes no sense or was not measured."""
    value: Any = row
    for key in path.split("."):
        value = value.get(key) if value is not None else None
    return "-" if value is None else format(value * factor, form)


def growth(all_sizes: list[dict[str, Any]]) -> list[str]:
    """How much dearer one addition or removal is in the largest gallery than in the smallest, for each contender.

    Beside it, how much dearer a bare fsync was in the same directory: what was the disk's doing, not the size's.
    """
    smallest, largest = all_sizes[0], all_sizes[-1]
    before = {row["contender"]: row for row in smallest["rows"]}
    # Settings of the search share what adding and removing cost: one line for all of them.
    lines: dict[str, str] = {}
    for row in largest["rows"] if len(all_sizes) > 1 else []:
        old = before[row["contender"]]
        ratios = [
            f"{label} {row[key]['p50_ms'] / old[key]['p50_ms']:.1f} times"
            for key, label in CHANGES.items()
            if key in row and key in old
        ]
        name = row["contender"].partition(" ")[0]
        if ratios:
            lines[name] = (
                f"{name}, {smallest['templates']:,} to {largest['templates']:,}: {', '.join(ratios)}"
            )
    return list(lines.values())


if __name__ == "__main__":
    main()
