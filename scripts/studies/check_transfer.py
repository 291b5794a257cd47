"""Do thresholds keep their rates elsewhere? Two experiments on real photos.

    python -m scripts.studies.check_transfer [--data DIR] [--model NAME] [--draws 20]

1. Thresholds are chosen on LFW View 1 and applied to CelebA in the wild, and the other way round. The table has the FMR
   predicted on the first set beside the FMR observed on the second, each with its interval over people.
2. Thresholds are chosen for an FPIR on a third of the people of LFW View 1. Galleries of 100, 500 and 1,500 others, one
   photo each, are then searched with non-mated probes, one photo of each remaining person. The table has the FPIR
   predicted beside the FPIR observed.

Templates are computed once and cached, and the label errors of LFW are corrected (datasets/lfw.py).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from faceid.errors import InputError
from faceid.evaluation.protocols.goals import at_fmr, predicted
from faceid.evaluation.statistics.comparisons import Comparisons, of_templates
from faceid.evaluation.statistics.intervals import Interval, wilson
from faceid.evaluation.statistics.scores import distances
from scripts import command
from scripts.datasets import lfw

TARGETS = (1e-2, 1e-3, 1e-4, 1e-5)
SIZES = (100, 500, 1500)
FPIRS = (0.1, 0.01)


@dataclass(frozen=True)
class Transfer:
    chosen_on: str
    applied_to: str
    target: float
    threshold: float
    predicted: Interval
    observed: Interval
    fnmr_predicted: Interval
    fnmr_observed: Interval
    extrapolated: bool


@dataclass(frozen=True)
class Search:
    identities: int
    target: float
    draws: int
    non_mated: int
    extrapolated: int
    predicted: Interval
    observed: Interval
    inside: int
    overlapping: int


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/transfer.json")
    parser.add_argument("--model", default="mobilefacenet")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    rng = np.random.default_rng(arguments.seed)
    press = lfw.labelled(
        lfw.templates(lfw.lfw_photos(data, arguments.cache), arguments.model, arguments.cache)
    )
    wild = lfw.templates(
        lfw.folder_photos(data / "celeba_wild" / "dev", arguments.cache), arguments.model, arguments.cache
    )
    sets = {
        name: of_templates(found.vectors, found.identity.astype(str).tolist(), found.model.metric, rng)[0]
        for name, found in (("LFW View 1", press), ("celeba_wild", wild))
    }
    moved = [
        row
        for source, target in (("LFW View 1", "celeba_wild"), ("celeba_wild", "LFW View 1"))
        for row in transfers(source, target, sets, rng)
    ]
    print_transfers(arguments.model, moved)
    found = [search(press, size, fpir, arguments.draws, rng) for size in SIZES for fpir in FPIRS]
    print_searches(arguments.model, found)
    result: dict[str, Any] = {
        "model": arguments.model,
        "transfer": [asdict(row) for row in moved],
        "searches": [asdict(row) for row in found],
    }
    command.write_report(arguments.json, result)
    print(f"written to {arguments.json}")


def transfers(
    source: str, target: str, sets: dict[str, Comparisons], rng: np.random.Generator
) -> list[Transfer]:
    rows = []
    for rate in TARGETS:
        chosen = at_fmr(sets[source], rate, rng)
        rows.append(
            Transfer(
                chosen_on=source,
                applied_to=target,
                target=rate,
                threshold=chosen.threshold,
                predicted=chosen.fmr,
                observed=sets[target].fmr(chosen.threshold),
                fnmr_predicted=chosen.fnmr,
                fnmr_observed=sets[target].fnmr(chosen.threshold),
                extrapolated=chosen.extrapolated,
            )
        )
    return rows


def search(templates: lfw.Templates, size: int, fpir: float, draws: int, rng: np.random.Generator) -> Search:
    """Averages over draws. `inside`: the rate observed lies in the interval predicted; `overlapping`: theirs meet."""
    people = np.unique(templates.identity)
    predictions, rates, outside = [], [], []
    inside = overlapping = extrapolated = 0
    done = 0
    while done < draws:
        order = rng.permutation(people)
        own, others = order[: people.size // 3], order[people.size // 3 :]
        known = np.isin(templates.identity, own)
        try:
            chosen = at_fmr(
                of_templates(
                    templates.vectors[known],
                    templates.identity[known].astype(str).tolist(),
                    templates.model.metric,
                    rng,
                )[0],
                fpir / size,
                rng,
            )
        except InputError as refused:
            print(f"refused: {refused}")
            done += 1
            continue
        photo = [rng.choice(np.flatnonzero(templates.identity == who)) for who in others]
        enrolled, non_mated = templates.vectors[photo[:size]], templates.vectors[photo[size:]]
        nearest = distances((non_mated @ enrolled.T).max(axis=1), templates.model.metric)
        promise = predicted(chosen.fmr, chosen.threshold, size).fpir
        seen = wilson(int(np.count_nonzero(nearest <= chosen.threshold)), nearest.size)
        inside += promise.low <= seen.rate <= promise.high
        overlapping += promise.low <= seen.high and seen.low <= promise.high
        extrapolated += chosen.extrapolated
        predictions.append((promise.rate, promise.low, promise.high))
        rates.append(seen.rate)
        outside.append(nearest.size)
        done += 1
    rate, low, high = np.mean(predictions, axis=0)
    ends = np.quantile(rates, [0.025, 0.975])
    return Search(
        identities=size,
        target=fpir,
        draws=len(rates),
        non_mated=round(float(np.mean(outside))),
        extrapolated=extrapolated,
        predicted=Interval(float(rate), float(low), float(high)),
        observed=Interval(float(np.mean(rates)), float(ends[0]), float(ends[1])),
        inside=inside,
        overlapping=overlapping,
    )


def print_transfers(model: str, rows: list[Transfer]) -> None:
    table = Table(
        "chosen on",
        "applied to",
        "FMR asked",
        "threshold",
        "FMR predicted",
        "FMR observed",
        "FNMR there",
        title=model,
    )
    for row in rows:
        table.add_row(
            row.chosen_on,
            row.applied_to,
            f"{row.target:g}{' (fit)' if row.extrapolated else ''}",
            f"{row.threshold:.4f}",
            shown(row.predicted),
            shown(row.observed),
            f"{row.fnmr_observed.rate:.2%}",
        )
    Console(width=150).print(table)


def print_searches(model: str, rows: list[Search]) -> None:
    table = Table(
        *("gallery", "FPIR asked", "non-mated", "predicted", "observed", "inside", "overlapping", "fitted"),
        title=model,
    )
    for row in rows:
        table.add_row(
            f"{row.identities:,}",
            f"{row.target:.0%}",
            str(row.non_mated),
            f"{row.predicted.rate:.2%} ({row.predicted.low:.2%} .. {row.predicted.high:.2%})",
            f"{row.observed.rate:.2%} ({row.observed.low:.2%} .. {row.observed.high:.2%})",
            f"{row.inside} of {row.draws}",
            f"{row.overlapping} of {row.draws}",
            f"{row.extrapolated} of {row.draws}",
        )
    Console(width=150).print(table)


def shown(interval: Interval) -> str:
    return f"{interval.rate:.1e} ({interval.low:.1e} .. {interval.high:.1e})"


if __name__ == "__main__":
    main()
