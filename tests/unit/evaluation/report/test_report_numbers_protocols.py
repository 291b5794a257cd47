"""The numbers of `faceid evaluate` by loops: what is recomputed is listed in `test_report_numbers_calibration`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

import slow_report as slow
from faceid.decision.decide import Target
from faceid.evaluation.data import material as data
from faceid.evaluation.data.pair_files import PairSet
from faceid.evaluation.data.score_files import ScoreSet
from faceid.evaluation.protocols import experiments
from faceid.evaluation.report.render import to_json
from report_checks import (
    MODEL,
    PEOPLE,
    SEED,
    Templates,
    check_counts,
    check_described,
    check_pairs,
    check_predictions,
    check_row,
    check_templates_data,
    drawn,
    lost_pairs,
)


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates()


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
        lost_mated=np.arange(7) < 3,
        lost_folds=np.array([0, 0, 1, 0, 1, 1, 1]),
        contradictions=0,
    )


def check_folds(
    found: slow.Checked, pairs: Sequence[slow.Pair], folds: Sequence[int], lost: Sequence[int] = ()
) -> None:
    accuracies = []
    for place, fold in enumerate(sorted(set(folds))):
        rest = [pair for pair, number in zip(pairs, folds, strict=True) if number != fold]
        own = [pair for pair, number in zip(pairs, folds, strict=True) if number == fold]
        at = slow.best_threshold(
            [pair.distance for pair in rest if pair.mated], [pair.distance for pair in rest if not pair.mated]
        )
        found.same(("folds", "threshold", place), at)
        accuracies.append(
            sum((pair.distance <= at) == pair.mated for pair in own) / (len(own) + lost.count(fold))
        )
        found.same(("folds", "accuracy", place), accuracies[-1])
    found.same(("folds", "mean"), statistics.fmean(accuracies))
    found.same(("folds", "standard_error"), statistics.stdev(accuracies) / math.sqrt(len(accuracies)))
    found.same(("folds", "pairs"), len(pairs) + len(lost))
    found.same(("folds", "lost"), len(lost))


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
    check_folds(found, every, pairs.folds.tolist(), [0, 0, 1, 0, 1, 1, 1])
    check_verification(found, among, {True: 3, False: 4})
    check_pairs(found, among)
    check_counts(
        found,
        identities=len({*pairs.first.tolist(), *pairs.second.tolist()}),
        photos=60,
        templates=58,
        mated=sum(pair.mated for pair in every),
        non_mated=90,
        mated_lost=3,
        non_mated_lost=4,
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
