"""Every number of a report, recomputed by loops (`slow_report`), which share no code with what is tested.

Recomputed are, of `calibrate`: the counts of the data; thresholds with their intervals over people, FMR, FNMR, FAR
and FRR of every operating row; all points of the DET curve and its band; all counts of the histogram; equal error
rate, AUC, d', Cllr and least Cllr; FPIR predicted and, with FNIR, observed; nearest and farthest pairs; values and
template ids of the gallery's health. Of `evaluate`, here and in `test_report_numbers_protocols`: folds and their
thresholds, mean and standard error; the open set with its draws, rank 1 and curve; one-shot accuracy; rates of groups
within and across, and the ratio of the worst to the best. Intervals over people are computed from the same draws. Each
test fails where the JSON holds a number that nothing was held against. Thresholds fitted to a tail are not here:
`test_tail` has them.
"""

from __future__ import annotations

import hashlib
import math
from contextlib import closing
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import slow_report as slow
from enrollment_db.records import NewTemplate
from faceid.decision.decide import Target
from faceid.evaluation.data import material as data
from faceid.evaluation.data.photos import from_gallery
from faceid.evaluation.protocols import evaluation, experiments, goals
from faceid.evaluation.protocols.health import Examination
from faceid.evaluation.report.health_report import with_health
from faceid.evaluation.report.render import to_json
from faceid.gallery.opening import open_gallery
from faceid.networks.registry import Calibration, CalibrationPoint
from report_checks import (
    MODEL,
    PEOPLE,
    SEED,
    SIZE,
    Templates,
    check_described,
    check_pairs,
    check_predictions,
    check_row,
    check_templates_data,
    left_out,
    lost_pairs,
)


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates()


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
    findings = experiments.cohorts(material, file, Target(threshold=at), rng, command="faceid", across=True)
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
    parts = within[False].values()
    found.same(("alike", "people"), len(group))
    found.same(("alike", "non_mated"), sum(total for _, total, _ in parts))
    pooled = [
        tuple(map(sum, zip(*draw, strict=True))) for draw in zip(*(one[2] for one in parts), strict=True)
    ]
    found.interval(
        ("alike", "fmr"), slow.share(*(sum(one[place] for one in parts) for place in (0, 1)), pooled)
    )
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


def test_health(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    vectors, owners = slow.unit_vectors(rng, 15, 0.1)
    now = datetime.now(timezone.utc) + timedelta(days=2000)
    with closing(open_gallery(tmp_path / "gallery.db", create=True)) as gallery:

        def add(name: str, vector: np.ndarray, quality: float) -> int:
            digest = hashlib.sha256(f"{name} {vector.tolist()}".encode()).hexdigest()
            (added,) = gallery._database.templates.add(
                name, [NewTemplate(vector, digest, quality=quality)], MODEL
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
