"""`faceid import`: bring in templates that were computed elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faceid.cli._options import session_of

NAME = "import"


def run(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.npz", help="As written by `faceid export`.")],
) -> None:
    """Bring in templates from a NumPy archive.

    Arrays: `embeddings` float32 (n, d), `names` str (n), optional `sources` str (n); scalar strings `model` and
    `metric`. Templates of another model than the gallery's are refused, all of them or none.
    """
    session = session_of(context)
    with session.open() as system:
        result = system.import_templates(file)
    session.output.emit(result)
    session.output.line(
        f"imported {result.templates} templates of {result.identities} identities from {result.path}"
        f" ({result.skipped} were there already)"
    )
