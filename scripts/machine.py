"""The machine that a script runs on, and the processes that a script starts on it."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from scripts.command import REPOSITORY

FACEID = (sys.executable, "-c", "from faceid.cli import main; main()")
"""The command `faceid` of this checkout."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor's name, as far as the system tells."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def environment() -> dict[str, str]:
    """Variables of a process that finds `faceid` and `scripts` of this checkout, whatever its folder and Python."""
    path = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def run_module(module: str, *arguments: str, python: str | os.PathLike[str] = sys.executable) -> list[str]:
    """The command that runs a module of this checkout in `environment()`."""
    return [str(python), "-m", module, *arguments]
