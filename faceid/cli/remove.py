"""`faceid remove`: remove a person, or one template."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from faceid.cli._options import Yes, session_of
from faceid.cli._render import counted
from faceid.errors import UsageError

NAME = "remove"


def run(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The person to remove.", show_default=False)
    ] = None,
    template: Annotated[
        int | None,
        typer.Option(
            "--template",
            metavar="ID",
            help="Remove one template instead (ids: `faceid show NAME`).",
            show_default=False,
        ),
    ] = None,
    yes: Yes = False,
) -> None:
    """Remove an identity with all its templates, or a single template. This cannot be undone.

    The vectors are overwritten in the database, not only unlinked. An identity is removed with its last template.
    """
    if (name is None) == (template is None):
        raise UsageError("give either a NAME or --template ID")
    what = f"{name} with all templates" if name is not None else f"template {template}"
    session = session_of(context)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"will not remove {what} without being sure", remedy="confirm_removal")
        if not typer.confirm(f"Remove {what}?", err=True):
            raise typer.Exit(1)
    with session.open() as system:
        if name is not None:
            result = system.remove(name)
        else:
            assert template is not None
            result = system.people.remove_template(template)
    session.output.emit(result)
    session.output.line(f"removed {counted(result.templates, 'template')} of {result.name}")
