"""`faceid people`: decisions of an operator about enrolled people."""

from __future__ import annotations

from typing import Annotated

import typer

from faceid.cli._options import session_of
from faceid.cli._render import counted

NAME = "people"

app = typer.Typer(
    help="Decide about the templates of enrolled people.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _group() -> None:
    """Without it, a group of one command would be that command."""


@app.command("confirm")
def confirm(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The enrolled person.")],
    template: Annotated[
        int | None,
        typer.Option(
            "--template",
            metavar="ID",
            help="Confirm only this template (ids: `faceid show NAME`).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Confirm the unconfirmed templates of a person: searches find them from now on.

    Look at the photos first: they must show the person. The exit code is 1 if nothing was unconfirmed.
    """
    session = session_of(context)
    output = session.output
    with session.open() as system:
        result = system.people.confirm(name, template)
    output.emit(result)
    if result.status == "unchanged":
        output.count(1)
        what = "templates are" if template is None else f"template {template} is"
        output.line(f"nothing to confirm: {result.name}'s {what} confirmed")
    else:
        count = counted(len(result.template_ids), "template")
        output.line(
            f"confirmed {count} of {result.name}; searches find {counted(result.templates, 'template')}"
        )
    raise typer.Exit(output.exit_code)
