"""`faceid import`: import templates that were computed elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faceid.cli._options import session_of
from faceid.cli._render import counted

NAME = "import"


def run(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE.npz", help="As written by `faceid export` or `faceid embed`.")
    ],
) -> None:
    """Import templates from a NumPy archive.

    Arrays: `embeddings` float32 (n, d), `names` str (n), optional `sources` str (n); scalar strings `model` and
    `metric`. Rows with an empty name are left out. Templates of another model than the gallery's are refused, all of
    them or none.
    """
    session = session_of(context)
    with session.open() as system, session.output.progress("importing") as advance:
        result = system.transfer.import_templates(file, advance)
    session.output.emit(result)
    templates = counted(result.templates, "template")
    identities = counted(result.identities, "identity", "identities")
    session.output.line(
        f"imported {templates} of {identities} from {result.path} ({result.skipped} were there already)"
    )
    if result.nameless:
        session.output.note(f"{counted(result.nameless, 'row')} without a name left out")
