"""`faceid export`: write all templates to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faceid.cli._options import session_of
from faceid.cli._render import counted

NAME = "export"


def run(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.npz", help="The file to write; it is replaced only when the new file is complete."
        ),
    ],
) -> None:
    """Write the confirmed templates to a NumPy archive that `faceid import` takes. Templates are personal data."""
    session = session_of(context)
    with session.open() as system, session.output.progress("exporting") as advance:
        result = system.transfer.export_templates(file, advance)
    session.output.emit(result)
    templates = counted(result.templates, "template")
    identities = counted(result.identities, "identity", "identities")
    session.output.line(f"exported {templates} of {identities} to {result.path}")
    if result.unconfirmed:
        session.output.note(
            f"left out {counted(result.unconfirmed, 'unconfirmed template')}: an archive has no states"
        )
