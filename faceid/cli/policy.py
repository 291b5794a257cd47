"""`faceid policy`: the active thresholds, their error rates at present, and their history."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from faceid.cli._options import Fmr, FmrAlike, Fpir, Threshold, session_of
from faceid.cli._render import Output, active_threshold, counted, similar_people
from faceid.decision.decide import Target
from faceid.errors import UsageError
from faceid.results import GalleryRates, PolicyReport, PolicyState

NAME = "policy"

app = typer.Typer(
    help="Show the active thresholds, activate others, or roll back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command("show")
def show(context: typer.Context) -> None:
    """Show the active thresholds, their error rates in a gallery of this size, and their origin."""
    session = session_of(context)
    with session.open() as system:
        reports = system.policies.current()
    _show(session.output, reports)


@app.command("set")
def set_(
    context: typer.Context,
    fmr: Fmr = None,
    fmr_alike: FmrAlike = None,
    fpir: Fpir = None,
    threshold: Threshold = None,
) -> None:
    """Activate a policy: an FMR (among all, or among alike) for verify and compare, an FPIR for identify, or a distance
    for all three.

    As the gallery grows, a stricter threshold keeps an FPIR; a distance does not change. Rates come from the gallery's
    own calibration, else from the model's.
    """
    target = Target(threshold=threshold, fmr=fmr, fpir=fpir, fmr_alike=fmr_alike)
    if target == Target():
        raise UsageError("a policy needs a target", remedy="no_target")
    session = session_of(context)
    with session.open() as system:
        put = system.policies.set(target)
        reports = system.policies.current()
    _show(session.output, (one for one in reports if one.policy is not None and one.policy.policy_id in put))


@app.command("history")
def history(context: typer.Context) -> None:
    """List all policies of all models, oldest first."""
    session = session_of(context)
    with session.open() as system:
        rows = system.policies.history()
    for row in rows:
        session.output.emit(row)
    session.output.table(
        ["id", "for", "target", "threshold", "active since", "put at", "measured on", "model"],
        [
            (
                row.policy_id,
                row.decides,
                f"{row.kind} {row.target:g}",
                row.threshold,
                row.since if row.in_force else "",
                row.created_at,
                "own data" if row.own_calibration else "the card's data",
                row.model,
            )
            for row in rows
        ],
    )


@app.command("rollback")
def rollback(
    context: typer.Context,
    policy: Annotated[
        int | None,
        typer.Argument(
            metavar="ID", help="The policy to activate again: see the history.", show_default=False
        ),
    ] = None,
) -> None:
    """Deactivate the latest policy: the previous one is active again, or the default.

    With ID, activate that policy again instead.
    """
    session = session_of(context)
    with session.open() as system:
        system.policies.rollback(policy)
        reports = system.policies.current()
    _show(session.output, reports)


@app.command("export")
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.json", help="The file to write.")],
) -> None:
    """Write the active policies, with their calibrations, to a JSON file."""
    session = session_of(context)
    with session.open() as system:
        result = system.policies.export_to(file)
    session.output.emit(result)
    session.output.line(f"exported {counted(result.policies, 'policy', 'policies')} to {result.path}")


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.json", help="As written by `faceid policy export`.")],
) -> None:
    """Activate the policies of a JSON file. Policies of another model than the gallery's are refused."""
    session = session_of(context)
    with session.open() as system:
        result = system.policies.import_from(file)
    session.output.emit(result)
    session.output.line(f"imported {counted(result.policies, 'policy', 'policies')} from {result.path}")


_MEASURED = {
    "gallery": "measured by `faceid calibrate` on",
    "models calibrate": "measured by `faceid models calibrate` on",
    "card": "by the network's card, measured on",
    None: "by",
}


def _show(output: Output, reports: Iterable[PolicyReport]) -> None:
    for report in reports:
        output.emit(report)
        command = "verify, compare" if report.decides == "verify" else "identify"
        if report.policy is None:
            output.line(f"{command}: no threshold")
            if report.problem is not None:
                output.problem(report.problem, command)
            continue
        stored = f"policy {report.policy.policy_id}, active since {report.since}"
        output.line(f"{command}: {stored if report.policy.source == 'gallery' else 'the default'}")
        output.line(f"  {active_threshold(report.policy)}")
        if report.data is not None:
            output.line(
                f"  FMR {report.fmr_low:.2e} .. {report.fmr_high:.2e} (95 %) {_MEASURED[report.calibration]}"
                f" {report.data}:"
                f" {report.mated:,} mated and {report.non_mated:,} non-mated comparisons, {report.measured_at},"
                f" {report.software}"
            )
        if (alike := report.alike) is not None:
            output.line(
                f"  FMR among alike {alike.fmr_low:.2e} .. {alike.fmr_high:.2e} (95 %, over people) by {alike.data}:"
                f" {alike.population}; {alike.non_mated:,} non-mated comparisons of {alike.people:,} people,"
                f" {alike.measured_at}, {alike.software}"
            )
        if report.gallery is not None:
            output.line(f"  {_of_gallery(report.gallery, report.policy)}")
        output.line(f"  {report.model}")


def _of_gallery(rates: GalleryRates, policy: PolicyState) -> str:
    """What the people of the gallery say about the card's rates, in one line."""
    if not rates.raises:
        return (
            f"this gallery: {rates.comparisons:,} comparisons between {rates.people:,} people show no more false"
            " matches than the card says"
        )
    said = f"this gallery: {similar_people(rates)}"
    if policy.card_threshold is not None and policy.threshold < policy.card_threshold:
        said += f", so the threshold is {policy.threshold:.3f} and not the card's {policy.card_threshold:.3f}"
    return f"{said}; `faceid calibrate` on photos of your own people replaces both"
