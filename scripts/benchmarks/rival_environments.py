"""Python environments for the libraries that faceid is compared with: made once, kept in bench/."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import numpy as np


class Absent(Exception):
    """A rival cannot run here."""


def python_of(name: str, requirements: Sequence[str], environments: Path, *, with_ours: bool = False) -> Path:
    """The interpreter that has what is required, made at the first call; this one where nothing is.

    With `with_ours` it also finds the libraries of this environment, after its own. Raises Absent.
    """
    if not requirements:
        return Path(sys.executable)
    environment = environments.resolve() / f"env-{name}"
    python = environment / "bin" / "python"
    # NumPy as here: its speed is a part of what is measured.
    wanted = "\n".join([*requirements, f"numpy=={np.__version__}"]) + "\n"
    done = environment / "installed.txt"
    if not (done.exists() and done.read_text(encoding="utf-8") == wanted):
        print(f"installing {', '.join(requirements)} in {environment}", file=sys.stderr)
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(environment)],
            [str(python), "-m", "pip", "install", "--quiet", *wanted.split()],
        ):
            finished = subprocess.run(command, capture_output=True, text=True, check=False)
            if finished.returncode:
                raise Absent(last_line(finished.stderr or finished.stdout))
        if with_ours:
            (site,) = environment.glob("lib/python*/site-packages")
            (site / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        done.write_text(wanted, encoding="utf-8")
    return python


def last_line(text: str) -> str:
    """The last line that says anything."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
