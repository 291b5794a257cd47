"""Arranges findings in the order and groups in which the templates of a report print them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from faceid.evaluation.findings import DetCurve, Findings, Health, Histogram, OperatingRow
from faceid.evaluation.report import charts
from faceid.evaluation.report.numbers import distance, number, rate, thousands, whole
from faceid.evaluation.report.pairs import common_root
from faceid.evaluation.report.plot import Drawing
from faceid.evaluation.statistics.intervals import Interval

ROWS = 20
"""The greatest number of points of a curve, or bins, in a table."""

_HEALTH: dict[str, tuple[str, str, Callable[[float | None], str]]] = {
    "outlier_template": ("Templates far from their own identity", "distance", distance),
    "look_alike": ("Identities that look like one person", "distance", distance),
    "similar_people": ("People who match each other more often than the card says", "times as often", number),
    "single_template": ("Identities with one template", "", number),
    "low_quality": ("Templates of low quality", "quality", number),
    "stale": ("Old templates", "age, days", whole),
    "unconfirmed": ("Unconfirmed templates", "", number),
}


@dataclass(frozen=True, slots=True)
class DetPoint:
    """One threshold of a DET curve with both error rates."""

    threshold: float
    fmr: float
    fnmr: Interval


@dataclass(frozen=True, slots=True)
class Charts:
    """The drawings of a report, None if there is nothing to draw, and the numbers of the tables below them.

    `search_points` are places in the curve of the open set.
    """

    det: Drawing | None
    det_points: tuple[DetPoint, ...]
    histogram: Drawing | None
    bins: Histogram
    size: Drawing | None
    trade: Drawing | None
    search: Drawing | None
    search_points: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HealthGroup:
    """The health findings of one kind. `value` names their number ("" if they have none), `format` prints it.

    `one_advice`: they have no number and share one advice, so that only the names differ.
    """

    title: str
    value: str
    format: Callable[[float | None], str]
    items: tuple[Health, ...]
    one_advice: bool


def values_of(findings: Findings) -> dict[str, object]:
    """The values that `report.html` needs."""
    measured = (findings.rows, findings.proposed, findings.det, findings.by_size, findings.cohorts)
    return {
        "title": findings.title,
        "findings": findings,
        "differentials": [
            found for found in findings.differentials if found.fmr_ratio is not None and found.fmr_worst
        ],
        "measured_on": _measured_on(findings),
        "measures": list(_measures(findings)),
        "operating": _operating(findings),
        "charts": _charts(findings),
        "root": common_root(findings),
        "health": list(_health_groups(findings.health)),
        "measured": any((*measured, findings.folds, findings.open_set, findings.one_shot)),
    }


def _operating(findings: Findings) -> Sequence[OperatingRow]:
    if findings.proposed is None or findings.proposed in findings.rows:
        return findings.rows
    return (findings.proposed, *findings.rows)


def _measures(findings: Findings) -> Iterator[tuple[str, str]]:
    proposed = findings.proposed
    for term, value in (
        ("Proposed threshold", distance(proposed.threshold) if proposed else "-"),
        ("FMR there", rate(proposed.fmr.rate) if proposed else "-"),
        ("FNMR there", rate(proposed.fnmr.rate) if proposed else "-"),
        ("Equal error rate", rate(findings.eer)),
        ("AUC", number(findings.auc, 5)),
        ("d′", number(findings.d_prime)),
        ("Cllr", number(findings.cllr)),
        ("least Cllr", number(findings.min_cllr)),
    ):
        if value != "-":
            yield term, value


def _measured_on(findings: Findings) -> str:
    found, parts = findings.data, []
    # Trials of one-shot recognition are no single comparisons.
    if (found.mated or found.non_mated) and (findings.proposed is not None or findings.one_shot is None):
        parts.append(
            f"{thousands(found.non_mated)} comparisons of different people and"
            f" {thousands(found.mated)} of the same person"
        )
    # Bare scores have no identities.
    if found.templates and (parts or findings.one_shot is not None):
        parts.append(f"{thousands(found.templates)} photos of {thousands(found.identities)} people")
    return ", from ".join(parts)


def _charts(findings: Findings) -> Charts:
    det, histogram, searches = findings.det, findings.histogram, findings.open_set
    threshold = findings.proposed.threshold if findings.proposed else None
    observed = [point for point in findings.by_threshold if point.observed]
    return Charts(
        det=None if det is None else charts.det_chart(det, findings.proposed, findings.eer),
        det_points=() if det is None else tuple(_det_points(det)),
        histogram=None if histogram is None else charts.histogram_chart(histogram, threshold),
        bins=Histogram((), (), ()) if histogram is None else charts.joined(histogram, ROWS),
        size=charts.size_chart(findings.by_size),
        trade=charts.trade_chart(findings.by_threshold),
        search=None if searches is None else charts.search_chart(searches.curve, observed, threshold),
        search_points=() if searches is None else tuple(_places(len(searches.curve.threshold))),
    )


def _det_points(det: DetCurve) -> Iterator[DetPoint]:
    for place in _places(len(det.fmr)):
        fnmr = Interval(det.fnmr[place], det.fnmr_low[place], det.fnmr_high[place])
        yield DetPoint(det.threshold[place], det.fmr[place], fnmr)


def _places(length: int) -> Iterable[int]:
    """About ROWS points of a curve, including the first and the last."""
    return sorted({round(k * (length - 1) / ROWS) for k in range(ROWS + 1)}) if length else []


def _health_groups(found: Sequence[Health]) -> Iterator[HealthGroup]:
    for kind in dict.fromkeys([*_HEALTH, *(item.kind for item in found)]):
        items = tuple(item for item in found if item.kind == kind)
        if items:
            title, value, format_ = _HEALTH.get(kind, (kind, "value", number))
            alike = not value and len({item.advice for item in items}) == 1
            yield HealthGroup(title, value, format_, items, alike)
