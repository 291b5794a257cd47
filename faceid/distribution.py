"""The name and the version under which package indexes know this program.

The command and the import are called `faceid`. On public package indexes that name belongs to another project, so
the distribution has a name that differs from both.
"""

from __future__ import annotations

NAME = "faceid-verify"
"""What `pip install` is given. pyproject.toml says the same; a test compares them."""

VERSION = "0.2.0"
"""The only place of the version: the build reads it from here, so a checkout and a wheel cannot differ."""


def requirement(extra: str | None = None) -> str:
    """The distribution, with one of its extras: `faceid-verify[train]`."""
    return f"{NAME}[{extra}]" if extra else NAME


def install_command(extra: str | None = None) -> str:
    """The command that installs the distribution, with one of its extras: `pip install "faceid-verify[train]"`."""
    return f'pip install "{requirement(extra)}"'
