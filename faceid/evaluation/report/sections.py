"""Thresholds, groups of people, pairs of photos and the gallery's health. A part without findings is empty."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from faceid.evaluation.report.findings import CohortRow, Differential, Findings, Health, NotablePair
from faceid.evaluation.report.markup import (
    INTERVAL,
    Html,
    between,
    count,
    distance,
    join,
    name,
    names,
    number,
    rate,
    section,
    table,
    text,
    times,
    whole,
)

_HEALTH: dict[str, tuple[str, str, Callable[[float | None], str]]] = {
    "outlier_template": ("Templates far from their own identity", "distance", distance),
    "look_alike": ("Identities that look like one person", "distance", distance),
    "single_template": ("Identities with one template", "", number),
    "low_quality": ("Templates of low quality", "quality", number),
    "stale": ("Old templates", "age, days", whole),
}
_CODE = re.compile("`([^`]+)`")


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
            INTERVAL,
            "FMR",
            INTERVAL,
            "FNMR",
            INTERVAL,
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
    return section("thresholds", "Thresholds", body + Html(f'<p class="note">{text(" ".join(notes))}</p>'))


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
            INTERVAL,
            "FNMR",
            INTERVAL,
        ],
        map(_cohort_row, findings.cohorts),
        words=3,
    )
    ratios = table(
        "Worst group against best group (ISO/IEC 19795-10)",
        ["attribute", "rate", "highest in", "worst : best", INTERVAL],
        (row for found in findings.differentials for row in _differential_rows(found)),
        words=3,
    )
    return section("groups", "Groups of people", by_group + ratios)


def notable(findings: Findings) -> Html:
    """The pairs that a person should look at."""
    root = _common_root(findings)
    below = Html(f'<p class="note">Files are below <code>{text(root)}</code>.</p>') if root else Html("")
    near = _pairs(
        findings.nearest,
        root,
        "The closest pairs of different people",
        "Twins and look-alikes, or one person under two names: a label error makes the system look worse than it is.",
    )
    far = _pairs(
        findings.farthest,
        root,
        "The farthest pairs of one person",
        "Poor photos, many years between, or somebody else's photo under the name.",
    )
    return section("pairs", "Pairs to look at", below + near + far if near or far else Html(""))


def health_by_kind(found: Sequence[Health]) -> Iterator[tuple[str, list[Health]]]:
    """Titles with what was found of the kind, in the order in which it is told."""
    for kind in dict.fromkeys([*_HEALTH, *(item.kind for item in found)]):
        if items := [item for item in found if item.kind == kind]:
            yield _kind(kind)[0], items


def health(findings: Findings) -> Html:
    """What in the gallery wants an operator's hand."""
    parts = []
    for title, items in health_by_kind(findings.health):
        value = _kind(items[0].kind)[1]
        if not value and len({item.advice for item in items}) == 1:
            parts.append(_health_list(title, items))
            continue
        columns = ["identity", "what to do", "templates", *([value] if value else [])]
        parts.append(table(f"{title} ({count(len(items))})", columns, map(_health_row, items), words=2))
    return section("health", "Health of the gallery", join(parts))


def _health_list(title: str, items: Sequence[Health]) -> Html:
    """Findings that differ in whose they are only."""
    listed = " · ".join(
        f"{name(who)} ({', '.join(map(str, item.template_ids))})" for item in items for who in item.names
    )
    return Html(
        f"<h3>{text(title)} ({count(len(items))})</h3>"
        f'<p class="note">What to do: {_advice(items[0])}. In brackets: the template.</p>'
        f'<p class="many">{listed}</p>'
    )


def _cohort_row(row: CohortRow) -> tuple[object, ...]:
    return (
        row.attribute,
        row.group,
        row.against or "itself",
        count(row.identities),
        count(row.mated) if row.against is None else "-",
        count(row.non_mated),
        rate(row.fmr.rate),
        between(row.fmr),
        rate(row.fnmr.rate if row.fnmr else None),
        between(row.fnmr),
    )


def _differential_rows(found: Differential) -> list[tuple[object, ...]]:
    return [
        (
            found.attribute,
            kind,
            worst,
            number(ratio.value if ratio else None),
            times(ratio),
        )
        for kind, ratio, worst in (
            ("FMR", found.fmr_ratio, found.fmr_worst),
            ("FNMR", found.fnmr_ratio, found.fnmr_worst),
        )
        if worst
    ]


def _kind(kind: str) -> tuple[str, str, Callable[[float | None], str]]:
    """Title, what the value is, if there is one, and how it is told."""
    return _HEALTH.get(kind, (kind, "value", number))


def _advice(item: Health) -> Html:
    return Html(_CODE.sub(r"<code>\1</code>", text(item.advice)))


def _health_row(item: Health) -> list[object]:
    cells: list[object] = [
        Html(" · ".join(names(item.names))),
        _advice(item),
        ", ".join(map(str, item.template_ids)),
    ]
    _, value, told = _kind(item.kind)
    if value:
        cells.append(told(item.value))
    return cells


def _pairs(pairs: Iterable[NotablePair], root: str, title: str, words: str) -> Html:
    items = join(
        Html(
            f'<figure class="pair"><div class="photos">{_photo(pair, 0)}{_photo(pair, 1)}</div>'
            f"<figcaption><strong>{distance(pair.distance)}</strong> {_whose(pair)}{_files(pair, root)}</figcaption>"
            "</figure>\n"
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


def _common_root(findings: Findings) -> str:
    """The folder that all files shown lie below, with a slash at the end; empty where they have none in common."""
    pairs = (*findings.nearest, *findings.farthest)
    folders = [str(Path(path).parent) for pair in pairs for path in pair.paths if path is not None]
    if not folders or not all(map(os.path.isabs, folders)):
        return ""
    root = os.path.commonpath(folders)
    return root + os.sep if root.strip(os.sep) else ""


def _files(pair: NotablePair, root: str) -> Html:
    known = [path.removeprefix(root) for path in pair.paths if path is not None]
    return Html(f'<span class="files">{"<br>".join(map(text, known))}</span>') if known else Html("")


def _ends(low: float | None, high: float | None) -> str:
    return "-" if low is None or high is None else f"{distance(low)} .. {distance(high)}"
