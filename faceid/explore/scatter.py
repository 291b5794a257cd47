"""Draws a picture of points in two dimensions, one mark per face."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from faceid.explore.extras import require
from faceid.explore.labels import OTHERS, marks, short


def draw(places: NDArray[np.float64], names: Sequence[str], title: str) -> bytes:
    """A PNG of points (n, 2): the people with the most faces in colours and shapes, all others gray.

    Raises UsageError (`missing_library`).
    """
    require("matplotlib", "matplotlib", "a PNG")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8), dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    marked = marks(names)
    owner = np.array(names, dtype=object)
    rest = np.array([name not in marked for name in names])
    size = float(np.clip(20_000 / len(names), 9, 48))
    if rest.any():
        others = len({name for name in owner[rest].tolist() if name})
        said = f"{others:,} others ({int(rest.sum()):,})" if others else f"no name ({int(rest.sum()):,})"
        colour = OTHERS if marked else "#0072b2"
        axes.scatter(
            places[rest, 0], places[rest, 1], s=size * 0.7, c=colour, linewidths=0, label=said, zorder=1
        )
    for name, (colour, shape) in marked.items():
        own = owner == name
        axes.scatter(
            places[own, 0],
            places[own, 1],
            s=size,
            c=colour,
            marker=shape,
            linewidths=0.4,
            edgecolors="white",
            zorder=2,
            label=f"{short(name, 28)} ({int(own.sum()):,})",
        )
    axes.set_title(title, loc="left", fontsize=12, parse_math=False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    for spine in axes.spines.values():
        spine.set_color("#cccccc")
    legend = axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        fontsize=9,
        borderaxespad=0.0,
        markerscale=1.6,
    )
    for label in legend.get_texts():
        # A name with dollar signs must not become a formula.
        label.set_parse_math(False)
    png = BytesIO()
    figure.savefig(png, format="png", bbox_inches="tight", metadata={"Software": None})
    return png.getvalue()
