"""The rates among people who are alike, in DATA of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from faceid.decision.thresholds import fmr_at_distance, fmr_interval_at_distance
from faceid.errors import InputError, UsageError
from faceid.evaluation.data.material import Material
from faceid.evaluation.findings import Alike
from faceid.evaluation.protocols.cohorts import Attributes, crossed, read_attributes
from faceid.evaluation.statistics.alike import among_alike, measure_alike, nearest_half, of_one_kind
from faceid.evaluation.statistics.bootstrap import resample
from faceid.evaluation.statistics.caveats import Caveat
from faceid.evaluation.statistics.intervals import Interval
from faceid.networks.calibration import AlikeBy, AlikeCurve

MOST_PEOPLE = 5_000
"""The greatest number of people who are compared with each other; more are drawn at random."""


def alike_curve(
    material: Material, attributes: Path | None, rng: np.random.Generator
) -> tuple[AlikeCurve | None, tuple[Caveat, ...]]:
    """The FMR among people of one kind by the table `attributes`, or among nearest halves without one.

    Both people of a comparison have the same value in every column of the table. None for pairs and scores, whose
    people are unknown, and, with a caveat, for too few people. Raises InputError for a file that is no such table, and
    if no person of the data is in it; UsageError for a table with pairs or scores.
    """
    if material.collection is None or material.pairs is None or material.comparisons.people is None:
        if attributes is not None:
            raise UsageError(
                f"{material.data.source} has no templates of people",
                remedy="attributes_without_people",
            )
        return None, ()
    names = sorted(set(material.collection.names))
    table = None if attributes is None else read_attributes(attributes)
    vectors, identity, people = (
        material.collection.vectors,
        material.pairs.identity,
        material.comparisons.people,
    )
    if len(names) > MOST_PEOPLE:
        drawn = np.sort(rng.choice(len(names), MOST_PEOPLE, replace=False))
        kept = np.isin(identity, drawn)
        vectors, identity = vectors[kept], np.searchsorted(drawn, identity[kept])
        names, people = [names[number] for number in drawn], resample(MOST_PEOPLE, rng)
    data = material.data
    chosen_by: AlikeBy = "nearest half" if table is None else "attributes"
    who = f"{len(names):,} people of {data.source}"
    try:
        return (
            measure_alike(
                vectors,
                identity,
                material.metric,
                nearest_half(vectors, identity) if table is None else of_one_kind(kinds(table, names)),
                people,
                data=f"{who}, {'the nearest half of each' if table is None else f'by {_columns(table)}'}",
                population=population_of(table, data.source),
                chosen_by=chosen_by,
                data_sha256=data.sha256 or None,
            ),
            (),
        )
    except ValueError as error:
        return None, (Caveat("no_alike", f"no rate among people who are alike: {error}"),)


def at_threshold(curve: AlikeCurve, threshold: float) -> Alike:
    """The FMR among alike that `curve` has at `threshold`."""
    rate = Interval(fmr_at_distance(curve, threshold), *fmr_interval_at_distance(curve, threshold))
    return Alike(curve.chosen_by, curve.population, curve.people, curve.non_mated, rate)


def by_attributes(material: Material, table: Attributes, threshold: float) -> Alike | None:
    """The FMR at `threshold` among people who share all attributes, counted; None if there are no two.

    Raises InputError if no person of the data has all attributes.
    """
    pairs, people = material.pairs, material.comparisons.people
    assert material.collection is not None
    assert pairs is not None
    assert people is not None
    alike = of_one_kind(kinds(table, sorted(set(material.collection.names))))
    share = among_alike(pairs, people, alike, threshold)
    if share is None:
        return None
    return Alike(
        "attributes",
        population_of(table, material.data.source),
        int(np.count_nonzero(alike.any(axis=1))),
        share.total,
        share.interval,
    )


def kinds(table: Attributes, names: Sequence[str]) -> list[str | None]:
    """The kind of each person in `names`: the values of all columns; None where one is unknown.

    Raises InputError if all are unknown.
    """
    whole = crossed(table)
    found = [whole.get(name) for name in names]
    if all(kind is None for kind in found):
        raise InputError(
            "no person in the data has all attributes", code="bad_attributes", remedy="names_of_attributes"
        )
    return found


def population_of(table: Attributes | None, source: str) -> str:
    """The people for whom a rate among alike holds, in words."""
    if table is None:
        return f"the half of the others nearest to each person, in {source}"
    return f"people of one {_columns(table)}, in {source}"


def _columns(table: Attributes) -> str:
    return " and ".join(table.values)
