"""Verification accuracy on LFW View 1 for each installed network.

    python -m scripts.benchmarks.bench_lfw [--data DIR] [--json FILE] [MODEL ...]

The threshold comes from pairsDevTrain, accuracy and EER from pairsDevTest. TMR at FMR comes from all pairs of the 4,992
photos with corrected labels (datasets/lfw.py), as in the model cards. If a pair of a pairs file has a photo without a
detected face, the pair counts as an error. The pairs files keep their label errors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.config import Settings
from faceid.evaluation.statistics.intervals import wilson
from faceid.evaluation.statistics.metrics import accuracy, best_threshold, eer, threshold_at_fmr, tmr_at_fmr
from faceid.evaluation.statistics.scores import distances
from faceid.networks import registry
from scripts import command
from scripts.datasets import lfw
from scripts.studies.calibrate_card import blocks

RATES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/lfw.json")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="default: all that are installed")
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    weights = Settings.load().weights_dir
    models = arguments.models or [
        card.name for card in registry.cards() if registry.status(card, weights) == "installed"
    ]
    rows = [evaluate(data, arguments.cache, model) for model in models]
    command.write_report(arguments.json, rows)

    table = Table(
        "network", "threshold", "accuracy", "95 % interval", "EER", *(f"TMR at {rate:.0e}" for rate in RATES)
    )
    for row in rows:
        table.add_row(
            row["model"],
            f"{row['threshold']:.4f}",
            f"{row['accuracy']:.2%}",
            f"{row['accuracy_low']:.2%} .. {row['accuracy_high']:.2%}",
            f"{row['eer']:.2%}",
            *(f"{row['tmr'][f'{rate:g}']:.3f}" for rate in RATES),
        )
    Console(width=140).print(table)
    for row in rows:
        print(
            f"{row['model']}: {row['mated']:,} mated and {row['non_mated']:,} non-mated pairs,"
            f" {row['without_face']} photos without a face"
        )
    print(f"written to {arguments.json}")


def evaluate(data: Path, cache: Path, model: str) -> dict[str, object]:
    """All figures of one network."""
    photos = lfw.lfw_photos(data, cache)
    templates = lfw.templates(photos, model, cache)
    metric = templates.model.metric
    index = {path.name: number for number, path in enumerate(templates.paths)}

    train_mated, train_non_mated, _ = pair_distances(data, "pairsDevTrain", templates, index)
    mated, non_mated, lost = pair_distances(data, "pairsDevTest", templates, index)
    threshold = best_threshold(train_mated, train_non_mated)
    compared = mated.size + non_mated.size
    right = round(accuracy(mated, non_mated, threshold) * compared)
    interval = wilson(right, compared + lost)

    right = lfw.labelled(templates)
    parts = [
        (distances(similarities, metric), same)
        for similarities, same in blocks(right.vectors, right.identity)
    ]
    all_mated = np.concatenate([part[same] for part, same in parts])
    all_non_mated = np.concatenate([part[~same] for part, same in parts])
    return {
        "model": model,
        "metric": metric,
        "threshold": threshold,
        "accuracy": interval.rate,
        "accuracy_low": interval.low,
        "accuracy_high": interval.high,
        "eer": eer(mated, non_mated),
        "mated": int(all_mated.size),
        "non_mated": int(all_non_mated.size),
        "without_face": templates.without_face,
        "pairs_lost": lost,
        "tmr": {f"{rate:g}": tmr_at_fmr(all_mated, all_non_mated, rate) for rate in RATES},
        "distance_at_fmr": {f"{rate:g}": threshold_at_fmr(all_non_mated, rate) for rate in RATES},
    }


def pair_distances(
    data: Path, part: str, templates: lfw.Templates, index: dict[str, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Distances of the mated and non-mated pairs of a pairs file, and how many lack a face."""
    found: dict[bool, list[float]] = {True: [], False: []}
    lost = 0
    for first, second, mated in lfw.pairs(data, part):
        if first in index and second in index:
            found[mated].append(float(templates.vectors[index[first]] @ templates.vectors[index[second]]))
        else:
            lost += 1
    metric = templates.model.metric
    return (
        distances(np.array(found[True], dtype=np.float32), metric),
        distances(np.array(found[False], dtype=np.float32), metric),
        lost,
    )


if __name__ == "__main__":
    main()
