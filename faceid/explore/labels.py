"""Marks and labels faces in pictures: a colour and a shape for each identity, short names, cells of a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from faceid.explore.photos import NOBODY

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#3b9ad9", "#7a1f5c", "#4d4d4d")
"""Okabe and Ito's (2008), with darker yellow and three more: visible on white, and distinct for colour-blind people."""

SHAPES = ("o", "s", "^", "D")
"""Matplotlib's markers: circle, square, triangle, diamond."""

MARKED = 24
"""The number of identities with a distinct mark: more would look alike."""

OTHERS = "#b5b5b5"


def marks(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and shape of the MARKED identities with the most faces, most first; equal ones by name.

    No two share both. An identity with one face is marked if a mark is left.
    """
    counts = Counter(name for name in names if name != NOBODY)
    order = sorted(counts, key=lambda name: (-counts[name], name))[:MARKED]
    return {
        name: (COLOURS[place % len(COLOURS)], SHAPES[place // len(COLOURS) % len(SHAPES)])
        for place, name in enumerate(order)
    }


def short(name: str, length: int) -> str:
    """At most `length` characters of a name, with a sign in place of each unprintable character."""
    printable = "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
    printable = printable.encode("utf-8", "replace").decode()
    return printable if len(printable) <= length else f"{printable[: length - 1]}…"


@dataclass(frozen=True, slots=True)
class PictureCell:
    """One face on a page: its row in DATA, its photo, its label, and its thumbnail (JPEG) or None.

    `kind` is a class of the style sheet: query, right, wrong or unknown. `verdict` is a line above the label.
    """

    row: int
    source: str
    label: str
    picture: bytes | None
    kind: str = "unknown"
    verdict: str = ""
