"""`faceid show`: list the templates of one person."""

from __future__ import annotations

from typing import Annotated

import typer

from faceid.cli._options import session_of
from faceid.results import TemplateInfo

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
    models, detectors = ({getattr(item, part) for item in templates} for part in ("model", "detector"))
    # Most galleries hold templates of one model and one detector: one line says it for all.
    parts = [
        "id",
        "source",
        "sha256",
        "quality",
        "state",
        "created at",
        *(["model"] if len(models) > 1 else []),
        *(["detector"] if len(detectors) > 1 else []),
    ]
    if all(item.state == "confirmed" for item in templates):
        parts.remove("state")
    session.output.table(parts, ([_cell(item, part) for part in parts] for item in templates))
    same = [f"model {models.pop()}"] if len(models) == 1 else []
    if len(detectors) == 1 and None not in detectors:
        same.append(f"detector {detectors.pop()}")
    if same:
        session.output.line(", ".join(same))


def _cell(item: TemplateInfo, part: str) -> object:
    if part == "sha256":
        return item.sha256[:12]
    return getattr(item, {"id": "template_id"}.get(part, part.replace(" ", "_")))
