"""`faceid index`: show, check and rebuild the search index."""

from __future__ import annotations

import typer

from faceid.cli._options import session_of
from faceid.cli._render import counted

NAME = "index"

app = typer.Typer(
    help="Show the search index, check it against the database, or rebuild it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command("status")
def status(context: typer.Context) -> None:
    """Show which index a search uses and why, and its snapshot on the disk."""
    session = session_of(context)
    with session.open() as system:
        found = system.index.status()
    output = session.output
    output.emit(found)
    output.line(f"{counted(found.templates, 'template')} of {found.model or 'no model yet'}")
    output.line(f"index: {found.index}")
    if found.snapshot is None:
        output.line("snapshot: none")
    else:
        output.line(f"snapshot: {found.snapshot.path}")
        output.line(
            f"  {found.snapshot.index}, {found.snapshot.bytes / 2**20:.1f} MiB, written {found.snapshot.written_at},"
            f" {counted(found.snapshot.behind, 'change')} behind"
        )


@app.command("rebuild")
def rebuild(context: typer.Context) -> None:
    """Rebuild the index from the database, and ignore the snapshot on the disk."""
    session = session_of(context)
    with session.open() as system, session.output.waiting("reading the database"):
        result = system.index.rebuild()
    session.output.emit(result)
    session.output.line(
        f"rebuilt from {counted(result.templates, 'template')} in {result.seconds:.1f} s: {result.index}"
    )
    session.output.line(f"snapshot: {result.snapshot or 'none, the gallery is too small to gain by one'}")


@app.command("compact")
def compact(context: typer.Context) -> None:
    """Free the space of removed templates, and update the snapshot."""
    session = session_of(context)
    with session.open() as system, session.output.waiting("compacting"):
        result = system.index.compact()
    session.output.emit(result)
    session.output.line(f"compacted in {result.seconds:.1f} s: {result.index}")
    session.output.line(f"snapshot: {result.snapshot or 'none, the gallery is too small to gain by one'}")


@app.command("verify")
def verify(context: typer.Context) -> None:
    """Compare the index with the database, template by template. The exit code is 4 if they differ."""
    session = session_of(context)
    with session.open() as system, session.output.waiting("comparing"):
        result = system.index.verify()
    output = session.output
    for difference in result.differences:
        output.emit(difference)
        output.line(f"template {difference.template_id}: {difference.difference}")
    count = len(result.differences)
    output.emit({"summary": {"status": result.status, "compared": result.compared, "differences": count}})
    if result.status == "equal":
        output.line(f"{counted(result.compared, 'template')}, the same in the index and in the database")
        return
    output.line(
        f"{counted(count, 'template')} of {result.compared} differ: run `faceid index rebuild`, and report this"
    )
    raise typer.Exit(4)
