"""`faceid doctor`: does this installation work?"""

from __future__ import annotations

import typer

from faceid.cli._options import session_of
from faceid.cli.messages import in_words

NAME = "doctor"

_EXIT_CODES = {"model": 5, "gallery": 4}


def run(context: typer.Context) -> None:
    """Check device, weights, database, index and disk, and print what to do about each problem."""
    from faceid.app.doctor import examine

    session = session_of(context)
    output = session.output
    checks = []
    for area, result in examine(session.settings):
        check = in_words(result)
        output.emit({"check": check.check, "ok": check.ok, "detail": check.detail})
        checks.append(check)
        if not check.ok:
            output.count(_EXIT_CODES[area])
    output.table(
        ["check", "ok", "detail"], [(item.check, "yes" if item.ok else "NO", item.detail) for item in checks]
    )
    raise typer.Exit(output.exit_code)
