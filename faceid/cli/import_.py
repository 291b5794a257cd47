"""`faceid import`: import templates that were computed elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from faceid.cli._options import session_of
from faceid.cli._render import counted
from faceid.errors import UsageError

NAME = "import"


def run(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE.npz", help="As written by `faceid export` or `faceid embed`.")
    ],
    on_conflict: Annotated[
        str,
        typer.Option(
            "--on-conflict",
            metavar="refuse|accept",
            help="What to do with a template that the guards of enrolment refuse or keep unconfirmed.",
        ),
    ] = "refuse",
) -> None:
    """Import templates from a NumPy archive.

    Arrays: `embeddings` float32 (n, d), `names` str (n), optional `sources` str (n); scalar strings `model` and
    `metric`. Rows with an empty name are left out. Templates of another model than the gallery's are refused, all of
    them or none. Each template passes the guards of `enroll`: those that they refuse are named, the others are stored.
    """
    if on_conflict not in ("refuse", "accept"):
        raise UsageError(
            f"unknown value {on_conflict!r} of --on-conflict", remedy="one_of", known="refuse, accept"
        )
    session = session_of(context)
    with session.open() as system, session.output.progress("importing") as advance:
        result = system.transfer.import_templates(
            file, advance, on_conflict=cast("Literal['refuse', 'accept']", on_conflict)
        )
    session.output.emit(result)
    templates = counted(result.templates, "template")
    identities = counted(result.identities, "identity", "identities")
    others = [
        f"{count:,} {what}"
        for count, what in (
            (result.skipped, "stored already"),
            (result.unconfirmed, "of them unconfirmed"),
            (len(result.refused), "refused"),
        )
        if count
    ]
    session.output.line(
        f"imported {templates} of {identities} from {result.path}"
        + (f" ({', '.join(others)})" if others else "")
    )
    if result.nameless:
        session.output.note(f"{counted(result.nameless, 'row')} without a name left out")
    if result.unconfirmed:
        session.output.note("no search finds unconfirmed templates: `faceid doctor` names their people")
    if result.refused:
        session.output.count(3)
    for refusal in result.refused:
        source = f" ({refusal.source})" if refusal.source else ""
        session.output.note(f"a template of {refusal.name}{source} refused: {refusal.problem.message}")
    raise typer.Exit(session.output.exit_code)
