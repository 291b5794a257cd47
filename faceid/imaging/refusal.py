"""How this room says no: one line with the name of the picture and the cause in plain words."""

from __future__ import annotations

from faceid.errors import UnreadableImage

_LONGEST_DETAIL = 120


def refuse(source: str, cause: str, *, hint: str | None = None, code: str | None = None) -> UnreadableImage:
    """The error to raise for `source`, whose name is escaped where it would disturb a terminal or a log."""
    shown = source if source and source.isprintable() else ascii(source)
    return UnreadableImage(f"{shown}: {cause}", code=code, hint=hint, path=source)


def detail(error: BaseException) -> str:
    """What a foreign library said, as a short printable tail for a message; may be empty."""
    text = " ".join(str(error).split())
    if not text.isprintable():
        text = ascii(text)
    return f" ({text[:_LONGEST_DETAIL]})" if text else ""
