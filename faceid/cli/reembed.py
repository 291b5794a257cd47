"""`faceid re-embed`: move the gallery to another model."""

from __future__ import annotations

from typing import Annotated

import typer

from faceid.cli._options import session_of
from faceid.cli._render import counted, plain
from faceid.results import ReembedFailure

NAME = "re-embed"


def run(
    context: typer.Context,
    to: Annotated[str, typer.Option("--to", metavar="MODEL", help="The new network.", show_default=False)],
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="Switch even if some templates cannot be computed: these stay, and searches do not find them.",
        ),
    ] = False,
    drop_old: Annotated[
        bool,
        typer.Option("--drop-old", help="After the switch, remove the old templates that have a new one."),
    ] = False,
) -> None:
    """Compute every template again with another network, then switch in one transaction.

    It uses the crops that `enroll --store-crops` kept, else the photos, which must be unchanged at their paths. The
    gallery stays in use meanwhile. Repeat an interrupted command to continue it. The gallery does not switch while
    templates are missing; the command lists them.
    """
    session = session_of(context)
    output = session.output

    def report(failure: ReembedFailure) -> None:
        output.emit(failure)
        output.problem(failure.problem, f"{failure.name}, template {failure.template_id}")

    with session.open() as system, output.progress("re-embedding") as advance:
        result = system.transfer.reembed(
            to, allow_missing=allow_missing, drop_old=drop_old, report=report, progress=advance
        )
    output.emit({"summary": plain(result)})
    if result.failed and (result.status == "incomplete" or not allow_missing):
        output.count(3)
    told = f"{counted(result.re_embedded, 'template')} computed, {result.already:,} there already"
    if result.failed:
        told += f", {result.failed:,} could not be"
    if result.dropped:
        told += f", {counted(result.dropped, 'old template')} removed"
    output.line(told)
    if result.status == "incomplete":
        output.line(f"not switched: the gallery is still of {result.old_model}")
        output.note("correct what is listed and run it again, or switch without it by --allow-missing")
    else:
        output.line(f"the gallery is {'now ' * (result.status == 'switched')}of {result.new_model}")
    if result.unfindable:
        output.line(f"no search finds any more: {', '.join(result.unfindable)}")
    raise typer.Exit(output.exit_code)
