"""`faceid list`: who is enrolled?"""

from __future__ import annotations

import typer

from faceid.cli._options import session_of

NAME = "list"


def run(context: typer.Context) -> None:
    """List the enrolled identities."""
    session = session_of(context)
    with session.open() as system:
        identities = system.identities()
    for identity in identities:
        session.output.emit(identity)
    session.output.table(
        ["name", "templates", "created at"],
        [(item.name, item.templates, item.created_at) for item in identities],
    )
