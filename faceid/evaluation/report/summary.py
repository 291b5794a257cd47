"""The beginning and the end of the report: what was found, from what data, in which terms, and how to repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from faceid.evaluation.report.findings import Findings, Health, OperatingRow
from faceid.evaluation.report.markup import (
    Html,
    between,
    count,
    definitions,
    distance,
    join,
    names,
    number,
    one_in,
    rate,
    section,
    table,
    text,
)
from faceid.evaluation.report.protocols import leads
from faceid.evaluation.report.sections import health_by_kind


def summary(findings: Findings) -> Html:
    """What was found, for a reader with half a minute, and what stands against it."""
    proposed = findings.proposed
    told = leads(findings)
    # What was asked for comes first.
    parts = [Html(f'<p class="lead">{words}</p>') for words in told]
    if proposed is not None:
        parts.append(_of_threshold(proposed, leading=not told))
    if on := _measured_on(findings):
        parts.append(Html(f"<p>Measured with {text(findings.model)} on {on}.</p>"))
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
    return section("summary", "Summary", join(parts)) + _caveats(findings)


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
        if value
    ]
    facts += [(f"photos lost: {reason}", count(lost)) for reason, lost in sorted(found.lost.items())]
    if found.sha256:
        facts.append(("SHA-256 of the list of files and names", Html(f"<code>{text(found.sha256)}</code>")))
    twice = table(
        "Pairs of people who share the same file",
        ["one", "other"],
        [names(pair) for pair in found.duplicates],
        words=2,
    )
    return section("data", "Data", definitions(facts) + twice)


def method(findings: Findings) -> Html:
    """What the words mean and how intervals are made."""
    measured = (findings.rows, findings.proposed, findings.det, findings.by_size, findings.cohorts)
    if not any((*measured, findings.folds, findings.open_set, findings.one_shot)):
        return Html("")
    return section(
        "method", "Terms and method", Html((files(__package__) / "method.html").read_text("utf-8"))
    )


def reproduction(findings: Findings) -> Html:
    """How to get the same again."""
    facts: list[tuple[str, object]] = [("model", findings.model), ("metric", findings.metric)]
    facts += sorted(findings.versions.items())
    command = Html(f"<pre><code>{text(findings.command)}</code></pre>") if findings.command else Html("")
    return section("reproduce", "To reproduce", command + definitions(facts))


def _measured_on(findings: Findings) -> str:
    found, parts = findings.data, []
    # Trials of one-shot recognition are no comparisons one by one.
    if (found.mated or found.non_mated) and (findings.proposed is not None or findings.one_shot is None):
        parts.append(
            f"{count(found.non_mated)} comparisons of different people and {count(found.mated)} of the same person"
        )
    # Nobody knows of whom bare scores are.
    if found.templates and (parts or findings.one_shot is not None):
        parts.append(f"{count(found.templates)} photos of {count(found.identities)} people")
    return ", from ".join(parts)


def _of_threshold(row: OperatingRow, *, leading: bool) -> Html:
    if row.fmr.rate > 0.0:
        least = f"one in {one_in(row.fmr.low)}" if row.fmr.low > 0.0 else "none"
        accepted = (
            f"<strong>one stranger in {one_in(row.fmr.rate)} is accepted</strong>"
            f" (95 % interval: {least} to one in {one_in(row.fmr.high)})"
        )
    else:
        bound = f" (95 % interval: up to one in {one_in(row.fmr.high)})" if row.fmr.high > 0.0 else ""
        accepted = f"<strong>no stranger was accepted</strong>{bound}"
    kind = ' class="lead"' if leading else ""
    words = (
        f"<p{kind}>At distance ≤ {distance(row.threshold)}, {accepted}, and"
        f" <strong>{rate(row.fnmr.rate)} of genuine comparisons are refused</strong> ({between(row.fnmr)}).</p>"
    )
    if row.extrapolated:
        words += "<p>This threshold comes from a fit to the closest distances; no data set here could count it.</p>"
    words += (
        f"<p>Photos without a usable face counted: {rate(row.far)} of strangers accepted (FAR),"
        f" {rate(row.frr)} of genuine attempts refused (FRR).</p>"
    )
    return Html(words)


def _health_in_brief(found: Sequence[Health]) -> Html:
    listed = "; ".join(f"{title.lower()}: {count(len(items))}" for title, items in health_by_kind(found))
    return Html(f'<p>To look at in <a href="#health">the gallery</a>: {text(listed)}.</p>')


def _caveats(findings: Findings) -> Html:
    if not findings.caveats:
        return Html("")
    items = join(
        Html(f"<li>{text(item.message)} <code>{text(item.code)}</code></li>") for item in findings.caveats
    )
    return Html(f'<section id="caveats" class="caveats"><h2>Read this first</h2><ul>{items}</ul></section>\n')
