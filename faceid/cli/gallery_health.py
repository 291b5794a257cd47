"""`faceid gallery-health`: which templates of the gallery need an operator?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faceid.cli._options import session_of
from faceid.cli._render import counted, plain
from faceid.cli._thresholds import similar_people
from faceid.cli.messages import advised

NAME = "gallery-health"

SHOWN = 20
"""The most findings of a kind in the table."""


def run(
    context: typer.Context,
    stale_days: Annotated[
        float | None,
        typer.Option(
            "--stale-days",
            metavar="N",
            min=0,
            help="Older templates are stale. Default: 1826, five years.",
            show_default=False,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Also write a report: HTML, or JSON by the suffix .json.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Find wrong, poor, old and single templates, and people who may be enrolled twice.

    It reads the gallery only: no photos, no network. The worst of each kind are shown; --json prints them all. The exit
    code is always 0.
    """
    session = session_of(context)
    output = session.output
    with session.open() as system:
        from faceid.evaluation.protocols.health import Worst
        from faceid.evaluation.report.health_report import REPORTED

        examination = system.people.examination(stale_days=stale_days)
        worst = Worst(REPORTED)
        with output.progress("examining") as advance:
            for finding in map(advised, examination.run(advance)):
                output.emit(finding)
                worst.add(finding)
        gallery = system.services.gallery()
        location, model = gallery.location, gallery.model
    bounds = examination.bounds
    output.emit({"summary": {**worst.counts, **plain(bounds)}})
    shown: dict[str, int] = {}
    rows = []
    for finding in worst.kept():
        shown[finding.kind] = shown.get(finding.kind, 0) + 1
        if shown[finding.kind] <= SHOWN:
            ids = ", ".join(map(str, finding.template_ids))
            rows.append((finding.kind, ", ".join(finding.names), ids, finding.value, finding.advice))
    if rows:
        output.table(["finding", "identity", "template", "value", "what to do"], rows)
    found = ", ".join(f"{count:,} {kind}" for kind, count in worst.counts.items() if count)
    output.line(
        f"{counted(bounds.templates, 'template')} of {counted(bounds.identities, 'identity', 'identities')}:"
        f" {found or 'nothing found'}"
    )
    if max(worst.counts.values()) > SHOWN:
        output.note(f"the {SHOWN} worst of each kind are shown; --json has all")
    if model is not None and bounds.look_alike_within is None:
        output.note("the model has no calibration: look-alikes were not looked for")
    if bounds.rates is not None and bounds.rates.raises:
        output.note(similar_people(bounds.rates))
    if report is not None:
        from faceid.evaluation.report.health_report import health_findings
        from faceid.evaluation.report.render import write_report

        write_report(health_findings(location, model, worst, bounds), report)
        output.note(f"wrote {report}")
