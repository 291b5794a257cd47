"""Templates of a few people, and what of a report about them is held against loops (`slow_report`)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

import slow_report as slow
from faceid.evaluation.data import material as data
from faceid.evaluation.data.photos import Collection
from faceid.types import ModelKey

PEOPLE, SEED, SIZE = 24, 5, 50


MODEL = ModelKey("net", "0" * 64, "dlib-150-v1", 12, "cosine")


LOST = {"p03": 1, "p04": 2, "somebody else": 1}


class Templates:
    """Templates of a few people as the report's code and as the loops have them."""

    def __init__(self) -> None:
        self.vectors, self.owners = slow.unit_vectors(np.random.default_rng(1), PEOPLE, 0.7)
        self.names = tuple(f"p{who:02d}" for who in self.owners)
        paths = tuple(f"{name}/{place}.jpg" for place, name in enumerate(self.names))
        self.photos = len(self.names) + 4
        self.collection = Collection(
            *("folders", "somewhere", MODEL, self.vectors, self.names, paths, paths),
            photos=self.photos,
            lost={"no_face": 3, "multiple_faces": 1},
            lost_of=LOST,
            duplicates=(),
            repeated=0,
        )
        self.draws = drawn(PEOPLE, np.random.default_rng(SEED))
        self.comparisons = slow.Comparisons(slow.pairs_of(self.vectors, self.owners), self.draws)

    def material(self) -> tuple[data.Material, np.random.Generator]:
        rng = np.random.default_rng(SEED)
        return data.of_collection(self.collection, rng), rng

    def own_rng(self) -> np.random.Generator:
        """As the material leaves it."""
        rng = np.random.default_rng(SEED)
        drawn(PEOPLE, rng)
        return rng


def drawn(people: int, rng: np.random.Generator) -> list[list[int]]:
    return rng.multinomial(people, [1 / people] * people, size=1000).tolist()


def check_counts(found: slow.Checked, **expected: int) -> None:
    for name in ("identities", "photos", "templates", "mated", "non_mated"):
        found.same(("data", name), expected[name])
    for name in ("mated_lost", "non_mated_lost"):
        found.same(("data", name), expected.get(name, 0))
    photos = expected["photos"]
    found.same(("data", "fta"), 1 - expected["templates"] / photos if photos else 0.0)


def check_templates_data(found: slow.Checked, of: Templates) -> None:
    sides = of.comparisons.sides
    check_counts(
        found,
        identities=PEOPLE,
        photos=of.photos,
        templates=len(of.owners),
        mated=len(sides[True]),
        non_mated=len(sides[False]),
        mated_lost=lost_pairs(of)[True],
        non_mated_lost=lost_pairs(of)[False],
    )
    for reason, count in {"no_face": 3, "multiple_faces": 1}.items():
        found.same(("data", "lost", reason), count)


def lost_pairs(of: Templates) -> dict[bool, int]:
    """Comparisons that there would have been with the photos that were lost."""
    everybody = [*of.names, *(name for name, count in LOST.items() for _ in range(count))]
    found = {True: 0, False: 0}
    for one in range(len(everybody)):
        for two in range(one):
            if max(one, two) >= len(of.names):
                found[everybody[one] == everybody[two]] += 1
    return found


def check_row(
    found: slow.Checked,
    path: tuple[Any, ...],
    among: slow.Comparisons,
    fmr: Fraction | None,
    lost: dict[bool, int],
) -> float:
    """An operating row: at `fmr`, or at whatever threshold it names; the threshold."""
    if fmr is not None:
        for name, value in zip(
            ("threshold", "threshold_low", "threshold_high"), among.threshold(fmr), strict=True
        ):
            found.same((*path, name), value, rel=1e-12)
    at = found.at(*path, "threshold")
    found.interval((*path, "fmr"), among.rate(False, at))
    found.interval((*path, "fnmr"), among.rate(True, at))
    wrong = {kind: len(among.wrong(kind, at)) for kind in (True, False)}
    total = {kind: len(among.sides[kind]) + lost[kind] for kind in (True, False)}
    found.same((*path, "far"), wrong[False] / total[False])
    found.same((*path, "frr"), (wrong[True] + lost[True]) / total[True])
    return at


def check_curves(found: slow.Checked, among: slow.Comparisons) -> None:
    thresholds = found.at("det", "threshold")
    assert thresholds == sorted(set(thresholds))
    # Which points are drawn is a matter of taste; that they are distances, and the last is among them, is not.
    assert set(thresholds) <= set(among.values)
    assert thresholds[-1] == among.values[-1]
    for place, at in enumerate(thresholds):
        found.seen.add(("det", "threshold", place))
        found.same(("det", "fmr", place), Fraction(len(among.wrong(False, at)), len(among.sides[False])))
        rate, low, high = among.rate(True, at, 200)
        for name, value in (("fnmr", rate), ("fnmr_low", low), ("fnmr_high", high)):
            found.same(("det", name, place), value)

    edges = found.at("histogram", "edges")
    lowest, highest = among.values[0], among.values[-1]
    for place in range(len(edges)):
        found.same(("histogram", "edges", place), lowest + (highest - lowest) * place / (len(edges) - 1))
    for name, kind in (("mated", True), ("non_mated", False)):
        for place in range(len(edges) - 1):
            low, high = edges[place], edges[place + 1]
            # Rounding may put the ends of the axis a hair inside the nearest and the farthest pair.
            first, last = place == 0, place + 2 == len(edges)
            inside = [
                value for value in among.distances(kind) if (first or value > low) and (last or value <= high)
            ]
            found.same(("histogram", name, place), len(inside))


def check_described(found: slow.Checked, among: slow.Comparisons) -> None:
    check_curves(found, among)
    found.same(("eer",), among.equal_error())
    found.same(("auc",), among.area())
    found.same(("d_prime",), among.decidability())
    cost, least = among.costs()
    found.same(("cllr",), cost, rel=1e-5)
    found.same(("min_cllr",), least)


def check_pairs(found: slow.Checked, among: slow.Comparisons, shown: int = 10) -> None:
    near = among.distances(False)[:shown]
    far = among.distances(True)[: -shown - 1 : -1]
    for name, expected in (("nearest", near), ("farthest", far)):
        assert len(found.at(name)) == len(expected)
        for place, distance in enumerate(expected):
            found.same((name, place, "distance"), distance)


def check_predictions(
    found: slow.Checked, name: str, rates: dict[float, slow.Ends], observed: dict[float, tuple[Any, ...]]
) -> None:
    """FPIR by 1 - (1 - FMR)^N of each point, and the observed ones by threshold: people, FPIR and FNIR."""
    for place, point in enumerate(found.at(name)):
        path, at = (name, place), point["threshold"]
        assert at in rates
        found.seen.add((*path, "threshold"))
        if point["observed"]:
            people, fpir, fnir = observed[at]
            found.same((*path, "identities"), people)
            found.interval((*path, "fpir"), fpir)
            found.interval((*path, "fnir"), fnir)
        else:
            found.seen.add((*path, "identities"))
            found.interval((*path, "fpir"), slow.predicted(rates[at], point["identities"]))
            assert point["fnir"] is None


def left_out(of: Templates, at: float) -> tuple[int, slow.Ends, slow.Ends]:
    searches = slow.leave_one_out(of.vectors, of.owners)

    def rate(kept: Sequence[tuple[int, bool]]) -> slow.Ends:
        replicates = [
            (sum(draw[who] for who, wrong in kept if wrong), sum(draw[who] for who, _ in kept))
            for draw in of.draws
        ]
        return slow.share(sum(wrong for _, wrong in kept), len(kept), replicates)

    return (
        PEOPLE - 1,
        rate([(who, stranger <= at) for who, stranger, _ in searches]),
        rate([(who, own > at) for who, _, own in searches if own is not None]),
    )
