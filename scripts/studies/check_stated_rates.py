"""Is the FMR that a network states the one that is observed, on people who took no part?

    python -m scripts.studies.check_stated_rates [--data DIR] [--model NAME] [--splits 20] [--draws 60]

For each network, the FMR observed over all comparisons of a collection at the thresholds for 1e-3 and 1e-4:

1. Stated by the card: on CelebA in the wild, and on people of known sex and ethnic group ("demographics"), among all
   and within groups. The cards are calibrated on LFW View 1.
2. Stated by half of the people of LFW View 1, observed on the other half; and stated by CelebA, observed on LFW.
3. FMR among alike: the curve is measured within the groups of one half of the people, and observed on the other half.
4. Stated by a gallery after its own check of the card's rates. One photo of each of its people is enrolled, and all
   photos of the other people of the collection are compared with them.

`faceid-triplet` was trained on LFW and CelebA: of these, only the people that are held out count.

Intervals are over people (subset bootstrap); with splits and draws, the middle 95 % of them. Templates are computed
once and cached, and the label errors of LFW are corrected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.decision.decide import Target, policy_for, stricter_policy
from faceid.decision.population import population_of, raised
from faceid.decision.thresholds import threshold_at_fmr
from faceid.evaluation.statistics.alike import among_alike, of_one_kind
from faceid.evaluation.statistics.bootstrap import fmr_interval, resample
from faceid.evaluation.statistics.measured import measure
from faceid.evaluation.statistics.scores import compare_all, distances
from faceid.networks.calibration import AlikeCurve, Calibration
from faceid.training.judging import cosine_distances
from scripts import command
from scripts.datasets import demographics, lfw
from scripts.studies.stated.networks import (
    DEMOGRAPHICS,
    NETWORKS,
    STUDIOS,
    Network,
    People,
    network,
)

RATES = (1e-3, 1e-4)
GALLERIES = (100, 200)
LEAST, MOST = 0.5, 2.0
"""The ratio of observed and stated FMR that a network should keep."""
KEEP = 3_000_000

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Row:
    """`observed` is the FMR, or the mean over `repeats` splits or draws, where it was stated as `stated`.

    `ratio` is observed over stated, with its 95 % interval. `not_held` counts the draws whose calibration does not
    reach the rate: there the rate at its strictest threshold counts as stated.
    """

    network: str
    stated_by: str
    observed_on: str
    people: int
    stated: float
    observed: float
    ratio: float
    low: float
    high: float
    repeats: int = 1
    raised: int = 0
    not_held: int = 0

    @property
    def inside(self) -> bool:
        """Whether the ratio is as it should be."""
        return LEAST <= self.ratio <= MOST


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/stated_rates.json")
    parser.add_argument("--model", action="append", help=f"may be repeated; default: {', '.join(NETWORKS)}")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    rows: list[Row] = []
    for name in arguments.model or NETWORKS:
        rng = np.random.default_rng(arguments.seed)
        rows += study(network(name, data, arguments.cache), arguments.splits, arguments.draws, rng)
    show(rows)
    command.write_report(arguments.json, {"rows": [asdict(row) | {"inside": row.inside} for row in rows]})
    print(f"written to {arguments.json}")


def study(one: Network, splits: int, draws: int, rng: np.random.Generator) -> Iterator[Row]:
    """All rows of a network."""
    press, wild, cohorts = one.press(), one.wild(), one.cohorts()
    known = People(DEMOGRAPHICS, cohorts.templates.vectors, cohorts.templates.identity)
    groups = of_one_kind(cohorts.kinds)
    card = one.calibration
    yield from observed(one, "card", card, wild, rng)
    yield from observed(one, "card", card, known, rng)
    yield from observed(one, "card", card, known, rng, groups)
    yield from halves(one, press, splits, rng)
    yield from observed(one, f"measured on {wild.name}", calibrated(wild), press, rng)
    yield from halves_of_groups(one, cohorts, splits, rng)
    collections = [(wild, [min(100, wild.count // 2)]), (known, list(GALLERIES))]
    for kind in sorted(set(cohorts.kinds)):
        part = cohorts.part(np.array([k for k, own in enumerate(cohorts.kinds) if own == kind]))
        own = People(" ".join(kind[::-1]), part.templates.vectors, part.templates.identity)
        collections.append((own, [own.count // 2]))
    collections += [(found, [found.count // 2]) for found in map(one.studio, STUDIOS)]
    for found, sizes in collections:
        for size in sizes:
            yield from galleries(one, found, size, draws, rng)


def observed(
    one: Network,
    stated_by: str,
    stated: Calibration | AlikeCurve,
    people: People,
    rng: np.random.Generator,
    alike: Bools | None = None,
) -> Iterator[Row]:
    """The FMR among all people, or among those who are `alike` (k, k), with its interval over people."""
    pairs = compare_all(people.vectors, people.identity, one.metric, keep=KEEP)
    drawn = resample(people.count, rng)
    for rate in RATES:
        if rate < stated.points[0].fmr:
            continue
        threshold = threshold_at_fmr(stated, rate)
        if alike is None:
            found = fmr_interval(drawn, pairs, threshold)
        else:
            share = among_alike(pairs, drawn, alike, threshold)
            assert share is not None
            found = share.interval
        where = people.name if alike is None else f"{people.name}, within groups"
        ratios = found.rate / rate, found.low / rate, found.high / rate
        yield Row(one.name, stated_by, where, people.count, rate, found.rate, *ratios)


def calibrated(people: People) -> Calibration:
    """The calibration that `faceid` measures on these people."""
    mated, non_mated = cosine_distances(people.vectors, people.identity)
    return measure(
        mated.astype(np.float64), non_mated.astype(np.float64), data=people.name, ambiguity_margin=0.0
    )


def halves(one: Network, people: People, splits: int, rng: np.random.Generator) -> Iterator[Row]:
    """Stated by half of the people, drawn anew for each split, and observed on the others."""
    found: dict[float, list[float]] = {rate: [] for rate in RATES}
    for _ in range(splits):
        order = rng.permutation(np.unique(people.identity))
        first, second = (people.part(half) for half in (order[: len(order) // 2], order[len(order) // 2 :]))
        stated = calibrated(first)
        _, non_mated = cosine_distances(second.vectors, second.identity)
        for rate in RATES:
            found[rate].append(float(np.mean(non_mated <= threshold_at_fmr(stated, rate))))
    where = f"{people.name}, the other half"
    yield from repeated(one, f"measured on half of {people.name}", where, people.count, found)


def halves_of_groups(
    one: Network, cohorts: demographics.Cohorts, splits: int, rng: np.random.Generator
) -> Iterator[Row]:
    """The curve among alike of half of each group, and the FMR within groups of the other halves."""
    found: dict[float, list[float]] = {rate: [] for rate in RATES}
    for _ in range(splits):
        chosen = np.zeros(len(cohorts.sex), dtype=bool)
        for kind in sorted(set(cohorts.kinds)):
            members = rng.permutation(np.array([k for k, own in enumerate(cohorts.kinds) if own == kind]))
            chosen[members[: len(members) // 2]] = True
        curve = demographics.curve(
            cohorts.part(np.flatnonzero(chosen)), program="check_stated_rates", replicates=10
        )
        others = cohorts.part(np.flatnonzero(~chosen))
        pairs = compare_all(others.templates.vectors, others.templates.identity, one.metric, keep=KEEP)
        drawn = resample(len(others.sex), rng, 10)
        for rate in RATES:
            share = among_alike(pairs, drawn, of_one_kind(others.kinds), threshold_at_fmr(curve, rate))
            assert share is not None
            found[rate].append(share.rate)
    where = f"{DEMOGRAPHICS}, the other half, within groups"
    yield from repeated(one, "FMR among alike of half", where, len(cohorts.sex), found)


def repeated(
    one: Network, stated_by: str, where: str, people: int, found: dict[float, list[float]]
) -> Iterator[Row]:
    """A row for each rate from the rates that the splits show."""
    for rate, rates in found.items():
        low, high = np.quantile(rates, [0.025, 0.975]) / rate
        mean = float(np.mean(rates))
        yield Row(
            one.name, stated_by, where, people, rate, mean, mean / rate, float(low), float(high), len(rates)
        )


def galleries(one: Network, people: People, size: int, draws: int, rng: np.random.Generator) -> Iterator[Row]:
    """What galleries of `size` people state after their check, and what the others show."""
    photos = people.photos()
    found: dict[float, list[tuple[float, float, bool]]] = {rate: [] for rate in RATES}
    raises = 0
    for _ in range(draws):
        order = rng.permutation(len(photos))
        enrolled = people.vectors[[rng.choice(photos[person]) for person in order[:size]]]
        population = population_of(enrolled, one.calibration, one.metric)
        here = raised(one.calibration, population)
        raises += here is not one.calibration
        others = people.vectors[np.concatenate([photos[person] for person in order[size:]])]
        distance = distances(others @ enrolled.T, one.metric)
        for rate in RATES:
            policy = policy_for(Target(fmr=rate), one.calibration)
            if here is not one.calibration:
                policy = stricter_policy(policy, here)
            states = policy.fmr(policy.threshold)
            assert states is not None
            found[rate].append((float(np.mean(distance <= policy.threshold)), states, policy.held))
    for rate, results in found.items():
        table = np.array(results, dtype=np.float64)
        ratios = table[:, 0] / table[:, 1]
        low, high = np.quantile(ratios, [0.025, 0.975])
        yield Row(
            one.name,
            f"a gallery of {size} after its check",
            f"{people.name}, the others",
            people.count,
            rate,
            float(table[:, 0].mean()),
            float(ratios.mean()),
            float(low),
            float(high),
            draws,
            raises,
            int(np.count_nonzero(table[:, 2] == 0)),
        )


def show(rows: list[Row]) -> None:
    """Print the rows as a table."""
    table = Table()
    for column in (
        "network",
        "stated by",
        "observed on",
        "people",
        "FMR stated",
        "observed",
        "over stated (95 %)",
        "inside",
        "raised in",
        "not held in",
    ):
        table.add_column(column)
    for row in rows:
        of = f" of {row.repeats}" if row.raised else ""
        table.add_row(
            row.network,
            row.stated_by,
            row.observed_on,
            f"{row.people:,}",
            f"{row.stated:g}",
            f"{row.observed:.1e}",
            f"{row.ratio:.2f} ({row.low:.2f} .. {row.high:.2f})",
            "yes" if row.inside else "no",
            f"{row.raised}{of}" if row.repeats > 1 else "",
            f"{row.not_held}" if row.repeats > 1 else "",
        )
    Console(width=190).print(table)


if __name__ == "__main__":
    main()
