"""Errors in the words of the command line: exit codes, and what to do."""

from __future__ import annotations

from faceid.errors import FaceIDError, GalleryError, InputError, ModelError, Refused, UsageError

EXIT_INTERNAL = 70
"""A fault of faceid's own (EX_SOFTWARE of sysexits.h): not one of the codes that mean something about the input."""

_EXIT_CODES: tuple[tuple[type[FaceIDError], int], ...] = (
    (Refused, 1),
    (UsageError, 2),
    (InputError, 3),
    (ModelError, 5),
    (GalleryError, 4),
)


def exit_code_of(error: FaceIDError) -> int:
    """The exit code of a command that ends with `error`; 4 for a database error of no other kind."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 4)
