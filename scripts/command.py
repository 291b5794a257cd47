"""What the command lines of these scripts share: options, the folder of the data sets, and the report as JSON.

Nothing but the standard library is imported here, because some scripts run in other environments.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
NETWORKS = ("dlib-resnet", "mobilefacenet")


def parser(
    description: str | None, *, data: bool = False, cache: bool = False, report: str | None = None
) -> argparse.ArgumentParser:
    """A parser that prints `description` as it is, with the options `--data`, `--cache` and `--json` on request.

    `report` is the default of `--json`.
    """
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if data:
        made.add_argument("--data", type=Path, help="folder of the data sets; default: $FACEID_TEST_DATA")
    if cache:
        made.add_argument("--cache", type=Path, default=Path("bench"), help="default: %(default)s")
    if report is not None:
        made.add_argument("--json", type=Path, default=Path(report), help="the report; default: %(default)s")
    return made


def add_networks(to: argparse.ArgumentParser) -> None:
    """Add `--model`, which may be repeated; `arguments.model or NETWORKS` are the networks to use."""
    to.add_argument("--model", action="append", help=f"may be repeated; default: {' and '.join(NETWORKS)}")


def test_data() -> Path:
    """The folder of the data sets: $FACEID_TEST_DATA, else shared/data beside the repository."""
    return Path(os.environ.get("FACEID_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


def share(count: int, among: int) -> str:
    """`count` of `among` with their share and its interval of 95 % (Clopper and Pearson), for tables."""
    from faceid.evaluation.statistics.intervals import clopper_pearson

    if not among:
        return "-"
    found = clopper_pearson(count, among)
    return f"{count} ({found.rate:.2%}; {found.low:.2%} to {found.high:.2%})"


def write_report(path: Path, report: Any) -> None:
    """Write `report` as JSON, in a folder that is made if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
