"""How this room says no: one line with the name of the picture and the cause in plain words."""

from __future__ import annotations

from faceid.errors import UnreadableImage

_LONGEST_DETAIL = 120


def refuse(
    source: str, cause: str, *, code: str | None = None, remedy: str | None = None, **facts: object
) -> UnreadableImage:
    """The error to raise for `source`, whose name is escaped where it would disturb a terminal or a log."""
    shown = source if source and source.isprintable() else ascii(source)
    return UnreadableImage(f"{shown}: {cause}", code=code, remedy=remedy, path=source, hint=None, **facts)


def detail(error: BaseException) -> str:
    """What a foreign library said, as a short printable tail for a message; may be empty."""
    text = " ".join(str(error).split())
    if not text.isprintable():
        text = ascii(text)
    return f" ({text[:_LONGEST_DETAIL]})" if text else ""
