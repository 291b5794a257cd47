"""`faceid doctor`: does this installation work?"""

from __future__ import annotations

import typer

from faceid.cli._options import session_of

NAME = "doctor"


def run(context: typer.Context) -> None:
    """Check device, weights, database, index and disk, and say what to do about each problem."""
    from faceid.app.doctor import examine

    session = session_of(context)
    output = session.output
    checks = []
    for exit_code, check in examine(session.settings):
        output.emit(check)
        checks.append(check)
        if not check.ok:
            output.count(exit_code)
    output.table(
        ["check", "ok", "detail"], [(item.check, "yes" if item.ok else "NO", item.detail) for item in checks]
    )
    raise typer.Exit(output.exit_code)
