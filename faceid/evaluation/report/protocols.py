"""What the protocols of an evaluation found: k-fold verification, open-set identification, one-shot recognition."""

from __future__ import annotations

from faceid.evaluation.report import charts
from faceid.evaluation.report.figures import ROWS, figure, gallery_table, size_figure
from faceid.evaluation.report.findings import Findings, FoldAccuracy, OneShot, OpenSet
from faceid.evaluation.report.markup import (
    INTERVAL,
    Html,
    between,
    count,
    distance,
    join,
    number,
    rate,
    section,
    table,
    text,
    times,
)


def leads(findings: Findings) -> list[Html]:
    """Each protocol's result in a sentence."""
    found = []
    if (folds := findings.folds) is not None:
        found.append(
            Html(
                f"In {count(len(folds.accuracy))} folds, each judged at the threshold that is best on the others,"
                f" <strong>{rate(folds.mean)} of comparisons are decided rightly</strong>"
                f" (standard error {rate(folds.standard_error)})."
            )
        )
    if (searches := findings.open_set) is not None:
        missed = (
            ""
            if searches.fnir is None
            else f", and <strong>{rate(searches.fnir.rate)} of searches for people who are do not return theirs"
            f"</strong> (FNIR; {between(searches.fnir)})"
        )
        found.append(
            Html(
                f"With {count(searches.identities)} people enrolled, <strong>{rate(searches.fpir.rate)} of searches for"
                f" people who are not return a name</strong> (FPIR; {between(searches.fpir)}){missed}."
            )
        )
    if (shots := findings.one_shot) is not None:
        found.append(
            Html(
                f"Among {count(shots.ways)} people of whom one photo each is known, <strong>the right one is nearest in"
                f" {rate(shots.accuracy.rate)} of trials</strong> ({between(shots.accuracy)})."
            )
        )
    found += [
        Html(
            f"By {text(row.attribute)}, the false match rate is highest for <strong>{text(row.fmr_worst)}: "
            f"{number(row.fmr_ratio.value)} times the lowest</strong> (95 % interval: {times(row.fmr_ratio)}"
            f"{'; the groups may be alike' if row.fmr_ratio.low <= 1.0 else ''})."
        )
        for row in findings.differentials
        if row.fmr_ratio is not None
    ]
    return found


def protocols(findings: Findings) -> Html:
    """The protocols in numbers."""
    return join(
        [
            _folds(findings.folds) if findings.folds is not None else Html(""),
            _open_set(findings, findings.open_set) if findings.open_set is not None else Html(""),
            _one_shot(findings.one_shot) if findings.one_shot is not None else Html(""),
        ]
    )


def _folds(found: FoldAccuracy) -> Html:
    rows: list[tuple[object, ...]] = [
        (place, distance(threshold), rate(accuracy))
        for place, (threshold, accuracy) in enumerate(
            zip(found.threshold, found.accuracy, strict=True), start=1
        )
    ]
    rows += [("mean", "", rate(found.mean)), ("standard error of the mean", "", rate(found.standard_error))]
    body = table("Accuracy by fold", ["fold", "threshold", "accuracy"], rows)
    return section("folds", "Verification in folds", body)


def _open_set(findings: Findings, found: OpenSet) -> Html:
    threshold = findings.proposed.threshold if findings.proposed else None
    rows = [
        ("people enrolled", count(found.identities), ""),
        ("photos of each", count(found.photos), ""),
        ("galleries drawn", count(found.draws), ""),
        ("mated searches", count(found.mated), ""),
        ("non-mated searches", count(found.non_mated), ""),
        ("threshold", distance(threshold), ""),
        ("rank 1", rate(found.rank_1), ""),
        ("FPIR", rate(found.fpir.rate), between(found.fpir)),
        ("FNIR", rate(found.fnir.rate if found.fnir else None), between(found.fnir)),
    ]
    body = table("The experiment", ["", "value", INTERVAL], rows)
    note = (
        "Searches are summed over all draws; intervals are as wide as one draw makes them, since drawing the same"
        " people again adds no people. Rank 1 is the share of mated searches whose nearest identity is the right one,"
        " whatever the threshold."
    )
    observed = [point for point in findings.by_threshold if point.observed]
    drawn = figure(
        charts.search_chart(found.curve, observed, threshold),
        "Misses against false positives.",
        "Line: FNIR over FPIR at every threshold. Marks: at the thresholds that are listed below, with 95 % bars; the"
        " filled one is the proposed threshold, a triangle the upper bound where none was seen."
        " Nearer to the lower left corner is better.",
        join(
            [
                gallery_table("Searches by threshold", findings.by_threshold),
                _curve_table(found),
            ]
        ),
    )
    charted = Html(f'<div class="chart-grid">{drawn}{size_figure(findings)}</div>')
    by_size = gallery_table("Galleries of different sizes, each with its own threshold", findings.by_size)
    return section(
        "searches",
        "Open-set identification",
        body + Html(f'<p class="note">{text(note)}</p>') + by_size + charted,
    )


def _curve_table(found: OpenSet) -> Html:
    last = len(found.curve.threshold) - 1
    places = sorted({round(k * last / ROWS) for k in range(ROWS + 1)}) if last >= 0 else []
    return table(
        "Points of the curve",
        ["threshold", "FPIR", "FNIR"],
        [
            (distance(found.curve.threshold[k]), rate(found.curve.fpir[k]), rate(found.curve.fnir[k]))
            for k in places
        ],
        words=0,
    )


def _one_shot(found: OneShot) -> Html:
    rows = [
        ("people to choose from", count(found.ways), ""),
        ("trials", count(found.episodes), ""),
        ("people with two photos", count(found.people), ""),
        ("right", rate(found.accuracy.rate), between(found.accuracy)),
        ("right by chance", rate(1.0 / found.ways if found.ways else None), ""),
    ]
    body = table("The experiment", ["", "value", INTERVAL], rows)
    note = (
        "Each trial draws one of the people with two photos, and others at random; a stranger who is as near as the"
        " right one counts as wrong. The interval takes trials as independent: it is about these people, not about"
        " others."
    )
    return section("one-shot", "One-shot recognition", body + Html(f'<p class="note">{text(note)}</p>'))
