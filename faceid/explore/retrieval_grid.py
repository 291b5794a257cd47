"""Shows queries with their neighbours as a grid: a page, or a PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from PIL import Image as Pillow

from faceid.evaluation.report.page import render
from faceid.explore.extras import require
from faceid.explore.faces import Faces
from faceid.explore.labels import PictureCell, short
from faceid.explore.retrieval import Neighbour, Query

VERDICTS = {
    True: ("✓ right", "right", "#0b6e4f"),
    False: ("✗ wrong", "wrong", "#a32a00"),
    None: ("", "unknown", "#b5b5b5"),
}
"""Word, class and colour: some people cannot see the colour."""


def grid_page(
    faces: Faces, queries: Sequence[Query], pictures: Mapping[int, bytes], about: Sequence[str]
) -> bytes:
    """A page with one line per query, UTF-8."""
    lines = []
    for query in queries:
        cells = [_cell(faces, query.row, _asked(query), "query", pictures)]
        for neighbour in query.neighbours:
            word, kind, _ = VERDICTS[neighbour.right]
            cells.append(_cell(faces, neighbour.row, _told(neighbour, word), kind, pictures))
        lines.append(cells)
    values = {"title": "Nearest neighbours", "about": about, "lines": lines}
    return render("faceid.explore", "neighbours.html", values, style="explore.css").encode()


def draw_grid(
    faces: Faces, queries: Sequence[Query], pictures: Mapping[int, bytes], about: Sequence[str]
) -> bytes:
    """A PNG with one line per query. Raises UsageError (`missing_library`)."""
    require("matplotlib", "matplotlib", "a PNG")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 1 + max(len(query.neighbours) for query in queries)
    lines = len(queries)
    head = 0.3 * len(about) + 0.2
    # The names of the last line are below it.
    foot = 0.25
    height = 1.62 * lines + head + foot
    figure = Figure(figsize=(1.25 * columns + 0.3, height), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.subplots(lines, columns, squeeze=False)
    figure.subplots_adjust(0.01, foot / height, 0.99, 1 - head / height, wspace=0.08, hspace=0.42)
    for place, line in enumerate(about):
        figure.text(0.01, 1 - (0.3 * place + 0.1) / height, line, va="top", fontsize=11, parse_math=False)
    for query, row in zip(queries, axes, strict=True):
        shown = [(query.row, _asked(query), "#1a1a1a", "solid")]
        for neighbour in query.neighbours:
            word, _, colour = VERDICTS[neighbour.right]
            dashes = "dashed" if neighbour.right is False else "solid"
            shown.append((neighbour.row, _told(neighbour, word), colour, dashes))
        for cell in row[len(shown) :]:
            cell.set_axis_off()
        for cell, (face, told, colour, dashes) in zip(row, shown, strict=False):
            cell.set_xticks([])
            cell.set_yticks([])
            cell.imshow(_pixels(pictures.get(face)))
            for spine in cell.spines.values():
                spine.set(color=colour, linewidth=2.5, linestyle=dashes)
            cell.set_title(told, fontsize=8, color=colour, pad=3, parse_math=False)
            cell.set_xlabel(short(_label(faces, face), 17), fontsize=7.5, labelpad=3, parse_math=False)
    png = BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()


def _asked(query: Query) -> str:
    return "query" if query.right_there is None else f"query, {query.right_there} to find"


def _told(neighbour: Neighbour, word: str) -> str:
    return f"{word} {neighbour.distance:.3f}".strip()


def _label(faces: Faces, row: int) -> str:
    return faces.names[row] or faces.sources[row].rsplit("/", 1)[-1] or f"row {row}"


def _cell(faces: Faces, row: int, told: str, kind: str, pictures: Mapping[int, bytes]) -> PictureCell:
    return PictureCell(row, faces.sources[row], _label(faces, row), pictures.get(row), kind, told)


def _pixels(jpeg: bytes | None) -> np.ndarray:
    if jpeg is None:
        return np.full((2, 2, 3), 232, np.uint8)
    with Pillow.open(BytesIO(jpeg)) as picture:
        return np.asarray(picture.convert("RGB"))
