"""What the report says, part by part. A part for which there are no findings is empty."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from faceid.calibrate.findings import (
    CohortRow,
    Differential,
    Findings,
    GalleryPoint,
    Health,
    NotablePair,
    OperatingRow,
)
from faceid.calibrate.report import charts
from faceid.calibrate.report.markup import (
    Html,
    between,
    count,
    details,
    distance,
    join,
    name,
    number,
    one_in,
    rate,
    table,
    text,
)

HEALTH_KINDS = {
    "outlier_template": ("Templates far from their own identity", "distance"),
    "look_alike": ("Identities that look like one person", "distance"),
    "single_template": ("Identities with one template", ""),
    "low_quality": ("Templates of low quality", "quality"),
    "stale": ("Old templates", "age, days"),
}
"""Title, and what the value is, of each kind of `Health`."""

_DET_ROWS = 20


def summary(findings: Findings) -> Html:
    """What was found, for a reader with half a minute, and what stands against it."""
    proposed = findings.proposed
    parts = [_lead(proposed)] if proposed is not None else []
    if findings.data.mated or findings.data.non_mated:
        parts.append(
            Html(
                f"<p>Measured with {text(findings.model)} on {count(findings.data.non_mated)} comparisons of different"
                f" people and {count(findings.data.mated)} of the same person, from"
                f" {count(findings.data.templates)} photos of {count(findings.data.identities)} people.</p>"
            )
        )
    if findings.health:
        parts.append(_health_in_brief(findings.health))
    facts = [
        ("Proposed threshold", distance(proposed.threshold) if proposed else "-"),
        ("FMR there", rate(proposed.fmr.rate) if proposed else "-"),
        ("FNMR there", rate(proposed.fnmr.rate) if proposed else "-"),
        ("Equal error rate", rate(findings.eer)),
        ("AUC", number(findings.auc, 5)),
        ("d′", number(findings.d_prime)),
        ("Cllr", number(findings.cllr)),
        ("least Cllr", number(findings.min_cllr)),
    ]
    shown = [(term, value) for term, value in facts if value != "-"]
    if shown:
        tiles = join(Html(f"<div><dt>{text(term)}</dt><dd>{text(value)}</dd></div>") for term, value in shown)
        parts.append(Html(f'<dl class="facts">{tiles}</dl>'))
    return _section("summary", "Summary", join(parts)) + _caveats(findings)


def operating_points(findings: Findings) -> Html:
    """The thresholds and what each costs."""
    rows = list(findings.rows)
    if findings.proposed is not None and findings.proposed not in rows:
        rows.insert(0, findings.proposed)
    if not rows:
        return Html("")
    marks = [
        "".join(mark for mark, set_ in (("*", row == findings.proposed), ("†", row.extrapolated)) if set_)
        for row in rows
    ]
    body = table(
        "Thresholds with both error rates and their 95 % intervals",
        [
            "asked for",
            "threshold",
            "its interval",
            "FMR",
            "its interval",
            "FNMR",
            "its interval",
            "FAR",
            "FRR",
        ],
        [
            (
                f"{row.asked} {mark}".strip(),
                distance(row.threshold),
                _ends(row.threshold_low, row.threshold_high),
                rate(row.fmr.rate),
                between(row.fmr),
                rate(row.fnmr.rate),
                between(row.fnmr),
                rate(row.far),
                rate(row.frr),
            )
            for row, mark in zip(rows, marks, strict=True)
        ],
    )
    notes = [
        note
        for mark, note in (
            ("*", "* The proposed threshold."),
            ("†", "† From a fit to the tail of the distances, not from counting."),
        )
        if mark in "".join(marks)
    ]
    notes.append("FAR and FRR count photos in which no face was found; FMR and FNMR do not.")
    return _section("thresholds", "Thresholds", body + Html(f'<p class="note">{text(" ".join(notes))}</p>'))


def figures(findings: Findings) -> Html:
    """The four charts, with what they show as tables."""
    parts = []
    threshold = findings.proposed.threshold if findings.proposed else None
    if findings.det is not None:
        det = findings.det
        places = sorted({round(k * (len(det.fmr) - 1) / _DET_ROWS) for k in range(_DET_ROWS + 1)})
        parts.append(
            _figure(
                charts.det_chart(det, findings.proposed, findings.eer),
                "Error trade-off (DET).",
                "Line: FNMR over FMR at every threshold, on normal-deviate axes. Gray band: 95 % interval of FNMR."
                " Circle: the proposed threshold. Nearer to the lower left corner is better.",
                table(
                    "Points of the curve",
                    ["threshold", "FMR", "FNMR", "95 % interval"],
                    [
                        (
                            distance(det.threshold[k]),
                            rate(det.fmr[k]),
                            rate(det.fnmr[k]),
                            f"{rate(det.fnmr_low[k])} .. {rate(det.fnmr_high[k])}",
                        )
                        for k in (places if det.fmr else [])
                    ],
                    words=0,
                ),
            )
        )
    if findings.histogram is not None:
        parts.append(
            _figure(
                charts.histogram_chart(findings.histogram, threshold),
                "Distances.",
                "Hatched upwards, solid outline: comparisons of one person; downwards, dashed: of different people; each"
                " as a share of its kind. What lies left of the threshold is accepted.",
                _histogram_table(findings),
            )
        )
    if findings.by_size:
        parts.append(
            _figure(
                charts.size_chart(findings.by_size),
                "False positives and the size of the gallery.",
                "FPIR: how often a search for somebody who is not enrolled returns a name. Lines: predicted, with 95 %"
                " band. Marks: observed, with 95 % bars; a triangle is the upper bound where none was seen.",
                _gallery_table("Searches by size of the gallery", findings.by_size),
            )
        )
    if findings.by_threshold:
        parts.append(
            _figure(
                charts.trade_chart(findings.by_threshold),
                "Misses against false positives.",
                "FNIR: how often a search for somebody who is enrolled does not return that name. Lines: predicted, with"
                " 95 % band. Marks: observed, with 95 % bars.",
                _gallery_table("Searches by threshold", findings.by_threshold),
            )
        )
    body = join(parts)
    return _section("figures", "Figures", Html(f'<div class="chart-grid">{body}</div>')) if body else body


def cohorts(findings: Findings) -> Html:
    """Who bears the errors."""
    by_group = table(
        "Error rates by group, at the proposed threshold",
        [
            "attribute",
            "group",
            "against",
            "people",
            "mated",
            "non-mated",
            "FMR",
            "its interval",
            "FNMR",
            "its interval",
        ],
        map(_cohort_row, findings.cohorts),
        words=3,
    )
    ratios = table(
        "Worst group against best group (ISO/IEC 19795-10)",
        ["attribute", "highest FMR", "highest FNMR", "FMR, worst : best", "FNMR, worst : best"],
        map(_differential_row, findings.differentials),
        words=3,
    )
    return _section("groups", "Groups of people", by_group + ratios)


def notable(findings: Findings) -> Html:
    """The pairs that a person should look at."""
    near = _pairs(
        findings.nearest,
        "The closest pairs of different people",
        "Twins and look-alikes, or one person under two names: a label error makes the system look worse than it is.",
    )
    far = _pairs(
        findings.farthest,
        "The farthest pairs of one person",
        "Poor photos, many years between, or somebody else's photo under the name.",
    )
    return _section("pairs", "Pairs to look at", near + far)


def health(findings: Findings) -> Html:
    """What in the gallery wants an operator's hand."""
    parts = []
    for kind in dict.fromkeys([*HEALTH_KINDS, *(item.kind for item in findings.health)]):
        items = [item for item in findings.health if item.kind == kind]
        title, value = HEALTH_KINDS.get(kind, (kind, "value"))
        columns = ["identity", "what to do", "templates", *([value] if value else [])]
        parts.append(
            table(
                f"{title} ({count(len(items))})" if items else title,
                columns,
                map(_health_row, items),
                words=2,
            )
        )
    return _section("health", "Health of the gallery", join(parts))


def data(findings: Findings) -> Html:
    """What was evaluated."""
    found = findings.data
    facts: list[tuple[str, object]] = [("source", found.source), ("kind", found.kind)]
    facts += [
        (term, count(value))
        for term, value in (
            ("people", found.identities),
            ("photos", found.photos),
            ("templates", found.templates),
            ("mated comparisons (one person)", found.mated),
            ("non-mated comparisons (different people)", found.non_mated),
        )
    ]
    facts += [(f"photos lost: {reason}", count(lost)) for reason, lost in sorted(found.lost.items())]
    if found.sha256:
        facts.append(("SHA-256 of the list of files and names", Html(f"<code>{text(found.sha256)}</code>")))
    twice = table(
        "Pairs of people who share the same file",
        ["one", "other"],
        [map_names(pair) for pair in found.duplicates],
        words=2,
    )
    return _section("data", "Data", _definitions(facts) + twice)


METHOD = Html(
    """<p>Terms are those of ISO/IEC 19795-1. A comparison is <em>mated</em> when both photos show one person and
<em>non-mated</em> when they do not. It matches where the distance is at most the threshold. <dfn>FMR</dfn> is the share of
non-mated comparisons that match, <dfn>FNMR</dfn> the share of mated ones that do not. <dfn>FAR</dfn> and <dfn>FRR</dfn> are
the same for whole attempts: a photo in which no face is found counts as one that is not accepted. Of searches among many
(1:N), <dfn>FPIR</dfn> is the share for people who are not enrolled that return a name, <dfn>FNIR</dfn> the share for people
who are enrolled that do not return theirs. The equal error rate is where FMR and FNMR meet. <dfn>AUC</dfn> is how often a
mated pair is closer than a non-mated one, <dfn>d′</dfn> the gap of the two means in standard deviations, and
<dfn>Cllr</dfn> the cost of the scores as likelihood ratios, in bits: 0 is perfect, 1 says nothing.</p>
<p>Intervals hold the true rate with 95 % confidence for people like those in the data. They come from drawing people, not
comparisons, with replacement, since comparisons that share a person are not independent (Bolle, Ratha and Pankanti 2004);
none is narrower than Wilson's for independent trials. With N comparisons and no error, no rate below 3 / N can be claimed;
fewer than 30 errors leave a rate uncertain by more than 30 % (Doddington et al. 2000). Where a threshold is marked as a
fit, a generalised Pareto distribution was fitted to the closest non-mated distances.</p>"""
)


def method(findings: Findings) -> Html:
    """What the words mean and how intervals are made."""
    measured = findings.rows or findings.proposed or findings.det or findings.by_size or findings.cohorts
    return _section("method", "Terms and method", METHOD if measured else Html(""))


def reproduction(findings: Findings) -> Html:
    """How to get the same again."""
    facts: list[tuple[str, object]] = [("model", findings.model), ("metric", findings.metric)]
    facts += sorted(findings.versions.items())
    command = Html(f"<pre><code>{text(findings.command)}</code></pre>") if findings.command else Html("")
    return _section("reproduce", "To reproduce", command + _definitions(facts))


def map_names(names: Iterable[str]) -> list[Html]:
    """Each of some names as HTML."""
    return [name(one) for one in names]


def _lead(row: OperatingRow) -> Html:
    if row.fmr.rate > 0.0:
        least = f"{one_in(row.fmr.low)}" if row.fmr.low > 0.0 else "none"
        accepted = (
            f"<strong>{one_in(row.fmr.rate)} strangers is accepted</strong>"
            f" (95 % interval: {least} to {one_in(row.fmr.high)})"
        )
    else:
        bound = f" (95 % interval: up to {one_in(row.fmr.high)})" if row.fmr.high > 0.0 else ""
        accepted = f"<strong>no stranger was accepted</strong>{bound}"
    words = (
        f'<p class="lead">At distance ≤ {distance(row.threshold)}, {accepted}, and'
        f" <strong>{rate(row.fnmr.rate)} of genuine comparisons are refused</strong> ({between(row.fnmr)}).</p>"
    )
    if row.extrapolated:
        words += "<p>This threshold comes from a fit to the closest distances; no data set here could count it.</p>"
    words += (
        f"<p>Photos without a usable face counted: {rate(row.far)} of strangers accepted (FAR),"
        f" {rate(row.frr)} of genuine attempts refused (FRR).</p>"
    )
    return Html(words)


def _health_in_brief(found: Iterable[Health]) -> Html:
    counts: dict[str, int] = {}
    for item in found:
        counts[item.kind] = counts.get(item.kind, 0) + 1
    listed = ", ".join(
        f"{count(counts[kind])} × {HEALTH_KINDS.get(kind, (kind, ''))[0].lower()}"
        for kind in dict.fromkeys([*HEALTH_KINDS, *counts])
        if kind in counts
    )
    return Html(f'<p>To look at in the gallery: {text(listed)}; <a href="#health">see below</a>.</p>')


def _caveats(findings: Findings) -> Html:
    if not findings.caveats:
        return Html("")
    items = join(
        Html(f"<li>{text(item.message)} <code>{text(item.code)}</code></li>") for item in findings.caveats
    )
    return Html(f'<section id="caveats" class="caveats"><h2>Read this first</h2><ul>{items}</ul></section>\n')


def _section(identifier: str, title: str, body: Html) -> Html:
    if not body:
        return body
    return Html(f'<section id="{identifier}"><h2>{text(title)}</h2>\n{body}</section>\n')


def _figure(chart: Html, title: str, caption: str, numbers: Html) -> Html:
    if not chart:
        return chart
    words = f"<figcaption><strong>{text(title)}</strong> {text(caption)}</figcaption>"
    return Html(f"<figure>{chart}{words}{details('The numbers', numbers)}</figure>\n")


def _histogram_table(findings: Findings) -> Html:
    assert findings.histogram is not None
    bins = charts.joined(findings.histogram, _DET_ROWS)
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


def _gallery_table(title: str, points: Iterable[GalleryPoint]) -> Html:
    return table(
        title,
        ["", "identities", "threshold", "FPIR", "its interval", "FNIR", "its interval"],
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


def _cohort_row(row: CohortRow) -> tuple[object, ...]:
    return (
        row.attribute,
        row.group,
        row.against or "itself",
        count(row.identities),
        count(row.mated),
        count(row.non_mated),
        rate(row.fmr.rate),
        between(row.fmr),
        rate(row.fnmr.rate if row.fnmr else None),
        between(row.fnmr),
    )


def _differential_row(row: Differential) -> tuple[object, ...]:
    return (row.attribute, row.fmr_worst, row.fnmr_worst, number(row.fmr_ratio), number(row.fnmr_ratio))


def _health_row(item: Health) -> list[object]:
    cells: list[object] = [
        Html(" · ".join(map_names(item.names))),
        item.advice,
        ", ".join(map(str, item.template_ids)),
    ]
    if HEALTH_KINDS.get(item.kind, ("", "value"))[1]:
        # Days are whole; distances and qualities are told by their decimals.
        cells.append(number(item.value, 4) if item.kind == "stale" else distance(item.value))
    return cells


def _pairs(pairs: Iterable[NotablePair], title: str, words: str) -> Html:
    items = join(
        Html(
            f'<figure class="pair"><div class="photos">{_photo(pair, 0)}{_photo(pair, 1)}</div>'
            f"<figcaption><strong>{distance(pair.distance)}</strong> {_whose(pair)}{_files(pair)}</figcaption></figure>\n"
        )
        for pair in pairs
    )
    if not items:
        return items
    return Html(f'<h3>{text(title)}</h3><p class="note">{text(words)}</p><div class="pairs">{items}</div>')


def _photo(pair: NotablePair, which: int) -> Html:
    picture = pair.thumbnails[which]
    if picture is None:
        return Html('<span class="no-photo">no photo</span>')
    encoded = base64.b64encode(picture).decode("ascii")
    return Html(f'<img alt="{text(pair.names[which])}" src="data:image/jpeg;base64,{encoded}">')


def _whose(pair: NotablePair) -> Html:
    first, second = pair.names
    return name(first) if first == second else Html(f"{name(first)} and {name(second)}")


def _files(pair: NotablePair) -> Html:
    known = [path for path in pair.paths if path is not None]
    return Html(f'<span class="files">{"<br>".join(map(text, known))}</span>') if known else Html("")


def _definitions(facts: Iterable[tuple[str, object]]) -> Html:
    rows = join(Html(f"<div><dt>{text(term)}</dt><dd>{text(value)}</dd></div>") for term, value in facts)
    return Html(f'<dl class="definitions">{rows}</dl>')


def _ends(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{distance(low)} .. {distance(high)}"
