"""Does FPIR 1 % hold in galleries of people who resemble each other? With the card alone, and with the gallery's check.

    python -m scripts.studies.check_gallery_rates [--data DIR] [--model NAME] [--draws 60]

1. Some people of a collection are enrolled with one photo each. All photos of the others are searched. The table has
   the FPIR observed at the threshold of the model's card for FPIR 1 %, and at that of `faceid.decision.population`,
   with the misses of the other photos of the enrolled people. The collections are studio portraits (ORL, UMIST), single
   cohorts and all of the demographics set, and mixed press photos (LFW View 1, CelebA in the wild).
2. Mixed galleries in which some people are enrolled under two or more names. Duplicates must not raise a rate.
3. What the check costs: seconds for galleries of some sizes.

The constants of the check were chosen with `mobilefacenet` on the collections that CHOSEN_ON names, and on every second
person of LFW and of demographics. The other collections, and the other networks, took no part.

Templates are computed once and cached, and the label errors of LFW are corrected (datasets/lfw.py).
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.decision.population import population_of, raised
from faceid.decision.thresholds import threshold_at_fmr
from faceid.evaluation.statistics.scores import distances
from faceid.networks import registry
from faceid.networks.calibration import Calibration
from faceid.types import Metric
from scripts import command
from scripts.datasets import lfw

FPIR = 0.01
SIZES = (20, 50, 100, 200, 500, 1500)
CHOSEN_ON = ("ORL", "asian_females", "indian_males", "white_males")
MOST_PROBES = 3000
NAMES = ((100, 0.1, 2), (100, 1.0, 2), (100, 0.2, 5), (500, 1.0, 2))


@dataclass(frozen=True, eq=False)
class Collection:
    """Templates (n, d) with the number (n,) of the person that each shows."""

    name: str
    vectors: NDArray[np.float32]
    people: NDArray[np.int64]

    def photos(self) -> list[NDArray[np.int64]]:
        """The templates of each person."""
        return [np.flatnonzero(self.people == person) for person in np.unique(self.people)]


@dataclass(frozen=True)
class Row:
    """Means over `draws`; intervals hold 95 % of them. `raised` counts the draws in which the check raised rates."""

    collection: str
    chosen_on: bool
    enrolled: int
    draws: int
    raised: int
    raised_by: float
    fpir_card: float
    fpir_card_95: tuple[float, float]
    fpir_check: float
    fpir_check_95: tuple[float, float]
    misses_card: float
    misses_check: float


@dataclass(frozen=True)
class Duplicates:
    """`share` of the `enrolled` names are further names of people who are enrolled under `names` names."""

    enrolled: int
    share: float
    names: int
    draws: int
    raised: int
    raised_by: float


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/gallery_rates.json")
    parser.add_argument("--model", default="mobilefacenet")
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    rng = np.random.default_rng(arguments.seed)
    card = registry.card(arguments.model, None)
    assert card.calibration is not None
    rows = []
    for collection in collections(data, arguments.model, arguments.cache):
        people = len(collection.photos())
        # In small collections, half of the people are left to be searched.
        sizes = [size for size in SIZES if size <= people * 0.75] if people >= 100 else [people // 2]
        for size in sizes:
            draws = arguments.draws if size <= 200 else max(10, arguments.draws // 3)
            rows.append(search(collection, size, card.calibration, card.metric, draws, rng))
    press = next(found for found in collections(data, arguments.model, arguments.cache, ("LFW View 1",)))
    twice = [
        duplicates(press, size, share, names, card.calibration, card.metric, arguments.draws, rng)
        for size, share, names in NAMES
    ]
    print_rows(arguments.model, rows)
    print_duplicates(arguments.model, twice)
    cost = {str(size): seconds(press, size, card.calibration, card.metric) for size in (100, 500, 1000)}
    print("milliseconds of the check:", {size: round(took * 1e3, 1) for size, took in cost.items()})
    command.write_report(
        arguments.json,
        {
            "model": arguments.model,
            "searches": [asdict(row) for row in rows],
            "duplicates": [asdict(row) for row in twice],
            "seconds": cost,
        },
    )
    print(f"written to {arguments.json}")


def collections(
    data: Path, model: str, cache: Path, wanted: tuple[str, ...] | None = None
) -> Iterator[Collection]:
    """The collections that `data` has, each with its cohorts."""
    folders = {
        "ORL": data / "orl_faces",
        "UMIST": data / "umist_faces",
        "demographics": data / "demographics" / "photos",
        "celeba_wild": data / "celeba_wild" / "dev",
        "LFW View 1": data / "lfw" / "images",
    }
    for name, folder in folders.items():
        if not folder.is_dir() or (wanted is not None and name not in wanted):
            continue
        photos = lfw.lfw_photos(data, cache) if name == "LFW View 1" else lfw.folder_photos(folder, cache)
        found = lfw.labelled(lfw.templates(photos, model, cache))
        yield Collection(name, found.vectors, found.identity)
        if name == "demographics":
            groups = subgroups(data / "demographics" / "attributes.csv")
            own = np.array([groups[path.parent.name] for path in found.paths])
            for group in sorted(set(groups.values())):
                yield Collection(group, found.vectors[own == group], found.identity[own == group])


def subgroups(path: Path) -> dict[str, str]:
    """Sex and ethnic group of each person, as one word."""
    with path.open(encoding="utf-8", newline="") as lines:
        return {row["identity"]: row["subgroup"] for row in csv.DictReader(lines)}


def search(
    collection: Collection, size: int, card: Calibration, metric: Metric, draws: int, rng: np.random.Generator
) -> Row:
    """Galleries of `size` people, and searches for the photos of all others."""
    photos = collection.photos()
    wanted = FPIR / size
    stated = threshold_at_fmr(card, wanted)
    found = []
    for _ in range(draws):
        order = rng.permutation(len(photos))
        enrolled = np.array([rng.choice(photos[person]) for person in order[:size]])
        population = population_of(collection.vectors[enrolled], card, metric)
        here = raised(card, population)
        reached = max(wanted, here.points[0].fmr)
        checked = min(stated, threshold_at_fmr(here, reached))
        probes = np.concatenate([photos[person] for person in order[size:]])
        if len(probes) > MOST_PROBES:
            probes = rng.choice(probes, MOST_PROBES, replace=False)
        gallery = collection.vectors[enrolled]
        nearest = distances((collection.vectors[probes] @ gallery.T).max(axis=1), metric)
        mated = mated_distances(collection, photos, order[:size], enrolled, metric)
        by = 1.0 if population is None else population.fmr(wanted) / wanted
        shares = [np.mean(nearest <= limit) for limit in (stated, checked)]
        misses = [np.mean(mated > limit) if mated.size else np.nan for limit in (stated, checked)]
        found.append((population is not None and population.raises, by, *shares, *misses))
    table = np.array(found, dtype=np.float64)
    return Row(
        collection=collection.name,
        chosen_on=collection.name in CHOSEN_ON,
        enrolled=size,
        draws=draws,
        raised=int(table[:, 0].sum()),
        raised_by=float(np.median(table[:, 1])),
        fpir_card=float(table[:, 2].mean()),
        fpir_card_95=interval(table[:, 2]),
        fpir_check=float(table[:, 3].mean()),
        fpir_check_95=interval(table[:, 3]),
        misses_card=float(np.nanmean(table[:, 4])),
        misses_check=float(np.nanmean(table[:, 5])),
    )


def mated_distances(
    collection: Collection,
    photos: list[NDArray[np.int64]],
    people: NDArray[np.int64],
    enrolled: NDArray[np.int64],
    metric: Metric,
) -> NDArray[np.float64]:
    """The distances of the other photos of the enrolled people to their own template."""
    own = [
        collection.vectors[np.setdiff1d(photos[person], [template])] @ collection.vectors[template]
        for person, template in zip(people, enrolled, strict=True)
    ]
    return distances(np.concatenate(own), metric)


def duplicates(
    collection: Collection,
    size: int,
    share: float,
    names: int,
    card: Calibration,
    metric: Metric,
    draws: int,
    rng: np.random.Generator,
) -> Duplicates:
    """Galleries of `size` names, of which a share belongs to people with several names and photos."""
    photos = collection.photos()
    several = [person for person, own in enumerate(photos) if len(own) >= names]
    count = round(size * share / names)
    found = []
    for _ in range(draws):
        chosen = rng.choice(several, count, replace=False)
        rest = rng.permutation(np.setdiff1d(np.arange(len(photos)), chosen))[: size - count * names]
        enrolled = [
            *(template for person in chosen for template in rng.choice(photos[person], names, replace=False)),
            *(rng.choice(photos[person]) for person in rest),
        ]
        population = population_of(collection.vectors[enrolled], card, metric)
        assert population is not None
        found.append((population.raises, population.fmr(FPIR / size) / (FPIR / size)))
    table = np.array(found, dtype=np.float64)
    raises = table[:, 0] > 0
    by = float(np.median(table[raises, 1])) if raises.any() else 1.0
    return Duplicates(size, share, names, draws, int(raises.sum()), by)


def seconds(collection: Collection, size: int, card: Calibration, metric: Metric) -> float:
    """The median time of ten checks of `size` people."""
    gallery = collection.vectors[[own[0] for own in collection.photos()[:size]]]
    took = []
    for _ in range(10):
        started = time.perf_counter()
        population_of(gallery, card, metric)
        took.append(time.perf_counter() - started)
    return float(np.median(took))


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 %."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def print_rows(model: str, rows: list[Row]) -> None:
    table = Table(title=f"{model}: FPIR {FPIR:.0%} asked")
    for column in (
        "collection",
        "people enrolled",
        "raised in",
        "by",
        "FPIR, card (95 % of draws)",
        "FPIR, check (95 % of draws)",
        "misses, card",
        "misses, check",
    ):
        table.add_column(column)
    for row in rows:
        table.add_row(
            f"{row.collection}{' *' if row.chosen_on else ''}",
            str(row.enrolled),
            f"{row.raised} of {row.draws}",
            f"{row.raised_by:.1f}",
            spread(row.fpir_card, row.fpir_card_95),
            spread(row.fpir_check, row.fpir_check_95),
            f"{row.misses_card:.1%}",
            f"{row.misses_check:.1%}",
        )
    Console(width=160).print(table)


def print_duplicates(model: str, rows: list[Duplicates]) -> None:
    table = Table(title=f"{model}: LFW View 1, people under several names")
    for column in ("names enrolled", "share", "names a person", "raised in", "by"):
        table.add_column(column)
    for row in rows:
        table.add_row(
            str(row.enrolled),
            f"{row.share:.0%}",
            str(row.names),
            f"{row.raised} of {row.draws}",
            f"{row.raised_by:.1f}",
        )
    Console(width=160).print(table)


def spread(mean: float, within: tuple[float, float]) -> str:
    """A rate with its interval."""
    return f"{mean:.1%} ({within[0]:.1%} .. {within[1]:.1%})"


if __name__ == "__main__":
    main()
