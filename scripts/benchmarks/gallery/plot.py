"""The figure of bench_gallery: costs against the number of templates, both axes logarithmic.

python -m scripts.benchmarks.gallery.plot [--json FILE] [--figure FILE]
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scripts import command

# Of Okabe and Ito's palette, told apart by colour-blind readers; line and marker tell the same in gray.
_OURS = {"color": "#0072B2", "zorder": 3}
_RIVALS = (
    {"color": "#D55E00", "linestyle": "--", "marker": "s"},
    {"color": "#009E73", "linestyle": "-.", "marker": "^"},
    {"color": "#CC79A7", "linestyle": ":", "marker": "D"},
    {"color": "#000000", "linestyle": (0, (4, 1, 1, 1, 1, 1)), "marker": "v"},
    {"color": "#E69F00", "linestyle": (0, (6, 2)), "marker": "P"},
    {"color": "#56B4E9", "linestyle": (0, (1, 2)), "marker": "X"},
    {"color": "#7F7F7F", "linestyle": (0, (3, 3)), "marker": "<"},
)
_OUR_MARKERS = "o*ph8dH"

_PANELS = (
    ("One probe, median", ("single", "p50_ms"), 1.0),
    ("Opening, to the first answer", ("first_answer_s",), 1e3),
    ("Adding one, on disk", ("add_saved", "p50_ms"), 1.0),
    ("Removing one, on disk", ("remove_saved", "p50_ms"), 1.0),
)

_LEAST_GAP = 0.052
"""Between two labels, as a share of a panel's height."""


@dataclass(frozen=True)
class Curve:
    label: str
    sizes: list[int]
    costs: list[float]
    style: dict[str, Any]
    ours: bool


def main() -> None:
    parser = command.parser(__doc__, report="bench/gallery.json")
    parser.add_argument("--figure", type=Path, default=Path("docs/images/gallery.svg"))
    arguments = parser.parse_args()
    draw(json.loads(arguments.json.read_text(encoding="utf-8")), arguments.figure)
    print(f"drawn in {arguments.figure}")


def draw(report: dict[str, Any], path: Path) -> None:
    """Write the four panels to `path`; its suffix says in which format."""
    # Text as text, and nothing that changes from run to run but the figures.
    settings = {"font.size": 8.5, "svg.fonttype": "none", "svg.hashsalt": "gallery", "axes.titlesize": 10}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(11, 8.4), layout="constrained")
        for axes, (title, keys, factor) in zip(figure.subplots(2, 2).flat, _PANELS, strict=True):
            _panel(axes, title, curves(report, keys, factor))
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)


def curves(report: dict[str, Any], keys: tuple[str, ...], factor: float) -> list[Curve]:
    """The figure under `keys` of each contender that has it, where it has it."""
    points: dict[str, list[tuple[int, float]]] = {}
    ours: set[str] = set()
    for size in report["sizes"]:
        for row in size["rows"]:
            value: Any = None if row["status"].startswith("wrong") else row
            for key in keys:
                value = value.get(key) if value is not None else None
            if value is not None:
                points.setdefault(row["contender"], []).append((size["templates"], factor * value))
                if row["ours"]:
                    ours.add(row["contender"])
    # A setting of the search changes the search alone: one curve stands for all settings elsewhere.
    merged: dict[str, list[tuple[int, float]]] = {}
    for name, values in points.items():
        merged.setdefault(name if keys[0] == "single" else name.split(" ")[0], values)
    styles = _styles(report)
    return [
        Curve(
            name,
            [count for count, _ in values],
            [cost for _, cost in values],
            styles[name.split(" ")[0]],
            ours=name in ours,
        )
        for name, values in merged.items()
    ]


def _styles(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The same style for a contender in every panel."""
    rows = [row for size in report["sizes"] for row in size["rows"]]
    ours = list(dict.fromkeys(row["contender"] for row in rows if row["ours"]))
    rivals = list(dict.fromkeys(row["contender"].split(" ")[0] for row in rows if not row["ours"]))
    return {
        **{
            name: {
                **_OURS,
                "marker": _OUR_MARKERS[i % len(_OUR_MARKERS)],
                "linewidth": 1.2 if name.startswith("index:") else 2.4,
            }
            for i, name in enumerate(ours)
        },
        **{name: {**_RIVALS[i % len(_RIVALS)], "linewidth": 1.2} for i, name in enumerate(rivals)},
    }


def _panel(axes: Axes, title: str, drawn: list[Curve]) -> None:
    axes.set_title(title, loc="left", fontweight="bold")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("templates")
    axes.set_ylabel("ms")
    axes.grid(which="major", color="#DDDDDD", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if not drawn:
        return
    for curve in drawn:
        axes.plot(curve.sizes, curve.costs, markersize=4, **curve.style)
    sizes = sorted({size for curve in drawn for size in curve.sizes})
    # Room on the right for the labels.
    axes.set_xlim(sizes[0] / 1.25, sizes[-1] * (sizes[-1] / sizes[0]) ** 0.75)
    axes.set_xticks(sizes, [_short(size) for size in sizes])
    axes.minorticks_off()
    # A curve that ends early has its name there: a line to the edge would look like one that was measured.
    for end in sizes:
        _label(axes, [curve for curve in drawn if curve.sizes[-1] == end])


def _label(axes: Axes, drawn: list[Curve]) -> None:
    """A name beside the end of each curve, all of which end at one size; moved apart where they would overlap."""
    to_share, to_data = axes.transAxes.inverted(), axes.transData.inverted()

    def height(curve: Curve) -> float:
        return float(to_share.transform(axes.transData.transform((1, curve.costs[-1])))[1])

    ordered = sorted(drawn, key=height)
    shares = apart([height(curve) for curve in ordered], _LEAST_GAP)
    for curve, share in zip(ordered, shares, strict=True):
        _, y = to_data.transform(axes.transAxes.transform((0, share)))
        axes.annotate(
            curve.label,
            xy=(curve.sizes[-1], curve.costs[-1]),
            xytext=(curve.sizes[-1] * (axes.get_xlim()[1] / axes.get_xlim()[0]) ** 0.05, y),
            va="center",
            color=curve.style["color"] if curve.ours else "#222222",
            fontweight="bold" if curve.ours else "normal",
            zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.5},
            arrowprops={
                "arrowstyle": "-",
                "color": curve.style["color"],
                "linewidth": 0.6,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 3,
            },
        )


def apart(wanted: list[float], gap: float) -> list[float]:
    """The places within 0 to 1, `gap` apart or more, that are nearest to rising `wanted` ones in the square mean.

    Isotonic regression by pooling adjacent violators, of the places less the gaps below them.
    """
    pools: list[tuple[float, int]] = []
    for i, place in enumerate(wanted):
        pools.append((place - i * gap, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (low, m), (high, n) = pools[-2:]
            pools[-2:] = [((m * low + n * high) / (m + n), m + n)]
    top = 1 - (len(wanted) - 1) * gap
    flat = [min(max(place, 0.0), top) for place, n in pools for _ in range(n)]
    return [place + i * gap for i, place in enumerate(flat)]


def _short(count: int) -> str:
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if count >= size and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


if __name__ == "__main__":
    main()
