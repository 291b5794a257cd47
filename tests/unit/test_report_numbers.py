"""Every number of a report, recomputed by loops (`slow_report`), which share no code with what is tested.

Recomputed are, of `calibrate`: the counts of the data; thresholds with their intervals over people, FMR, FNMR, FAR
and FRR of every operating row; all points of the DET curve and its band; all counts of the histogram; equal error
rate, AUC, d', Cllr and least Cllr; FPIR predicted and, with FNIR, observed; nearest and farthest pairs; values and
template ids of the gallery's health. Of `evaluate`: folds and their thresholds, mean and standard error; the open set
with its draws, rank 1 and curve; one-shot accuracy; rates of groups within and across, and the ratio of the worst to
the best. Intervals over people are computed from the same draws. Each test fails where the JSON holds a number that
nothing was held against. Thresholds fitted to a tail are not here: `test_tail` has them.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import slow_report as slow
from enrollment_db.records import NewTemplate
from faceid.calibrate import data, evaluation, experiments, goals
from faceid.calibrate.health import Examination
from faceid.calibrate.health_report import with_health
from faceid.calibrate.pair_files import PairSet
from faceid.calibrate.photos import Collection, from_gallery
from faceid.calibrate.report import to_json
from faceid.calibrate.score_files import ScoreSet
from faceid.decide import Target
from faceid.gallery import Gallery, record_of
from faceid.types import ModelKey
from models.registry import Calibration, CalibrationPoint

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


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates()


def check_counts(found: slow.Checked, **expected: int) -> None:
    for name in ("identities", "photos", "templates", "mated", "non_mated"):
        found.same(("data", name), expected[name])


def check_templates_data(found: slow.Checked, of: Templates) -> None:
    sides = of.comparisons.sides
    check_counts(
        found,
        identities=PEOPLE,
        photos=of.photos,
        templates=len(of.owners),
        mated=len(sides[True]),
        non_mated=len(sides[False]),
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


def test_calibration(templates: Templates) -> None:
    material, rng = templates.material()
    findings = evaluation.calibrate(material, goals.Goal(fmr=0.02), rng, command="faceid", identities=SIZE)
    found, among = slow.Checked(to_json(findings)), templates.comparisons
    lost = lost_pairs(templates)
    check_templates_data(found, templates)
    assert [row["asked"] for row in found.at("rows")] == ["FMR 0.01"]
    thresholds = [
        check_row(found, ("rows", 0), among, Fraction(1, 100), lost),
        check_row(found, ("proposed",), among, Fraction(2, 100), lost),
    ]
    check_described(found, among)
    check_pairs(found, among)
    rates = {at: among.rate(False, at) for at in thresholds}
    observed = {at: left_out(templates, at) for at in thresholds}
    check_predictions(found, "by_size", rates, observed)
    check_predictions(found, "by_threshold", rates, observed)
    sizes = [point["identities"] for point in found.at("by_size") if not point["observed"]]
    assert sizes == sorted({10, PEOPLE - 1, SIZE, 100, 1_000, 10_000, 100_000, 1_000_000})
    for pair in found.at("nearest") + found.at("farthest"):
        assert pair["names"] == [path.split("/")[0] for path in pair["paths"]]
    assert found.unseen() == []


def test_groups(templates: Templates, tmp_path: Path) -> None:
    group = {f"p{who:02d}": ("x", "y", "z")[who % 7 % 3] for who in range(PEOPLE - 1)}
    file = tmp_path / "attributes.csv"
    file.write_text("identity,kind\n" + "".join(f"{name},{value}\n" for name, value in group.items()))
    material, rng = templates.material()
    at = templates.comparisons.distances(False)[60]
    findings = experiments.cohorts(material, file, Target(threshold=at), rng, command="faceid")
    found, among = slow.Checked(to_json(findings)), templates.comparisons

    def of(pair: slow.Pair) -> tuple[str | None, ...]:
        return tuple(sorted(group.get(f"p{who:02d}", "-") for who in (pair.one, pair.two)))

    def counted(kind: bool, one: str, two: str) -> tuple[int, int, list[tuple[float, float]]]:
        side = [pair for pair in among.sides[kind] if of(pair) == (one, two)]
        wrong = [pair for pair in among.wrong(kind, at) if of(pair) == (one, two)]
        replicates = [
            tuple(float(sum(among.weight(draw, pair) for pair in part)) for part in (wrong, side))
            for draw in templates.draws
        ]
        return len(wrong), len(side), replicates

    within: dict[bool, dict[str, tuple[int, int, list[tuple[float, float]]]]] = {True: {}, False: {}}
    for place, row in enumerate(found.at("cohorts")):
        path, one, two = ("cohorts", place), row["group"], row["against"] or row["group"]
        fmr = counted(False, one, two)
        found.same((*path, "identities"), sum(value in (one, two) for value in group.values()))
        found.same((*path, "non_mated"), fmr[1])
        found.interval((*path, "fmr"), slow.share(*fmr))
        if row["against"] is None:
            fnmr = counted(True, one, two)
            found.same((*path, "mated"), fnmr[1])
            found.interval((*path, "fnmr"), slow.share(*fnmr))
            within[False][one], within[True][one] = fmr, fnmr
        else:
            found.same((*path, "mated"), 0)
            assert row["fnmr"] is None
    assert len(found.at("cohorts")) == 6
    for name, kind in (("fmr", False), ("fnmr", True)):
        rates = {key: errors / total for key, (errors, total, _) in within[kind].items()}
        worst, best = (within[kind][end(rates, key=lambda key: rates[key])] for end in (max, min))
        replicates = [(*a, *b) for a, b in zip(worst[2], best[2], strict=True)]
        value, low, high = slow.ratio(worst[:2], best[:2], replicates)
        path = ("differentials", 0, f"{name}_ratio")
        found.same((*path, "value"), value)
        found.same((*path, "low"), low)
        found.same((*path, "high"), None if math.isinf(high) else high)
    check_templates_data(found, templates)
    lost = lost_pairs(templates)
    rates = {
        check_row(found, path, among, fmr, lost): among.rate(False, found.at(*path, "threshold"))
        for path, fmr in ((("rows", 0), Fraction(1, 100)), (("proposed",), None))
    }
    found.same(("proposed", "threshold"), at)
    observed = {threshold: left_out(templates, threshold) for threshold in rates}
    check_predictions(found, "by_size", rates, observed)
    check_predictions(found, "by_threshold", rates, observed)
    check_described(found, among)
    check_pairs(found, among)
    assert found.unseen() == []


class Drawn:
    """One open set, drawn as the report's was: distances of mated searches with rank 1 or not, and of strangers."""

    def __init__(
        self, of: Templates, rng: np.random.Generator, photos: int, strangers: float, size: int | None
    ):
        order = rng.permutation(PEOPLE).tolist()
        inside = order[round(strangers * PEOPLE) :]
        photos_of = {who: of.owners.count(who) for who in range(PEOPLE)}
        enrolled = [who for who in inside if photos_of[who] > photos]
        if size is not None:
            enrolled = [*enrolled, *(who for who in inside if photos_of[who] == photos)][:size]
        shuffled = rng.permutation(len(of.owners)).tolist()
        rows = of.vectors.astype(float).tolist()
        shown = {who: [k for k in shuffled if of.owners[k] == who][:photos] for who in enrolled}
        taken = {k for places in shown.values() for k in places}
        self.enrolled = len(enrolled)
        self.mated: list[tuple[float, bool]] = []
        self.strangers: list[float] = []
        for probe in range(len(rows)):
            if probe in taken:
                continue
            apart = {who: slow.to_identity(rows[probe], [rows[k] for k in shown[who]]) for who in enrolled}
            own = apart.pop(of.owners[probe], None)
            if own is None:
                self.strangers.append(min(apart.values()))
            else:
                self.mated.append((own, own < min(apart.values())))


def test_open_set(templates: Templates) -> None:
    material, rng = templates.material()
    findings = experiments.identification(
        material, Target(fpir=0.5), rng, photos=1, strangers=0.2, draws=3, command="faceid"
    )
    found, among = slow.Checked(to_json(findings)), templates.comparisons
    own_rng = templates.own_rng()
    whole = [Drawn(templates, own_rng, 1, 0.2, None) for _ in range(3)]
    enrolled = round(sum(one.enrolled for one in whole) / 3)
    assert enrolled > 10
    part = [Drawn(templates, own_rng, 1, 0.2, 10) for _ in range(3)]

    def observed(drawn: list[Drawn], people: int, at: float) -> tuple[int, slow.Ends, slow.Ends]:
        return (
            people,
            slow.averaged([(sum(near <= at for near in one.strangers), len(one.strangers)) for one in drawn]),
            slow.averaged([(sum(own > at for own, _ in one.mated), len(one.mated)) for one in drawn]),
        )

    lost = lost_pairs(templates)
    at_work = check_row(found, ("proposed",), among, Fraction(1, 2) / enrolled, lost)
    other = check_row(found, ("rows", 0), among, Fraction(1, 100), lost)
    smaller = among.threshold(Fraction(1, 20))[0]
    rates = {at: among.rate(False, at) for at in (at_work, other, smaller)}
    sizes = {at_work: (whole, enrolled), smaller: (part, 10)}
    check_predictions(found, "by_size", rates, {at: observed(*sizes[at], at) for at in (at_work, smaller)})
    assert [point["identities"] for point in found.at("by_size")] == [10, 10, enrolled, enrolled]
    check_predictions(
        found, "by_threshold", rates, {at: observed(whole, enrolled, at) for at in (at_work, other)}
    )

    mated = [search for one in whole for search in one.mated]
    strangers = [near for one in whole for near in one.strangers]
    for name, value in {
        "identities": enrolled,
        "photos": 1,
        "draws": 3,
        "mated": len(mated),
        "non_mated": len(strangers),
        "rank_1": sum(first for _, first in mated) / len(mated),
    }.items():
        found.same(("open_set", name), value)
    _, fpir, fnir = observed(whole, enrolled, at_work)
    found.interval(("open_set", "fpir"), fpir)
    found.interval(("open_set", "fnir"), fnir)
    for place, at in enumerate(found.at("open_set", "curve", "threshold")):
        assert at in strangers or any(own == at for own, _ in mated)
        found.seen.add(("open_set", "curve", "threshold", place))
        found.same(
            ("open_set", "curve", "fpir", place), sum(near <= at for near in strangers) / len(strangers)
        )
        found.same(("open_set", "curve", "fnir", place), sum(own > at for own, _ in mated) / len(mated))

    check_templates_data(found, templates)
    check_described(found, among)
    check_pairs(found, among)
    assert found.unseen() == []


def listed(of: Templates) -> PairSet:
    """Some of the pairs, in three folds."""
    rng = np.random.default_rng(2)
    every = [(i, j) for i in range(len(of.owners)) for j in range(i)]
    mated = [pair for pair in every if of.owners[pair[0]] == of.owners[pair[1]]]
    other = [pair for pair in every if of.owners[pair[0]] != of.owners[pair[1]]]
    chosen = [mated[k] for k in rng.permutation(len(mated))] + [
        other[k] for k in rng.permutation(len(other))[:90]
    ]
    return PairSet(
        source="pairs.txt",
        model=MODEL,
        paths=tuple((f"{i}.jpg", f"{j}.jpg") for i, j in chosen),
        similarity=np.array([of.vectors[i] @ of.vectors[j] for i, j in chosen], dtype=np.float32),
        mated=np.array([of.owners[i] == of.owners[j] for i, j in chosen]),
        folds=np.arange(len(chosen)) % 3,
        first=np.array([of.owners[i] for i, _ in chosen]),
        second=np.array([of.owners[j] for _, j in chosen]),
        photos=60,
        lost={"no_face": 2},
        mated_lost=3,
        non_mated_lost=4,
        contradictions=0,
    )


def check_folds(found: slow.Checked, pairs: Sequence[slow.Pair], folds: Sequence[int]) -> None:
    accuracies = []
    for place, fold in enumerate(sorted(set(folds))):
        rest = [pair for pair, number in zip(pairs, folds, strict=True) if number != fold]
        own = [pair for pair, number in zip(pairs, folds, strict=True) if number == fold]
        at = slow.best_threshold(
            [pair.distance for pair in rest if pair.mated], [pair.distance for pair in rest if not pair.mated]
        )
        found.same(("folds", "threshold", place), at)
        accuracies.append(sum((pair.distance <= at) == pair.mated for pair in own) / len(own))
        found.same(("folds", "accuracy", place), accuracies[-1])
    found.same(("folds", "mean"), statistics.fmean(accuracies))
    found.same(("folds", "standard_error"), statistics.stdev(accuracies) / math.sqrt(len(accuracies)))


def check_verification(found: slow.Checked, among: slow.Comparisons, lost: dict[bool, int]) -> None:
    best = slow.best_threshold(among.distances(True), among.distances(False))
    found.same(("proposed", "threshold"), best)
    at = check_row(found, ("proposed",), among, None, lost)
    rates = {at: among.rate(False, at)}
    for place, row in enumerate(found.at("rows")):
        asked = Fraction(row["asked"].removeprefix("FMR "))
        row_at = check_row(found, ("rows", place), among, asked, lost)
        rates[row_at] = among.rate(False, row_at)
    check_predictions(found, "by_size", rates, {})
    check_predictions(found, "by_threshold", rates, {})
    check_described(found, among)


def test_verification_of_listed_pairs(templates: Templates) -> None:
    rng = np.random.default_rng(SEED)
    pairs = listed(templates)
    findings = experiments.verification(data.of_listed(pairs, rng), None, rng, command="faceid")
    found = slow.Checked(to_json(findings))
    every = [
        slow.Pair(1 - float(similarity), int(one), int(two), bool(mated))
        for similarity, one, two, mated in zip(
            pairs.similarity, pairs.first, pairs.second, pairs.mated, strict=True
        )
    ]
    among = slow.Comparisons(every, drawn(PEOPLE, np.random.default_rng(SEED)))
    assert pairs.folds is not None
    check_folds(found, every, pairs.folds.tolist())
    check_verification(found, among, {True: 3, False: 4})
    check_pairs(found, among)
    check_counts(
        found,
        identities=len({*pairs.first.tolist(), *pairs.second.tolist()}),
        photos=60,
        templates=58,
        mated=sum(pair.mated for pair in every),
        non_mated=90,
    )
    found.same(("data", "lost", "no_face"), 2)
    assert found.unseen() == []


def test_verification_of_scores() -> None:
    maker = np.random.default_rng(3)
    mated = maker.random(400) < 0.2
    distance = (maker.normal(np.where(mated, 0.4, 0.8), 0.15).clip(0.05, 1.9) * 4096).round() / 4096
    scores = ScoreSet("scores.csv", distance, mated, "net", "0" * 64)
    rng = np.random.default_rng(SEED)
    material = data.of_scores(scores, None, "cosine", rng)
    found = slow.Checked(to_json(experiments.verification(material, 4, rng, command="faceid")))
    every = [slow.Pair(float(value), 0, 1, bool(same)) for value, same in zip(distance, mated, strict=True)]
    own_rng, folds = np.random.default_rng(SEED), [0] * 400
    for kind in (True, False):
        for turn, place in enumerate(own_rng.permutation([k for k in range(400) if mated[k] == kind])):
            folds[place] = turn % 4
    among = slow.Comparisons(every)
    check_folds(found, every, folds)
    check_verification(found, among, {True: 0, False: 0})
    check_counts(
        found, identities=0, photos=0, templates=0, mated=int(mated.sum()), non_mated=int((~mated).sum())
    )
    assert found.unseen() == []


def test_one_shot(templates: Templates) -> None:
    material, rng = templates.material()
    findings = experiments.one_shot(material, rng, ways=6, episodes=200, command="faceid")
    found = slow.Checked(to_json(findings))
    own_rng = templates.own_rng()
    photos = [[k for k, owner in enumerate(templates.owners) if owner == who] for who in range(PEOPLE)]
    several = [who for who in range(PEOPLE) if len(photos[who]) > 1]
    rows = [[Fraction(float(value)) for value in row] for row in templates.vectors]

    def like(one: int, two: int) -> Fraction:
        return sum((a * b for a, b in zip(rows[one], rows[two], strict=True)), Fraction(0))

    right = 0
    for _ in range(200):
        who = int(own_rng.choice(several))
        others = [other + (other >= who) for other in own_rng.choice(PEOPLE - 1, 5, replace=False).tolist()]
        query, own = (photos[who][k] for k in own_rng.choice(len(photos[who]), 2, replace=False))
        shown = [
            photos[other][int(part * len(photos[other]))]
            for other, part in zip(others, own_rng.random(5).tolist(), strict=True)
        ]
        right += like(own, query) > max(like(other, query) for other in shown)
    assert 0 < right < 200
    found.interval(("one_shot", "accuracy"), slow.wilson(right, 200))
    for name, value in {"ways": 6, "episodes": 200, "people": len(several)}.items():
        found.same(("one_shot", name), value)
    check_templates_data(found, templates)
    assert found.unseen() == []


def test_health(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    vectors, owners = slow.unit_vectors(rng, 15, 0.1)
    now = datetime.now(timezone.utc) + timedelta(days=2000)
    with closing(Gallery.open(tmp_path / "gallery.db", create=True)) as gallery:

        def add(name: str, vector: np.ndarray, quality: float) -> int:
            digest = hashlib.sha256(f"{name} {vector.tolist()}".encode()).hexdigest()
            (added,) = gallery.store.add(
                name, [NewTemplate(vector, digest, quality=quality)], record_of(MODEL)
            )
            return added.template_id

        ids = [
            add(f"p{who:02d}", vector, 0.1 + place / 100)
            for place, (who, vector) in enumerate(zip(owners, vectors, strict=True))
        ]
        twin = add("twin", vectors[owners.index(2)], 0.9)
        wrong = add("p05", -vectors[owners.index(5)], 0.9)
        since = {
            template.template_id: datetime.fromisoformat(template.created_at.replace("Z", "+00:00"))
            for name in {*(f"p{who:02d}" for who in owners), "twin"}
            for template in gallery.templates(name)
        }
        calibration = Calibration(
            data="none",
            date="2026-01-01",
            software="none",
            mated=1000,
            non_mated=10_000,
            ambiguity_margin=0.05,
            points=(CalibrationPoint(1e-3, 0.15, 1e-3, 1e-3, 1), CalibrationPoint(1.0, 1.5, 1.0, 1.0, 1)),
        )
        rng = np.random.default_rng(SEED)
        material = data.of_collection(from_gallery(gallery, "gallery.db"), rng)
        findings = evaluation.blank(material, "Calibration", "faceid")
        examination = Examination(gallery, calibration, least_quality=0.2, now=now)
        found = slow.Checked(to_json(with_health(findings, examination)))

    templates = {f"p{who:02d}": [] for who in owners} | {
        "twin": [vectors[owners.index(2)].astype(float).tolist()]
    }
    for who, vector in zip(owners, vectors.astype(float).tolist(), strict=True):
        templates[f"p{who:02d}"].append(vector)
    templates["p05"].append((-vectors[owners.index(5)]).astype(float).tolist())
    expected: dict[tuple[str, tuple[int, ...]], float | None] = {
        **{("single_template", (ids[k],)): None for k, who in enumerate(owners) if owners.count(who) == 1},
        ("single_template", (twin,)): None,
        **{("low_quality", (ids[k],)): 0.1 + k / 100 for k in range(len(ids)) if 10 + k < 20},
        **{("stale", (which,)): round((now - at).total_seconds() / 86400, 1) for which, at in since.items()},
        ("outlier_template", (wrong,)): slow.to_identity(templates["p05"][-1], templates["p05"][:-1]),
        ("look_alike", (ids[owners.index(2)], twin)): slow.to_identity(
            templates["twin"][0], templates["p02"]
        ),
    }
    told = found.at("health")
    assert {(item["kind"], tuple(item["template_ids"])) for item in told} == set(expected)
    for place, item in enumerate(told):
        # These scores are rounded to float32.
        value = expected[item["kind"], tuple(item["template_ids"])]
        found.same(("health", place, "value"), value, rel=1e-4)
        for at in range(len(item["template_ids"])):
            found.seen.add(("health", place, "template_ids", at))
    assert {path[0] for path in found.unseen()} == {"data"}


def test_a_number_that_nothing_was_held_against_is_found() -> None:
    found = slow.Checked({"a": [1, {"b": 2.5}], "c": {"d": None, "e": True, "f": "1"}})
    found.same(("a", 0), 1)
    assert found.unseen() == [("a", 1, "b")]
    with pytest.raises(AssertionError):
        found.same(("a", 1, "b"), 2.4)
