"""The picture of lab_omniglot.py: accuracy against the number of characters, and against the size of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from scripts.studies.omniglot.findings import Result, Rows, mean

# Of Okabe and Ito's palette, told apart by colour-blind readers; line and marker tell the same in gray.
_STYLES = {
    "triplet, cosine": {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    "triplet, L2": {"color": "#D55E00", "linestyle": "--", "marker": "s"},
    "triplet, L2 of any length": {"color": "#009E73", "linestyle": "-.", "marker": "^"},
    "contrastive, L2": {"color": "#CC79A7", "linestyle": ":", "marker": "D"},
    "autoencoder": {"color": "#E69F00", "linestyle": (0, (3, 1, 1, 1, 1, 1)), "marker": "v"},
}


def draw(rows: Rows, floor: Sequence[Result], path: Path) -> None:
    """Left, of the middle size that every way has; right, at the most characters. Bars are 95 % over seeds.

    `floor` are the cells of pixels, which have one size only; there may be none.
    """
    ways = list(dict.fromkeys(way for way, _ in rows))
    sizes = sorted({size for _, size in rows})
    common = [size for size in sizes if all((way, size) in rows for way in ways)] or sizes
    size = common[len(common) // 2]
    with mpl.rc_context({"font.size": 8.5}):
        figure = Figure(figsize=(8.5, 4.0), layout="constrained")
        left, right = figure.subplots(1, 2)
        most = 0
        for way in ways:
            style = _STYLES[way] | {"label": way, "markersize": 4, "capsize": 2}
            if cells := rows.get((way, size)):
                curve = [mean(values) for values in zip(*(cell.accuracy for cell in cells), strict=True)]
                most = len(curve) + 1
                reaches = [found.reach or 0.0 for found in curve]
                left.errorbar(range(2, most + 1), [found.value for found in curve], yerr=reaches, **style)
            known = [at for at in sizes if (way, at) in rows]
            last = [mean([cell.accuracy[-1] for cell in rows[way, at]]) for at in known]
            right.errorbar(known, [at.value for at in last], yerr=[at.reach or 0.0 for at in last], **style)
        if floor:
            curve = [mean(values).value for values in zip(*(cell.accuracy for cell in floor), strict=True)]
            left.plot(range(2, len(curve) + 2), curve, color="black", linewidth=0.8, label="pixels")
            right.axhline(curve[-1], color="black", linewidth=0.8)
        left.set(xlabel="characters to choose from", ylabel="accuracy", title=f"embeddings of {size} numbers")
        left.set_xticks(range(2, most + 1, 3))
        right.set(xscale="log", xlabel="numbers of an embedding", title=f"{most} characters")
        right.set_xticks(sizes, [str(at) for at in sizes])
        right.minorticks_off()
        for axes in (left, right):
            axes.yaxis.set_major_formatter("{x:.0%}")
            # Bars of few seeds reach beyond what a share can be.
            low, high = axes.get_ylim()
            axes.set_ylim(max(0.0, low), min(1.0, high))
        # Of one side: both show the same ways.
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
