"""The error for a picture that is refused: one line with its name and the cause."""

from __future__ import annotations

from faceid.errors import UnreadableImage

_LONGEST_DETAIL = 120


def refuse(
    source: str, cause: str, *, code: str | None = None, remedy: str | None = None, **facts: object
) -> UnreadableImage:
    """The error to raise for `source`. Characters that would disturb a terminal or a log are escaped."""
    shown = source if source and source.isprintable() else ascii(source)
    return UnreadableImage(f"{shown}: {cause}", code=code, remedy=remedy, path=source, **facts)


def detail(error: BaseException) -> str:
    """The message of a foreign library as a short printable suffix; may be empty."""
    text = " ".join(str(error).split())
    if not text.isprintable():
        text = ascii(text)
    return f" ({text[:_LONGEST_DETAIL]})" if text else ""
