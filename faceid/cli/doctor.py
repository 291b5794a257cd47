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
    rows: list[tuple[str, str, str]] = []
    not_pulled: list[str] = []
    for area, result in examine(session.settings):
        check = in_words(result)
        output.emit({"check": check.check, "ok": check.ok, "detail": check.detail})
        if result.problem is not None and result.problem.code == "not_pulled":
            not_pulled.append(str(result.problem.facts["model"]))
        else:
            rows.append((check.check, "yes" if check.ok else "NO", check.detail))
        if not check.ok:
            output.count(_EXIT_CODES[area])
    if not_pulled:
        # One row for all: most users need none of them.
        rows.append(("not pulled", "yes", f"{', '.join(not_pulled)} (`faceid models pull NAME`)"))
    output.table(["check", "ok", "detail"], rows)
    raise typer.Exit(output.exit_code)
