"""Which score should an identity with several templates have? Measured on LFW View 1.

    python -m scripts.studies.compare_identity_scores [--model NAME] [--data DIR] [--json FILE]

Identities with more than n photos are enrolled with n random ones. Their other photos are the mated probes; the photos
of identities with one photo are the non-mated probes. The table has, for each rule, the TMR at equal FMR, and the FMR
at the threshold that single-template comparisons give for FMR 1e-4, because that threshold is the active one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.decision.scores import identity_similarity
from faceid.evaluation.statistics.metrics import fmr, threshold_at_fmr, tmr_at_fmr
from faceid.evaluation.statistics.scores import distances
from scripts import command
from scripts.datasets import lfw
from scripts.studies.calibrate_card import blocks

Array = NDArray[np.float32]
SIZES = (2, 3, 5)
DRAWS = 10
RATES = (1e-2, 1e-3, 1e-4)
IN_FORCE = 1e-4


def unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)


IN_USE = "geometric mean of the two means"
"""faceid.decision.scores.identity_similarity, for many probes at once."""

# Each takes probes (m, d) and an identity's templates (n, d) and gives similarities (m,).
RULES: dict[str, Callable[[Array, Array], Array]] = {
    "nearest template": lambda probes, templates: (probes @ templates.T).max(axis=1),
    "average similarity": lambda probes, templates: (probes @ templates.T).mean(axis=1),
    "mean template": lambda probes, templates: probes @ unit(templates.mean(axis=0)),
    "half nearest, half mean template": lambda probes, templates: (
        ((probes @ templates.T).max(axis=1) + probes @ unit(templates.mean(axis=0))) / 2
    ),
    IN_USE: lambda probes, templates: (
        probes @ templates.mean(axis=0) / np.sqrt(np.linalg.norm(templates.mean(axis=0)))
    ),
}


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/identity_scores.json")
    parser.add_argument("--model", default="dlib-resnet")
    arguments = parser.parse_args()
    photos = lfw.lfw_photos(lfw.data_directory(arguments.data), arguments.cache)
    templates = lfw.labelled(lfw.templates(photos, arguments.model, arguments.cache))
    metric = templates.model.metric
    pairwise = np.concatenate(
        [distances(part[~mated], metric) for part, mated in blocks(templates.vectors, templates.identity)]
    )
    threshold = threshold_at_fmr(pairwise, IN_FORCE)

    table = Table(
        "templates",
        "rule",
        *(f"TMR at {rate:g}" for rate in RATES),
        "FMR, active threshold",
        "TMR, active threshold",
    )
    rows = []
    for size in SIZES:
        for rule, (mated, non_mated) in scores(templates, size).items():
            same, other = distances(mated, metric), distances(non_mated, metric)
            row = {
                "model": arguments.model,
                "templates": size,
                "rule": rule,
                "mated": int(same.size),
                "non_mated": int(other.size),
                "tmr": {f"{rate:g}": tmr_at_fmr(same, other, rate) for rate in RATES},
                "fmr_in_force": fmr(other, threshold),
                "tmr_in_force": float(np.mean(same <= threshold)),
            }
            rows.append(row)
            table.add_row(
                str(size),
                rule,
                *(f"{value:.4f}" for value in row["tmr"].values()),
                f"{row['fmr_in_force']:.1e}",
                f"{row['tmr_in_force']:.4f}",
            )
    Console(width=130).print(table)
    for size in SIZES:
        row = next(row for row in rows if row["templates"] == size)
        print(f"{size} templates: {row['mated']:,} mated and {row['non_mated']:,} non-mated comparisons")
    command.write_report(arguments.json, rows)
    print(f"written to {arguments.json}")


def scores(templates: lfw.Templates, size: int) -> dict[str, tuple[Array, Array]]:
    """Mated and non-mated similarities of each rule, over DRAWS random choices of the enrolled photos."""
    rng = np.random.default_rng(2026)
    identities, counts = np.unique(templates.identity, return_counts=True)
    others = templates.vectors[np.isin(templates.identity, identities[counts == 1])]
    mated: dict[str, list[Array]] = {rule: [] for rule in RULES}
    non_mated: dict[str, list[Array]] = {rule: [] for rule in RULES}
    for identity in identities[counts > size]:
        members = np.flatnonzero(templates.identity == identity)
        for _ in range(DRAWS):
            drawn = rng.permutation(members)
            enrolled, probes = templates.vectors[drawn[:size]], templates.vectors[drawn[size:]]
            for rule, score in RULES.items():
                mated[rule].append(score(probes, enrolled))
                non_mated[rule].append(score(others, enrolled))
    assert np.isclose(mated[IN_USE][-1][-1], identity_similarity(probes[-1], enrolled), atol=1e-6)
    return {rule: (np.concatenate(mated[rule]), np.concatenate(non_mated[rule])) for rule in RULES}


if __name__ == "__main__":
    main()
