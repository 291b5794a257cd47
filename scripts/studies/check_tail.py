"""How well a fitted tail predicts thresholds: from a part of LFW View 1, checked on all of it.

    python -m scripts.studies.check_tail [--data DIR] [--seeds N] [--json FILE] [MODEL ...]

A part of the non-mated pairs is drawn, by pairs or by people (a few identities and all pairs among them). The tail is
fitted as `faceid.evaluation.statistics.tail` does. Its thresholds at FMR 1e-5 and 1e-6 are compared with those counted
on all pairs, with corrected labels (datasets/lfw.py). "Observed" is the FMR on all pairs at the predicted threshold.
"Counted" is the same for the threshold that counting on the part gives, without a fit. "Covered" is the share of 95 %
intervals that hold the threshold counted on all pairs: by likelihood alone, and with people resampled.

A second table fits all pairs and extrapolates to FMR 1e-9, where no check is possible, once with LFW's own labels.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.config import Settings
from faceid.evaluation.statistics.bootstrap import Resample, resample
from faceid.evaluation.statistics.metrics import threshold_at_count
from faceid.evaluation.statistics.scores import AllPairs, compare_all
from faceid.evaluation.statistics.tail import MAX_EXCEEDANCES, Resampled, TailFit, TailRefused, fit_tail
from faceid.networks import registry
from scripts import command
from scripts.datasets import lfw

TARGETS = (1e-5, 1e-6)
FAR_TARGETS = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
PARTS = (0.1, 0.01, 0.001)
REPLICATES = 200
KEPT = 1_500_000


@dataclass(frozen=True, eq=False)
class Part:
    """The nearest non-mated distances of a part of the pairs, with the identities compared."""

    distance: NDArray[np.float64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    total: int


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/tail.json")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="default: all that are installed")
    parser.add_argument("--seeds", type=int, default=50)
    arguments = parser.parse_args()
    photos = lfw.lfw_photos(lfw.data_directory(arguments.data), arguments.cache)
    weights = Settings.load().weights_dir
    models = arguments.models or [
        card.name for card in registry.cards() if registry.status(card, weights) == "installed"
    ]
    rows: list[dict[str, Any]] = []
    far_rows: list[dict[str, Any]] = []
    for model in models:
        templates = lfw.templates(photos, model, arguments.cache)
        corrected = lfw.labelled(templates)
        pairs = compare_all(corrected.vectors, corrected.identity, corrected.model.metric, keep=KEPT)
        for drawn in ("pairs", "people"):
            for share in PARTS:
                rows += check(model, pairs, drawn, share, arguments.seeds)
        far_rows += extrapolate(model, "corrected", pairs)
        own = [path.parent.name for path in templates.paths]
        far_rows += extrapolate(
            model, "LFW's own", compare_all(templates.vectors, own, templates.model.metric, keep=KEPT)
        )
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(
        json.dumps({"seeds": arguments.seeds, "parts": rows, "all_pairs": far_rows}, indent=2) + "\n",
        encoding="utf-8",
    )
    show(rows, far_rows)
    print(f"written to {arguments.json}")


def check(model: str, pairs: AllPairs, drawn: str, share: float, seeds: int) -> list[dict[str, Any]]:
    """One row a target: fits on parts of the pairs, one a seed."""
    results: dict[float, list[dict[str, float]]] = {target: [] for target in TARGETS}
    refused: dict[float, Counter[str]] = {target: Counter() for target in TARGETS}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        people = resample(int(pairs.identity.max()) + 1, rng, REPLICATES)
        if drawn == "pairs":
            part = some_pairs(pairs, share, rng)
            totals = people.non_mated_total(np.bincount(pairs.identity)) * (part.total / pairs.non_mated)
        else:
            chosen = some_people(pairs, share, rng)
            part = pairs_among(pairs, chosen)
            people = resample(int(chosen.sum()), rng, REPLICATES)
            totals = people.non_mated_total(np.bincount(pairs.identity)[chosen])
        try:
            plain, wide = fits(part, people, totals, seed)
        except TailRefused as refusal:
            for target in TARGETS:
                refused[target][refusal.code] += 1
            continue
        for target in TARGETS:
            try:
                results[target].append(prediction(plain, wide, part, pairs, target))
            except TailRefused as refusal:
                refused[target][refusal.code] += 1
    return [
        {
            "model": model,
            "drawn": drawn,
            "share": share,
            "target": target,
            "true_threshold": counted_threshold(pairs.nearest.distance, pairs.non_mated, target),
            "predicted": len(results[target]),
            "refused": dict(refused[target]),
            **summary(results[target]),
        }
        for target in TARGETS
    ]


def fits(part: Part, people: Resample, totals: NDArray[np.float64], seed: int) -> tuple[TailFit, TailFit]:
    """One fit with two intervals: by likelihood alone, and with people resampled."""
    near = min(part.distance.size, MAX_EXCEEDANCES, math.floor(part.total * 0.01))
    resampled = Resampled(people.pair_weights(part.first[:near], part.second[:near]), totals)
    wide = fit_tail(part.distance, part.total, np.random.default_rng(seed), resampled=resampled)
    return replace(wide, replicates=np.empty((3, 0))), wide


def prediction(plain: TailFit, wide: TailFit, part: Part, pairs: AllPairs, target: float) -> dict[str, float]:
    """What the fit and what counting on the part say about a target, and what all pairs say about both."""
    truth = counted_threshold(pairs.nearest.distance, pairs.non_mated, target)
    found, found_wide = plain.threshold_at(target), wide.threshold_at(target)
    counted = counted_threshold(part.distance, part.total, target)
    return {
        "exceedances": plain.exceedances,
        "shape": plain.shape,
        "error": found.threshold - truth,
        "observed": observed(pairs, found.threshold),
        "counted": observed(pairs, counted),
        "covered": found.low <= truth <= found.high,
        "covered_people": found_wide.low <= truth <= found_wide.high,
        "width_people": found_wide.high - found_wide.low,
    }


def summary(results: list[dict[str, float]]) -> dict[str, float | list[float]]:
    """Medians, the 5 and 95 % quantiles over the seeds, and shares."""
    if not results:
        return {}
    columns = {name: np.array([result[name] for result in results], dtype=np.float64) for name in results[0]}

    def spread(name: str) -> list[float]:
        return [float(value) for value in np.quantile(columns[name], [0.05, 0.5, 0.95])]

    return {
        **{name: spread(name) for name in ("exceedances", "shape", "error", "observed", "counted")},
        **{name: float(columns[name].mean()) for name in ("covered", "covered_people", "width_people")},
    }


def some_pairs(pairs: AllPairs, share: float, rng: np.random.Generator) -> Part:
    """A random share of all non-mated pairs; only the nearest are looked at."""
    total = round(pairs.non_mated * share)
    kept = pairs.nearest.distance.size
    # How many of the drawn pairs are among those kept.
    near = int(rng.hypergeometric(kept, pairs.non_mated - kept, total))
    index = np.sort(rng.choice(kept, near, replace=False))
    nearest = pairs.nearest
    return Part(
        nearest.distance[index],
        pairs.identity[nearest.first[index]],
        pairs.identity[nearest.second[index]],
        total,
    )


def some_people(pairs: AllPairs, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Random identities, as many as hold about `share` of all non-mated pairs among them."""
    templates = np.bincount(pairs.identity)
    order = rng.permutation(templates.size)
    held = np.cumsum(templates[order])
    among = (held**2 - np.cumsum(templates[order] ** 2)) / 2
    chosen = np.zeros(templates.size, dtype=bool)
    chosen[order[: int(np.searchsorted(among, share * pairs.non_mated)) + 1]] = True
    return chosen


def pairs_among(pairs: AllPairs, chosen: NDArray[np.bool_]) -> Part:
    """The nearest non-mated pairs among some identities, numbered anew from 0."""
    number = np.cumsum(chosen) - 1
    first, second = pairs.identity[pairs.nearest.first], pairs.identity[pairs.nearest.second]
    inside = chosen[first] & chosen[second]
    templates = np.bincount(pairs.identity)[chosen]
    return Part(
        pairs.nearest.distance[inside],
        number[first[inside]],
        number[second[inside]],
        int((templates.sum() ** 2 - (templates**2).sum()) // 2),
    )


def counted_threshold(nearest: NDArray[np.float64], total: int, rate: float) -> float:
    """The threshold that counting gives; where not one pair may match, just under the nearest."""
    return threshold_at_count(nearest, math.floor(rate * total))


def observed(pairs: AllPairs, threshold: float) -> float:
    return float(np.searchsorted(pairs.nearest.distance, threshold, side="right")) / pairs.non_mated


def extrapolate(model: str, labels: str, pairs: AllPairs) -> list[dict[str, Any]]:
    """The tail of all pairs, down to rates that nothing can check."""
    rng = np.random.default_rng(0)
    people = resample(int(pairs.identity.max()) + 1, rng, REPLICATES)
    nearest = pairs.nearest
    part = Part(
        nearest.distance, pairs.identity[nearest.first], pairs.identity[nearest.second], pairs.non_mated
    )
    base = {"model": model, "labels": labels}
    try:
        _, fit = fits(part, people, people.non_mated_total(np.bincount(pairs.identity)), 0)
    except TailRefused as refusal:
        return [{**base, "refused": refusal.code}]
    rows = []
    for target in FAR_TARGETS:
        row = {**base, "target": target, "exceedances": fit.exceedances, "shape": fit.shape, "p": fit.p_value}
        if target * pairs.non_mated >= 1:
            row["counted"] = counted_threshold(nearest.distance, pairs.non_mated, target)
        try:
            found = fit.threshold_at(target)
            row |= {"threshold": found.threshold, "low": found.low, "high": found.high}
        except TailRefused as refusal:
            row["refused"] = refusal.code
        rows.append(row)
    return rows


def show(rows: list[dict[str, Any]], far_rows: list[dict[str, Any]]) -> None:
    table = Table(
        "network", "drawn", "part", "FMR", "fits", "refused", "error of the threshold", "observed FMR, 5 .. 95 %",
        "counted", "covered", "with people",
    )  # fmt: skip
    for row in rows:
        refused = ", ".join(f"{count} {code}" for code, count in row["refused"].items())
        cells = [row["model"], row["drawn"], f"{row['share']:.1%}", f"{row['target']:.0e}"]
        if not row["predicted"]:
            table.add_row(*cells, "0", refused)
            continue
        error, seen, counted = row["error"], row["observed"], row["counted"]
        table.add_row(
            *cells,
            str(row["predicted"]),
            refused,
            f"{error[1]:+.4f} ({error[0]:+.4f} .. {error[2]:+.4f})",
            f"{seen[1]:.1e} ({seen[0]:.1e} .. {seen[2]:.1e})",
            f"{counted[1]:.1e} ({counted[0]:.1e} .. {counted[2]:.1e})",
            f"{row['covered']:.0%}",
            f"{row['covered_people']:.0%}",
        )
    console = Console(width=200)
    console.print(table)
    far = Table("network", "labels", "shape", "p", "FMR", "threshold", "95 % interval", "counted", "refused")
    for row in far_rows:
        far.add_row(
            row["model"],
            row["labels"],
            f"{row['shape']:.3f}" if "shape" in row else "",
            f"{row['p']:.2f}" if "p" in row else "",
            f"{row['target']:.0e}" if "target" in row else "",
            f"{row['threshold']:.4f}" if "threshold" in row else "",
            f"{row['low']:.4f} .. {row['high']:.4f}" if "low" in row else "",
            f"{row['counted']:.4f}" if "counted" in row else "",
            row.get("refused", ""),
        )
    console.print(far)


if __name__ == "__main__":
    main()
