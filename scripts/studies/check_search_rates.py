"""FPIR 1 % in galleries of 100, 500 and 1,500 people with one photo each: is it kept, and who is missed?

    python -m scripts.studies.check_search_rates [--data DIR] [--model NAME] [--draws 60]

People of LFW View 1 are enrolled at random with one photo each. The threshold is the one that a new gallery uses: FPIR
1 % by the network's card, after the gallery's own check of the card's rates.

- FPIR: one photo of each person who is not enrolled is searched. A search errs if its answer is a match.
- Misses (FNIR): another photo of each enrolled person who has one is searched. A search errs if its answer is not a
  match with this person, so an ambiguous one errs too.

The card is calibrated on the same people of LFW. So the strangers of further rows are those of CelebA in the wild, and
in others a third of the people of LFW calibrates, and the other two thirds are enrolled and searched. `faceid-triplet`
was trained on both collections: of these, only the people that are held out count.

Intervals are over people. The answers are those of the decision on templates: a photo without a face, or one that
enrolment refuses, is not counted here, but in `check_fpir`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.decision.decide import Policy, Target, decide_identity, policy_for, stricter_policy
from faceid.decision.population import population_of, raised
from faceid.evaluation.statistics.bootstrap import mean_over_people
from faceid.evaluation.statistics.intervals import Interval
from faceid.evaluation.statistics.scores import distances
from faceid.types import Candidate
from scripts import command
from scripts.datasets import lfw
from scripts.studies.check_stated_rates import calibrated
from scripts.studies.stated.networks import NETWORKS, Network, People, network

FPIR = 0.01
SIZES = (100, 500, 1500)

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """The means over `draws`, with intervals over people.

    `strangers` and `mated` count the people who are searched in one draw. `raised` counts the draws in which the
    gallery's check raised the rates, `not_held` those in which no measured threshold keeps the FPIR. `middle` holds the
    FPIR of 95 % of the draws.
    """

    network: str
    calibrated_on: str
    strangers_of: str
    identities: int
    draws: int
    raised: int
    not_held: int
    strangers: int
    mated: int
    fpir: Interval
    middle: tuple[float, float]
    misses: Interval

    @property
    def inside(self) -> bool:
        """Whether the FPIR that was asked for is among those of 95 % of the galleries."""
        return self.middle[0] <= FPIR <= self.middle[1]


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/search_rates.json")
    parser.add_argument("--model", action="append", help=f"may be repeated; default: {', '.join(NETWORKS)}")
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    rows: list[Row] = []
    for name in arguments.model or NETWORKS:
        rng = np.random.default_rng(arguments.seed)
        rows += study(network(name, data, arguments.cache), arguments.draws, rng)
    show(rows)
    command.write_report(arguments.json, {"rows": [asdict(row) | {"inside": row.inside} for row in rows]})
    print(f"written to {arguments.json}")


def study(one: Network, draws: int, rng: np.random.Generator) -> Iterator[Row]:
    """All rows of a network: galleries that leave a sixth of the people to be searched."""
    press, wild = one.press(), one.wild()
    for size in SIZES:
        if size * 1.2 <= press.count:
            yield searches(one, press, None, size, draws, rng)
            yield searches(one, press, wild, size, draws, rng)
    for size in SIZES:
        if size * 1.2 <= press.count * 2 / 3:
            yield searches(one, press, None, size, draws, rng, by_a_third=True)


def searches(
    one: Network,
    press: People,
    strangers: People | None,
    size: int,
    draws: int,
    rng: np.random.Generator,
    *,
    by_a_third: bool = False,
) -> Row:
    """Galleries of `size` people of `press`, searched for its others, or for `strangers` of another collection."""
    photos = press.photos()
    outside = photos if strangers is None else strangers.photos()
    vectors = press.vectors if strangers is None else strangers.vectors
    false, wrong = [], []
    raises = lost = 0
    for _ in range(draws):
        order = rng.permutation(len(photos))
        card = one.calibration
        if by_a_third:
            measuring, order = order[: len(order) // 3], order[len(order) // 3 :]
            card = calibrated(press.part(np.unique(press.identity)[measuring]))
        enrolled = np.array([rng.choice(photos[person]) for person in order[:size]])
        gallery = press.vectors[enrolled]
        here = raised(card, population_of(gallery, card, one.metric))
        policy = policy_for(Target(fpir=FPIR), card, identities=size)
        if here is not card:
            policy = stricter_policy(policy, here)
        raises += here is not card
        lost += not policy.held
        unknown = order[size:] if strangers is None else np.arange(len(outside))
        drawn = vectors[[rng.choice(outside[person]) for person in unknown]]
        false.append((unknown, np.array([name is not None for name in names(one, drawn, gallery, policy)])))
        several = [place for place, person in enumerate(order[:size]) if len(photos[person]) > 1]
        others = [rng.choice(np.setdiff1d(photos[order[place]], enrolled[place])) for place in several]
        given = names(one, press.vectors[others], gallery, policy)
        missed = np.array([name != str(place) for name, place in zip(given, several, strict=True)])
        wrong.append((order[several], missed))
    middle = np.quantile([errors.mean() for _, errors in false], [0.025, 0.975])
    return Row(
        network=one.name,
        calibrated_on="a third of the people" if by_a_third else "as it ships",
        strangers_of=press.name if strangers is None else strangers.name,
        identities=size,
        draws=draws,
        raised=raises,
        not_held=lost,
        strangers=round(float(np.mean([len(people) for people, _ in false]))),
        mated=round(float(np.mean([len(people) for people, _ in wrong]))),
        fpir=over_people(false, rng),
        middle=(float(middle[0]), float(middle[1])),
        misses=over_people(wrong, rng),
    )


def names(
    one: Network, probes: NDArray[np.float32], gallery: NDArray[np.float32], policy: Policy
) -> list[str | None]:
    """The place in the gallery (m, d) that each search (n, d) answers with; None without a match."""
    distance = distances(probes @ gallery.T, one.metric)
    found: list[str | None] = [None] * len(probes)
    # Only these can match: the decision is asked for no others, which would take minutes.
    for row in np.flatnonzero(distance.min(axis=1) <= policy.threshold):
        nearest = np.argsort(distance[row])[:2]
        candidates = [
            Candidate(
                name=str(place),
                distance=float(distance[row, place]),
                similarity=1.0 - float(distance[row, place]),
            )
            for place in nearest
        ]
        found[row] = decide_identity(candidates, policy).name
    return found


def over_people(searched: list[tuple[Ints, NDArray[np.bool_]]], rng: np.random.Generator) -> Interval:
    """The share of errors of all draws, with its interval over the people searched."""
    people, errors = (np.concatenate(parts) for parts in zip(*searched, strict=True))
    found = mean_over_people(errors.astype(np.float64), people, rng)
    assert found is not None
    return found


def show(rows: list[Row]) -> None:
    """Print the rows as a table."""
    table = Table(title=f"FPIR {FPIR:.0%} asked, one photo each")
    for column in (
        "network",
        "calibrated on",
        "strangers of",
        "enrolled",
        "raised in",
        "not held",
        "strangers",
        "FPIR (over people)",
        "95 % of draws",
        "1 % inside",
        "mated",
        "misses (over people)",
    ):
        table.add_column(column)
    for row in rows:
        table.add_row(
            row.network,
            row.calibrated_on,
            row.strangers_of,
            f"{row.identities:,}",
            f"{row.raised} of {row.draws}",
            str(row.not_held),
            f"{row.strangers:,}",
            f"{row.fpir.rate:.2%} ({row.fpir.low:.2%} .. {row.fpir.high:.2%})",
            f"{row.middle[0]:.2%} .. {row.middle[1]:.2%}",
            "yes" if row.inside else "no",
            str(row.mated),
            f"{row.misses.rate:.1%} ({row.misses.low:.1%} .. {row.misses.high:.1%})",
        )
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
