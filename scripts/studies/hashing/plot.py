"""What lab_hashing.py found, as rows, and its picture: accuracy against the size of a template."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Row:
    """One way to compare: bits of a code (0: floats), the kind of code, and for each rate the TMR of every split."""

    bits: int
    kind: str
    size: int
    search_us: float
    tmr: dict[str, list[float]]

    @property
    def name(self) -> str:
        return f"{self.bits} bits, {self.kind}" if self.bits else "floats, L2"


def draw(rows: list[Row], rate: str, path: Path) -> None:
    """TMR against the bytes of a template, at the FMR `rate`, to `path`; its suffix says in which format."""
    with mpl.rc_context({"font.size": 8.5, "svg.fonttype": "none", "svg.hashsalt": "hashing"}):
        figure = Figure(figsize=(5.5, 3.6), layout="constrained")
        axes = figure.subplots()
        for kind, label, colour, style in (
            ("trained", "codes, trained", "#0072B2", "o-"),
            ("centred", "random planes through the mean", "#009E73", "^-."),
            ("random", "random planes through the origin", "#D55E00", "s--"),
        ):
            codes = [row for row in rows if row.bits and row.kind == kind]
            means = [statistics.mean(row.tmr[rate]) for row in codes]
            below = [mean - min(row.tmr[rate]) for mean, row in zip(means, codes, strict=True)]
            above = [max(row.tmr[rate]) - mean for mean, row in zip(means, codes, strict=True)]
            sizes = [row.size for row in codes]
            axes.errorbar(sizes, means, yerr=[below, above], fmt=style, color=colour, label=label, capsize=2)
        floats = statistics.mean(rows[0].tmr[rate])
        axes.axhline(floats, color="black", linestyle=":", label=f"floats, {rows[0].size} bytes")
        axes.set(xscale="log", xlabel="bytes a template", ylabel=f"TMR at FMR {rate}")
        shown = sorted({row.size for row in rows if row.bits})
        axes.set_xticks(shown, [str(size) for size in shown])
        axes.minorticks_off()
        axes.legend(loc="lower right", frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)
