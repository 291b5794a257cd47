"""Distributions of faceid, and environments in which they are installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

from places import ROOT


@dataclass(frozen=True)
class Distributions:
    """The files that `make wheel` makes."""

    wheel: Path
    sdist: Path


@dataclass(frozen=True)
class Environment:
    """A Python environment with the wheel, the dependencies, and nothing of the checkout."""

    root: Path

    @property
    def scripts(self) -> Path:
        return self.root / ("Scripts" if os.name == "nt" else "bin")

    @property
    def python(self) -> Path:
        return self.scripts / ("python.exe" if os.name == "nt" else "python")

    @property
    def faceid(self) -> Path:
        return self.scripts / ("faceid.exe" if os.name == "nt" else "faceid")


def build(folder: Path, *arguments: str, source: Path = ROOT) -> Path:
    """Build distributions of `source` into `folder`, with the build backend of this environment."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), *arguments]
    subprocess.run([*command, str(source)], check=True, capture_output=True, env=clean_environ())
    return folder


def make_environment(folder: Path) -> Environment:
    """An environment that borrows the dependencies of this one.

    A .pth file adds the folders where they lie. Python reads no .pth files in folders that were added in this way,
    so an editable installation of the checkout stays invisible.
    """
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    environment = Environment(folder)
    borrowed = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    (site_packages(environment) / "borrowed.pth").write_text("\n".join(borrowed) + "\n", encoding="utf-8")
    return environment


def install(environment: Environment, *arguments: str) -> None:
    """Install what `arguments` name, without dependencies."""
    command = [sys.executable, "-m", "pip", "--python", str(environment.python), "install", "--no-deps"]
    offline = ["--no-index", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, *offline, *arguments], check=True, env=clean_environ())


def site_packages(environment: Environment) -> Path:
    program = "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = subprocess.run([environment.python, "-c", program], check=True, capture_output=True, text=True)
    return Path(done.stdout.strip())


def clean_environ() -> dict[str, str]:
    """This process's environment without what leads Python to the checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FACEID_"))}
