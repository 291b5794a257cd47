"""Draws text of any script as a gray mask, with the fonts of this machine.

Each character takes the first system font that has it, then Pillow's own font, which has little beyond ASCII. A
character that no font has is drawn without its accents, or else as a question mark.
"""

from __future__ import annotations

import os
import unicodedata
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_CHARACTERS = 300
"""Further characters are ignored: no picture has room for them."""

_BROAD = (
    "dejavusans.ttf",
    "notosans-regular.ttf",
    "arial unicode.ttf",
    "segoeui.ttf",
    "liberationsans-regular.ttf",
    "notosanscjk-regular.ttc",
    "notosanscjk-vf.otf.ttc",
    "sourcehansans-regular.ttc",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "droidsansfallback.ttf",
    "droidsansfallbackfull.ttf",
    "msyh.ttc",
    "yugothm.ttc",
    "malgun.ttf",
    "nirmala.ttc",
    "nirmala.ttf",
    "leelawui.ttf",
    "pingfang.ttc",
    "hiragino sans gb.ttc",
    "applesdgothicneo.ttc",
    "kohinoor.ttc",
    "thonburi.ttc",
    "freesans.ttf",
    "unifont.otf",
)
"""File names of fonts with many characters, the best first. The fonts of Noto Sans follow, one per script."""

_PROBE_SIZE = 16
_NO_CHARACTER = "\uffff"


def text_mask(text: str, size: int, max_width: int) -> NDArray[np.uint8]:
    """`text` on one line, (h, w) uint8: 0 nothing, 255 ink. `size` is the em in pixels, at least 1.

    Text wider than `max_width` pixels is cut and ends in an ellipsis. Control characters become blanks.
    """
    runs = _fitted(_drawable(text[:MAX_CHARACTERS]) or [(" ", None)], size, max_width)
    fonts = [_sized(path, size) for _, path in runs]
    ascent = max(font.getmetrics()[0] for font in fonts)
    descent = max(font.getmetrics()[1] for font in fonts)
    width = max(1, round(_length(runs, size)))
    picture = Pillow.new("L", (width, max(1, ascent + descent)))
    draw = ImageDraw.Draw(picture)
    x = 0.0
    for (run, _), font in zip(runs, fonts, strict=True):
        draw.text((x, ascent), run, fill=255, font=font, anchor="ls")
        x += font.getlength(run)
    return np.asarray(picture, dtype=np.uint8)


def _drawable(text: str) -> list[tuple[str, str | None]]:
    """`text` as runs with the path of the font of each, None for Pillow's own."""
    characters: list[tuple[str, str | None]] = []
    for character in text:
        category = unicodedata.category(character)
        if category in ("Cc", "Zl", "Zp"):
            character = " "
        elif category == "Cf":
            # Some of these characters change the direction of writing: one name could look like another.
            continue
        before = characters[-1][1] if characters else None
        if characters and (category.startswith("M") or _covers(before, character)):
            characters.append((character, before))
        else:
            characters.append(_with_font(character))
    return [
        ("".join(character for character, _ in run), path)
        for path, run in groupby(characters, lambda c: c[1])
    ]


@lru_cache(4096)
def _with_font(character: str) -> tuple[str, str | None]:
    parts = unicodedata.normalize("NFKD", character)
    plain = "".join(part for part in parts if not unicodedata.category(part).startswith("M"))
    for shown in (character, plain):
        for path in (*_installed(), None):
            if shown and all(_covers(path, part) for part in shown):
                return shown, path
    return "?", None


def _fitted(runs: list[tuple[str, str | None]], size: int, max_width: int) -> list[tuple[str, str | None]]:
    if _length(runs, size) <= max_width:
        return runs
    # The longest beginning that fits, by bisection.
    shortest, longest = 0, sum(len(run) for run, _ in runs)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if _length(_beginning(runs, middle), size) <= max_width:
            shortest = middle
        else:
            longest = middle - 1
    return _beginning(runs, shortest)


def _beginning(runs: list[tuple[str, str | None]], characters: int) -> list[tuple[str, str | None]]:
    beginning = []
    for run, path in runs:
        if characters <= 0:
            break
        beginning.append((run[:characters], path))
        characters -= len(run)
    return [*beginning, _with_font("…")]


def _length(runs: list[tuple[str, str | None]], size: int) -> float:
    return sum(_sized(path, size).getlength(run) for run, path in runs)


@lru_cache(64)
def _sized(path: str | None, size: int) -> ImageFont.FreeTypeFont:
    if path is not None:
        return ImageFont.truetype(path, size)
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


@lru_cache(8192)
def _covers(path: str | None, character: str) -> bool:
    """Whether the font draws `character` differently from a character that no font has."""
    font, missing = _probe(path)
    if font is None or unicodedata.category(character) in ("Cs", "Cn"):
        return False
    return character.isspace() or _drawn(font, character) != missing


@cache
def _probe(path: str | None) -> tuple[ImageFont.FreeTypeFont | None, bytes]:
    """The font at a small size, and its drawing of a missing character; None if the font cannot be used."""
    try:
        if path is None:
            font = _sized(None, _PROBE_SIZE)
        else:
            font = ImageFont.truetype(path, _PROBE_SIZE, layout_engine=ImageFont.Layout.BASIC)
        return font, _drawn(font, _NO_CHARACTER)
    except OSError:
        return None, b""


def _drawn(font: ImageFont.FreeTypeFont, character: str) -> bytes:
    mask = font.getmask(character)
    return repr(mask.size).encode() + bytes(mask)


@cache
def _installed() -> tuple[str, ...]:
    """The fonts with many characters on this machine, the best first."""
    found: dict[str, str] = {}
    for directory in _directories():
        for folder, _, names in os.walk(directory):
            for name in names:
                found.setdefault(name.lower(), str(Path(folder) / name))
    others = sorted(name for name in found if name.startswith("notosans") and "-regular." in name)
    return tuple(found[name] for name in dict.fromkeys((*_BROAD, *others)) if name in found)


def _directories() -> list[Path]:
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where there is no home
    windows = Path(os.environ.get("WINDIR", "C:\\Windows")) / "Fonts"
    return [
        *(
            Path("/usr/share/fonts"),
            Path("/usr/local/share/fonts"),
            home / ".local/share/fonts",
            home / ".fonts",
        ),
        *(Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts", windows),
        # Some wheels of OpenCV bring DejaVu.
        Path(cv2.__file__).parent / "qt" / "fonts",
    ]
