"""`faceid show`: list the templates of one person."""

from __future__ import annotations

from typing import Annotated

import typer

from faceid.cli._options import session_of

NAME = "show"


def run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The enrolled person.")],
) -> None:
    """Show the templates of one identity and where they come from."""
    session = session_of(context)
    with session.open() as system:
        templates = system.people.templates(name)
    for template in templates:
        session.output.emit(template)
    columns = ["id", "source", "sha256", "quality", "model", "created at"]
    rows: list[tuple[object, ...]] = [
        (item.template_id, item.source, item.sha256[:12], item.quality, item.model, item.created_at)
        for item in templates
    ]
    if any(item.state == "unconfirmed" for item in templates):
        columns.append("state")
        rows = [(*row, item.state) for row, item in zip(rows, templates, strict=True)]
    session.output.table(columns, rows)
