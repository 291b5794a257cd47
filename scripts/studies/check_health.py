"""Whether `faceid gallery-health` finds photos of the wrong person, and how many right ones it suspects.

    python -m scripts.studies.check_health [--model NAME ...] [--data DIR]

Identities of LFW View 1 (labels corrected) are judged by the rule of `faceid.evaluation.statistics.outliers` at the
model's own calibration. The first run takes them as they are. In the second run, a photo of another person replaces one
photo of each identity of three and more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.decision.decide import VERIFY_FMR
from faceid.decision.thresholds import threshold_at_fmr
from faceid.evaluation.statistics.outliers import far_from, from_the_rest, peel
from faceid.networks import registry
from faceid.types import Metric
from scripts import command
from scripts.datasets import lfw

Identities = list[NDArray[np.float32]]


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/health.json")
    command.add_networks(parser)
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    photos = lfw.lfw_photos(data, arguments.cache)
    rows = []
    table = Table(
        "network", "identities", "planted, found", "first named", "photos", "right ones named", "share"
    )
    for name in arguments.model or command.NETWORKS:
        templates = lfw.labelled(lfw.templates(photos, name, arguments.cache))
        calibration = registry.card(name).calibration
        assert calibration is not None
        row = check(
            [templates.vectors[templates.identity == who] for who in np.unique(templates.identity)],
            registry.card(name).metric,
            threshold_at_fmr(calibration, VERIFY_FMR),
            np.random.default_rng(arguments.seed),
        )
        rows.append({"model": name, **row})
        share = row["right_named"] / row["photos"]
        table.add_row(
            name,
            str(row["identities"]),
            str(row["found"]),
            str(row["found_first"]),
            str(row["photos"]),
            str(row["right_named"]),
            f"{share:.1%}",
        )
    Console().print(table)
    command.write_report(arguments.json, rows)


def check(
    identities: Identities, metric: Metric, accepted: float, rng: np.random.Generator
) -> dict[str, Any]:
    """What is named in identities of several photos as they are, and what of the photos that are planted."""
    several = [own for own in identities if len(own) >= 2]
    bound = far_from(np.concatenate([from_the_rest(own, metric) for own in several]), accepted)
    assert bound is not None
    named = sum(len(places) for own in several for places, _ in peel(own, metric, bound))
    found = found_first = planted = 0
    for number, own in enumerate(identities):
        if len(own) < 3:
            continue
        other = int((number + rng.integers(1, len(identities))) % len(identities))
        spoilt = np.concatenate([own[1:], identities[other][:1]])
        order = [place for places, _ in peel(spoilt, metric, bound) for place in places]
        planted += 1
        found += len(own) - 1 in order
        found_first += order[:1] == [len(own) - 1]
    return {
        "identities": planted,
        "found": found,
        "found_first": found_first,
        "photos": sum(map(len, several)),
        "right_named": named,
        "bound": bound,
    }


if __name__ == "__main__":
    main()
