"""`faceid list`: who is enrolled?"""

from __future__ import annotations

import typer

from faceid.cli._options import session_of

NAME = "list"


def run(context: typer.Context) -> None:
    """List the enrolled identities."""
    session = session_of(context)
    with session.open() as system:
        identities = system.people.list()
    for identity in identities:
        session.output.emit(identity)
    unconfirmed = any(item.unconfirmed for item in identities)
    columns = ["name", "templates", *(["unconfirmed"] if unconfirmed else []), "created at"]
    rows: list[tuple[object, ...]] = [
        (item.name, item.templates, *([item.unconfirmed or None] if unconfirmed else []), item.created_at)
        for item in identities
    ]
    if any(item.attributes for item in identities):
        columns.append("attributes")
        known = (", ".join(f"{key} {value}" for key, value in item.attributes.items()) for item in identities)
        rows = [(*row, said or None) for row, said in zip(rows, known, strict=True)]
    session.output.table(columns, rows)
