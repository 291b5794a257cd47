"""A page read by the standard library's parser: what must hold of any HTML that is handed to people."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "hr", "input"}
# Drawn with a slash at the end, as SVG has it.
NUMBERS = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?|nan|inf", re.IGNORECASE)
GEOMETRY = ("points", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "viewbox")


class Page(HTMLParser):
    """Collects ids, attributes and text; asserts that every element is closed where it was opened."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = source
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._text: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice"
        self.tags.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self._text.append(data)

    @property
    def text(self) -> str:
        """All text, spaces made plain."""
        return " ".join("".join(self._text).split())

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.tags if "id" in attributes]

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def assert_sound(self) -> None:
        """Ids are unique and referred to rightly, nothing is fetched, and every coordinate is a number."""
        assert len(self.ids) == len(set(self.ids))
        for _, attributes in self.tags:
            for reference in attributes.get("aria-labelledby", "").split():
                assert reference in self.ids
            for name in ("href", "src", "xlink:href", "action", "data", "poster", "srcset"):
                value = attributes.get(name, "#")
                assert value.startswith("data:image/jpeg;base64,") or value.removeprefix("#") in {
                    "",
                    *self.ids,
                }
            if found := re.fullmatch(r"url\(#(.*)\)", attributes.get("fill", "")):
                assert found[1] in self.ids
            for name in GEOMETRY:
                for number in NUMBERS.findall(attributes.get(name, "")):
                    assert math.isfinite(float(number)), (name, attributes[name])
        assert {tag for tag, _ in self.tags}.isdisjoint(
            {"script", "link", "iframe", "object", "embed", "form"}
        )
        (style,) = re.findall(r"<style>(.*?)</style>", self.source, re.DOTALL)
        assert "url(" not in style
        assert "@import" not in style
