"""`python -m faceid`: the same command line, where the console script is not on the path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from faceid.distribution import VERSION


def ran(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-m", "faceid", *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )


def test_it_runs_commands_and_ends_with_their_exit_codes(tmp_path: Path) -> None:
    assert ran("--version", cwd=tmp_path).stdout == f"faceid {VERSION}\n"
    helped = ran("--help", cwd=tmp_path)
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "Usage: faceid " in helped.stdout
    missing = ran("--db", "none.db", "list", cwd=tmp_path)
    assert (missing.returncode, missing.stdout) == (4, "")
    assert "none.db" in missing.stderr
    assert ran("no-such-command", cwd=tmp_path).returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("arguments", [["--db", "nothere.db", "list"], ["--no-such-option"]])
def test_an_error_that_stdout_does_not_take_is_one_line_with_its_exit_code(
    tmp_path: Path, arguments: list[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "faceid", "--json", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
        )
    assert ran.stderr.startswith("faceid: ")
    assert len(ran.stderr.splitlines()) == 1
    assert ran.returncode == (4 if "list" in arguments else 2)
