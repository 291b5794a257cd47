"""Names as a drawing can take them."""

from __future__ import annotations


def short(name: str, length: int) -> str:
    """A name without what cannot be printed, and at most `length` characters of it."""
    printable = "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
    printable = printable.encode("utf-8", "replace").decode()
    return printable if len(printable) <= length else f"{printable[: length - 1]}…"
