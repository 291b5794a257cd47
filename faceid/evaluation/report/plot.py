"""One chart as inline SVG: a frame with two axes, and what is drawn into it.

Colours and line widths are those of the page's style sheet. Everything that is told by colour is told by dashes,
hatching or a label as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from faceid.evaluation.report.axes import Axis
from faceid.evaluation.report.markup import Html, text

WIDTH, HEIGHT = 480, 380
LEFT, RIGHT, TOP, BOTTOM = 66, 38, 16, 54
# Of an average letter, of 14 units high text: for keeping labels inside the frame.
_LETTER = 7.8
_STRONG_LETTER = 9.2

Point = tuple[float, float]


class Plot:
    """A frame of `x` and `y`; points are given as values on these axes, and are put on the edge where beyond it."""

    def __init__(self, identifier: str, x: Axis, y: Axis) -> None:
        self.identifier = identifier
        self.x, self.y = x, y
        self._parts: list[str] = []

    def at(self, point: Point) -> Point:
        """Where a point is drawn."""
        return (
            LEFT + self.x.place(point[0]) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - self.y.place(point[1]) * (HEIGHT - TOP - BOTTOM),
        )

    def line(self, points: Sequence[Point], kind: str) -> None:
        """A line through `points`."""
        if points:
            self._parts.append(f'<polyline class="{kind}" points="{self._path(points)}"/>')

    def area(self, points: Sequence[Point], kind: str) -> None:
        """The area within `points`."""
        if points:
            self._parts.append(f'<polygon class="{kind}" points="{self._path(points)}"/>')

    def hatched(self, points: Sequence[Point], kind: str, slope: int) -> None:
        """The area within `points` under lines that rise (`slope` 1) or fall (-1)."""
        pattern = f"{self.identifier}-{kind}"
        stroke = "M0,6 L6,0" if slope > 0 else "M0,0 L6,6"
        self._parts.append(
            f'<pattern id="{pattern}" width="6" height="6" patternUnits="userSpaceOnUse">'
            f'<path class="hatch {kind}" d="{stroke}"/></pattern>'
            f'<polygon class="area {kind}" points="{self._path(points)}" fill="url(#{pattern})"/>'
        )

    def circle(self, point: Point, kind: str = "observed") -> None:
        """A round mark."""
        x, y = self.at(point)
        self._parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>')

    def triangle(self, point: Point) -> None:
        """A mark that points down from an upper bound."""
        x, y = self.at(point)
        self._parts.append(
            f'<polygon class="observed" points="{x - 5:.1f},{y - 4:.1f} {x + 5:.1f},{y - 4:.1f} {x:.1f},{y + 5:.1f}"/>'
        )

    def label(
        self, point: Point, words: str, *, kind: str = "", above: float = 8.0, after: float = 0.0
    ) -> None:
        """Words near a point, `above` it and `after` it in units of the drawing, kept within the frame.

        With `after` 0 they are centred; with less they end there.
        """
        x, y = self.at(point)
        width = (_STRONG_LETTER if kind == "strong" else _LETTER) * len(words)
        start = x - width / 2 if after == 0 else x + after - width * (after < 0)
        start = min(max(start, LEFT + 4), max(LEFT + 4, WIDTH - RIGHT - 4 - width))
        y = min(max(y - above, TOP + 14), HEIGHT - BOTTOM - 6)
        self._parts.append(f'<text class="label {kind}" x="{start:.1f}" y="{y:.1f}">{text(words)}</text>')

    def svg(self, title: str, description: str) -> Html:
        """The whole chart; `description` tells in words what it shows."""
        name = self.identifier
        return Html(
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{name}-title {name}-desc">'
            f'<title id="{name}-title">{text(title)}</title><desc id="{name}-desc">{text(description)}</desc>\n'
            + "".join(self._frame())
            + "\n".join(self._parts)
            + f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}"'
            f' height="{HEIGHT - TOP - BOTTOM}"/></svg>\n'
        )

    def _frame(self) -> Iterable[str]:
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for value, words in self.x.ticks:
            x, _ = self.at((value, self.y.low))
            yield f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}"/>'
            yield f'<text class="tick" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{text(words)}</text>'
        for value, words in self.y.ticks:
            _, y = self.at((self.x.low, value))
            yield f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
            yield f'<text class="tick" x="{LEFT - 6}" y="{y + 4.5:.1f}" text-anchor="end">{text(words)}</text>'
        middle = (LEFT + right) / 2
        yield f'<text class="title" x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{text(self.x.label)}</text>'
        half = (TOP + bottom) / 2
        yield (
            f'<text class="title" transform="translate(15 {half}) rotate(-90)" text-anchor="middle">'
            f"{text(self.y.label)}</text>"
        )

    def _path(self, points: Sequence[Point]) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self.at, points))
