"""Turns errors into the words of the command line: the exit code, the message, and the hint.

An error or a problem names its `remedy`. The tables of the `hints_*` modules turn it into words. A message has an
entry only where the command line's words differ from those of `str(error)`.
"""

from __future__ import annotations

import shlex
import string
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from faceid.cli import hints_analysis, hints_gallery, hints_input, hints_networks
from faceid.errors import FaceIDError, GalleryError, InputError, ModelError, Refused, UsageError
from faceid.results import CheckResult, Problem

if TYPE_CHECKING:
    from faceid.evaluation.findings import Health

EXIT_INTERNAL = 70
"""An internal error of faceid (EX_SOFTWARE of sysexits.h), distinct from the codes about the input."""

TABLES: Final = (hints_input, hints_gallery, hints_analysis, hints_networks)

HINTS: Final[Mapping[str, str]] = {key: text for table in TABLES for key, text in table.HINTS.items()}
"""Remedy -> what to do, a template for `str.format` with the error's facts and its `path`."""

MESSAGES: Final[Mapping[str, str]] = {key: text for table in TABLES for key, text in table.MESSAGES.items()}
"""Remedy -> what is wrong, a template of the same kind."""

_EXIT_CODES: tuple[tuple[type[FaceIDError], int], ...] = (
    (Refused, 1),
    (UsageError, 2),
    (InputError, 3),
    (ModelError, 5),
    (GalleryError, 4),
)


class _Words(string.Formatter):
    """Fills templates; the conversion `!q` quotes a value for a shell."""

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        return shlex.quote(str(value)) if conversion == "q" else super().convert_field(value, conversion)


_WORDS: Final = _Words()


def exit_code_of(error: FaceIDError) -> int:
    """The exit code of a command that ends with `error`; 4 for any other database error."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 4)


def message_of(error: FaceIDError | Problem) -> str:
    """What is wrong, in one sentence."""
    own = error.message if isinstance(error, Problem) else str(error)
    return _filled(MESSAGES, error) or own


def hint_for(error: FaceIDError | Problem) -> str | None:
    """What to do about it; None if no hint is known."""
    return _filled(HINTS, error)


def advised(finding: Health) -> Health:
    """`finding` with advice that names the command to run, if there is one."""
    template = hints_gallery.ADVICE.get((finding.kind, len(finding.template_ids)))
    if template is None:
        return finding
    return replace(finding, advice=_WORDS.format(template, *finding.template_ids, names=finding.names))


def in_words(check: CheckResult) -> CheckResult:
    """`check` with a detail that describes the problem and the remedy."""
    if check.problem is None:
        return check
    message, hint = message_of(check.problem), hint_for(check.problem)
    return replace(check, detail=f"{message} ({hint})" if hint else message)


def shown_problem(problem: Problem) -> dict[str, str | None]:
    """The fields that a problem has in JSON."""
    return {"code": problem.code, "message": message_of(problem), "hint": hint_for(problem)}


def _filled(table: Mapping[str, str], error: FaceIDError | Problem) -> str | None:
    template = table.get(error.remedy or error.code)
    if template is None:
        return None
    try:
        return _WORDS.format(template, **{**error.facts, "path": error.path})
    except (LookupError, TypeError, ValueError, AttributeError):
        # A library's own error may lack a fact. Its message must reach the user even then.
        return None
