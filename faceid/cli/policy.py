"""`faceid policy`: the active thresholds, their error rates at present, and their history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faceid.cli._options import Fmr, FmrAlike, Fpir, Threshold, session_of
from faceid.cli._render import counted
from faceid.cli._thresholds import TARGETS, tell_policies
from faceid.decision.decide import Target
from faceid.errors import UsageError
from faceid.results import PolicyRow

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
    tell_policies(session.output, reports)


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
    tell_policies(
        session.output, (one for one in reports if one.policy is not None and one.policy.policy_id in put)
    )


@app.command("history")
def history(context: typer.Context) -> None:
    """List all policies of all models, oldest first."""
    session = session_of(context)
    with session.open() as system:
        rows = system.policies.history()
    for row in rows:
        session.output.emit(row)
    models = {row.model for row in rows}
    columns = ["id", "for", "target", "threshold", "stored at", "active", "measured on"]
    session.output.table(
        [*columns, *(["model"] if len(models) > 1 else [])],
        (
            (
                row.policy_id,
                row.decides,
                f"{TARGETS.get(row.kind, 'threshold')} {row.target:g}",
                row.threshold,
                row.created_at,
                _standing(row),
                "own data" if row.own_calibration else "the card's data",
                *([row.model] if len(models) > 1 else []),
            )
            for row in rows
        ),
    )
    if len(models) == 1:
        session.output.line(f"model {models.pop()}")


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
    tell_policies(session.output, reports)


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


def _standing(row: PolicyRow) -> str:
    """Whether a stored policy is active, and since when if that is later."""
    if not row.in_force:
        return ""
    return "yes" if row.since == row.created_at else f"since {row.since}"
