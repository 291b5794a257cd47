"""`faceid rename`: give an identity another name."""

from __future__ import annotations

from typing import Annotated

import typer

from faceid.cli._options import session_of
from faceid.cli._render import counted

NAME = "rename"


def run(
    context: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The present name.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The new name.")],
) -> None:
    """Rename an identity; its templates stay as they are."""
    session = session_of(context)
    with session.open() as system:
        result = system.people.rename(old, new)
    session.output.emit(result)
    session.output.line(f"{result.old} is now {result.new} ({counted(result.templates, 'template')})")
