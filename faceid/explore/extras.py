"""Imports libraries of the extra `explore`, with an error if one is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from faceid.errors import UsageError


def require(module: str, package: str, what_for: str, remedy: str | None = None) -> Any:
    """The module. Raises UsageError (`missing_library`) if its package is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise UsageError(
            f"{what_for} needs {package}, which is not installed", code="missing_library", remedy=remedy
        ) from error
