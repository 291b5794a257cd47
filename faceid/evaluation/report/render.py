"""Renders findings as one self-contained HTML file, or as JSON."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from enrollment_db.files import write_atomically
from faceid.errors import UsageError
from faceid.evaluation.findings import Findings
from faceid.evaluation.report.page import render
from faceid.evaluation.report.template_values import values_of


def write_report(findings: Findings, path: Path) -> None:
    """Write `findings` to `path`: JSON where it ends in .json, else HTML.

    The file is replaced only when it is complete, and only its owner can read it: it may hold faces. Raises UsageError
    (`cannot_write`).
    """
    if path.suffix.lower() == ".json":
        content = json.dumps(to_json(findings), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    else:
        content = to_html(findings)
    try:
        # A file name may hold bytes that are not UTF-8 (surrogates in Python).
        write_atomically(path, content.encode("utf-8", "backslashreplace"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"cannot write {path}: {reason}", code="cannot_write", path=str(path)) from error


def to_json(findings: Findings) -> dict[str, Any]:
    """The findings field for field as JSON: thumbnails in base64, NaN and infinity as null."""
    plain = _plain(findings)
    assert isinstance(plain, dict)
    return plain


def to_html(findings: Findings) -> str:
    """The findings as one page without references to other files."""
    return render("faceid.evaluation.report", "report.html", values_of(findings), style="report.css")


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
