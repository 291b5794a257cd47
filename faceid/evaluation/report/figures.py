"""The charts with what they show in words, and as tables."""

from __future__ import annotations

from collections.abc import Iterable

from faceid.evaluation.report import charts
from faceid.evaluation.report.findings import DetCurve, Findings, GalleryPoint, Histogram
from faceid.evaluation.report.markup import (
    INTERVAL,
    Html,
    between,
    count,
    details,
    distance,
    join,
    rate,
    section,
    table,
    text,
)
from faceid.evaluation.statistics.intervals import Interval

ROWS = 20
"""How many points of a curve, or bins, a table has."""


def figures(findings: Findings) -> Html:
    """The charts, with what they show as tables."""
    parts = []
    threshold = findings.proposed.threshold if findings.proposed else None
    if findings.det is not None:
        parts.append(
            figure(
                charts.det_chart(findings.det, findings.proposed, findings.eer),
                "Error trade-off (DET).",
                "Line: FNMR over FMR at every threshold, on normal-deviate axes. Gray band: 95 % interval of FNMR."
                " Circle: the proposed threshold. Nearer to the lower left corner is better.",
                _det_table(findings.det),
            )
        )
    if findings.histogram is not None:
        parts.append(
            figure(
                charts.histogram_chart(findings.histogram, threshold),
                "Distances.",
                "Hatched upwards, solid outline: comparisons of one person; downwards, dashed: of different people."
                " Each as a share of its kind. What lies left of the threshold is accepted.",
                _histogram_table(findings.histogram),
            )
        )
    # Those of an open set stand with its experiment.
    if findings.by_size and findings.open_set is None:
        parts.append(size_figure(findings))
    if findings.by_threshold and findings.open_set is None:
        parts.append(
            figure(
                charts.trade_chart(findings.by_threshold),
                "Misses against false positives.",
                "FNIR: how often a search for somebody who is enrolled does not return that name. Lines: predicted,"
                " with 95 % band. Marks: observed, with 95 % bars.",
                gallery_table("Searches by threshold", findings.by_threshold),
            )
        )
    body = join(parts)
    return section("figures", "Figures", Html(f'<div class="chart-grid">{body}</div>')) if body else body


def size_figure(findings: Findings) -> Html:
    """FPIR by the size of the gallery."""
    return figure(
        charts.size_chart(findings.by_size),
        "False positives and the size of the gallery.",
        "FPIR: how often a search for somebody who is not enrolled returns a name. Lines: predicted, with 95 %"
        " band. Marks: observed, with 95 % bars; a triangle is the upper bound where none was seen.",
        gallery_table("Searches by size of the gallery", findings.by_size),
    )


def figure(chart: Html, title: str, caption: str, numbers: Html) -> Html:
    """A chart with its caption, and its numbers folded up; empty where the chart is."""
    if not chart:
        return chart
    words = f"<figcaption><strong>{text(title)}</strong> {text(caption)}</figcaption>"
    return Html(f"<figure>{chart}{words}{details('The numbers', numbers)}</figure>\n")


def _det_table(det: DetCurve) -> Html:
    places = sorted({round(k * (len(det.fmr) - 1) / ROWS) for k in range(ROWS + 1)}) if det.fmr else []
    return table(
        "Points of the curve",
        ["threshold", "FMR", "FNMR", INTERVAL],
        [
            (
                distance(det.threshold[k]),
                rate(det.fmr[k]),
                rate(det.fnmr[k]),
                between(Interval(det.fnmr[k], det.fnmr_low[k], det.fnmr_high[k])),
            )
            for k in places
        ],
        words=0,
    )


def _histogram_table(histogram: Histogram) -> Html:
    bins = charts.joined(histogram, ROWS)
    return table(
        "Comparisons by distance",
        ["from", "to", "same person", "different people"],
        [
            (distance(low), distance(high), count(mated), count(non_mated))
            for low, high, mated, non_mated in zip(
                bins.edges, bins.edges[1:], bins.mated, bins.non_mated, strict=False
            )
        ],
        words=0,
    )


def gallery_table(title: str, points: Iterable[GalleryPoint]) -> Html:
    """Searches, predicted and observed."""
    return table(
        title,
        ["", "identities", "threshold", "FPIR", INTERVAL, "FNIR", INTERVAL],
        [
            (
                "observed" if point.observed else "predicted",
                count(point.identities),
                distance(point.threshold),
                rate(point.fpir.rate),
                between(point.fpir),
                rate(point.fnir.rate if point.fnir else None),
                between(point.fnir),
            )
            for point in points
        ],
    )
