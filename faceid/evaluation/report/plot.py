"""Draws one chart as shapes of an SVG: a frame with two axes, and its contents.

The template `macros.html` prints the shapes. Colours and line widths are those of the style sheet. Each colour has a
second sign beside it: dashes, hatching or a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from faceid.evaluation.report.axes import Axis

WIDTH, HEIGHT = 480, 380
LEFT, RIGHT, TOP, BOTTOM = 66, 38, 16, 54
# Width of an average letter in text 14 units high, to keep labels inside the frame.
_LETTER = 7.8
_STRONG_LETTER = 9.2

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Shape:
    """One element of an SVG with its attributes, its text and the elements within it."""

    element: str
    attributes: dict[str, str | int]
    text: str = ""
    children: tuple[Shape, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart; `description` describes it for readers who cannot see it."""

    identifier: str
    title: str
    description: str
    shapes: tuple[Shape, ...]
    width: int = WIDTH
    height: int = HEIGHT


class Plot:
    """A frame with the axes `x` and `y`; points are values on these axes, and a point beyond an edge is put on it."""

    def __init__(self, identifier: str, x: Axis, y: Axis) -> None:
        self.identifier = identifier
        self.x, self.y = x, y
        self._shapes: list[Shape] = []

    def at(self, point: Point) -> Point:
        """The coordinates of a point in the drawing."""
        return (
            LEFT + self.x.place(point[0]) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - self.y.place(point[1]) * (HEIGHT - TOP - BOTTOM),
        )

    def line(self, points: Sequence[Point], kind: str) -> None:
        """A line through `points`."""
        if points:
            self._add("polyline", kind, points=self._path(points))

    def area(self, points: Sequence[Point], kind: str) -> None:
        """The area within `points`."""
        if points:
            self._add("polygon", kind, points=self._path(points))

    def hatched(self, points: Sequence[Point], kind: str, slope: int) -> None:
        """The area within `points` under lines that rise (`slope` 1) or fall (-1)."""
        pattern = f"{self.identifier}-{kind}"
        stroke = Shape("path", {"class": f"hatch {kind}", "d": "M0,6 L6,0" if slope > 0 else "M0,0 L6,6"})
        size: dict[str, str | int] = {"width": 6, "height": 6, "patternUnits": "userSpaceOnUse"}
        self._shapes.append(Shape("pattern", {"id": pattern, **size}, children=(stroke,)))
        self._add("polygon", f"area {kind}", points=self._path(points), fill=f"url(#{pattern})")

    def circle(self, point: Point, kind: str = "observed") -> None:
        """A round mark."""
        x, y = self.at(point)
        self._add("circle", kind, cx=f"{x:.1f}", cy=f"{y:.1f}", r="4.5")

    def triangle(self, point: Point) -> None:
        """A mark that points down from an upper bound."""
        x, y = self.at(point)
        corners = f"{x - 5:.1f},{y - 4:.1f} {x + 5:.1f},{y - 4:.1f} {x:.1f},{y + 5:.1f}"
        self._add("polygon", "observed", points=corners)

    def label(
        self, point: Point, words: str, *, kind: str = "", above: float = 8.0, after: float = 0.0
    ) -> None:
        """Draw words near a point, `above` it and `after` it in units of the drawing, within the frame.

        With `after` 0 the words are centred; with a negative `after` they end there.
        """
        x, y = self.at(point)
        width = (_STRONG_LETTER if kind == "strong" else _LETTER) * len(words)
        start = x - width / 2 if after == 0 else x + after - width * (after < 0)
        start = min(max(start, LEFT + 4), max(LEFT + 4, WIDTH - RIGHT - 4 - width))
        y = min(max(y - above, TOP + 14), HEIGHT - BOTTOM - 6)
        self._add("text", f"label {kind}", words, x=f"{start:.1f}", y=f"{y:.1f}")

    def drawing(self, title: str, description: str) -> Drawing:
        """The whole chart; `description` describes it in words."""
        frame = Shape(
            "rect",
            {
                "class": "frame",
                "x": LEFT,
                "y": TOP,
                "width": WIDTH - LEFT - RIGHT,
                "height": HEIGHT - TOP - BOTTOM,
            },
        )
        return Drawing(self.identifier, title, description, (*self._axes(), *self._shapes, frame))

    def _axes(self) -> Iterable[Shape]:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for value, words in self.x.ticks:
            x = f"{self.at((value, self.y.low))[0]:.1f}"
            yield Shape("line", {"class": "grid", "x1": x, "y1": TOP, "x2": x, "y2": bottom})
            yield Shape("text", {"class": "tick", "x": x, "y": bottom + 18, "text-anchor": "middle"}, words)
        for value, words in self.y.ticks:
            y = self.at((self.x.low, value))[1]
            yield Shape(
                "line", {"class": "grid", "x1": LEFT, "y1": f"{y:.1f}", "x2": right, "y2": f"{y:.1f}"}
            )
            yield Shape(
                "text", {"class": "tick", "x": LEFT - 6, "y": f"{y + 4.5:.1f}", "text-anchor": "end"}, words
            )
        across = {"x": f"{(LEFT + right) / 2:.1f}", "y": f"{HEIGHT - 10}"}
        yield Shape("text", {"class": "title", **across, "text-anchor": "middle"}, self.x.label)
        turned = f"translate(15 {(TOP + bottom) / 2:.1f}) rotate(-90)"
        yield Shape("text", {"class": "title", "transform": turned, "text-anchor": "middle"}, self.y.label)

    def _add(self, element: str, kind: str, text: str = "", **attributes: str | int) -> None:
        self._shapes.append(Shape(element, {"class": kind, **attributes}, text))

    def _path(self, points: Sequence[Point]) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self.at, points))
