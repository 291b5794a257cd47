"""The charts of the report. Each is None if the findings have nothing to draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence

from faceid.evaluation.findings import DetCurve, GalleryPoint, Histogram, OperatingRow, SearchCurve
from faceid.evaluation.report.axes import count_tick, linear, logarithmic, probit, rate_tick
from faceid.evaluation.report.numbers import distance, rate, thousands
from faceid.evaluation.report.plot import Drawing, Plot, Point
from faceid.evaluation.statistics.intervals import Interval

BARS = 96
"""The greatest number of bars that a chart can show."""

LINES = 4
"""The greatest number of lines with distinct dashes."""


def joined(histogram: Histogram, bars: int) -> Histogram:
    """The histogram without empty bins at the ends, with neighbours joined until there are at most `bars`."""
    both = zip(histogram.mated, histogram.non_mated, strict=True)
    filled = [place for place, counts in enumerate(both) if any(counts)]
    if not filled:
        return Histogram((), (), ())
    first, last = filled[0], filled[-1] + 1
    width = math.ceil((last - first) / bars)
    starts = range(first, last, width)
    return Histogram(
        (*(histogram.edges[start] for start in starts), histogram.edges[last]),
        tuple(sum(histogram.mated[start : min(start + width, last)]) for start in starts),
        tuple(sum(histogram.non_mated[start : min(start + width, last)]) for start in starts),
    )


def det_chart(det: DetCurve, proposed: OperatingRow | None, eer: float | None) -> Drawing | None:
    """FNMR over FMR on normal-deviate axes, with the 95 % band and the proposed threshold."""
    curve = [
        row
        for row in zip(det.fmr, det.fnmr, det.fnmr_low, det.fnmr_high, strict=True)
        if all(map(math.isfinite, row)) and 0.0 < row[0] < 1.0
    ]
    if not curve:
        return None
    # A rate of 0 has no place on the axis: the rest would be a line along the frame.
    curve = [row for row in curve if 0.0 < row[1] < 1.0] or curve
    x = probit("false match rate (FMR)", [row[0] for row in curve])
    y = probit("false non-match rate (FNMR)", [row[1] for row in curve])
    plot = Plot("det", x, y)
    plot.area([(row[0], row[2]) for row in curve] + [(row[0], row[3]) for row in reversed(curve)], "band")
    words = f"{thousands(len(curve))} points from FMR {rate(curve[0][0])} to {rate(curve[-1][0])}."
    equal = [max(x.low, y.low), min(x.high, y.high)]
    if eer is not None and equal[0] < equal[1]:
        plot.line([(equal[0], equal[0]), (equal[1], equal[1])], "equal")
        plot.label((equal[0], equal[0]), "FMR = FNMR", kind="quiet", above=4, after=20)
        words += f" Equal error rate {rate(eer)}."
    plot.line([(row[0], row[1]) for row in curve], "curve")
    if proposed is not None and _finite(proposed.fmr, proposed.fnmr):
        point = (proposed.fmr.rate, proposed.fnmr.rate)
        plot.line([(point[0], y.low), point, (x.low, point[1])], "threshold")
        plot.circle(point, "proposed")
        plot.label(point, f"distance ≤ {distance(proposed.threshold)}", kind="strong", above=10, after=10)
        words += f" Proposed: FMR {rate(point[0])}, FNMR {rate(point[1])}."
    return plot.drawing("Detection error trade-off", words)


def histogram_chart(histogram: Histogram, threshold: float | None) -> Drawing | None:
    """How far apart photos of one person and of different people are, as shares of either kind."""
    bins = joined(histogram, BARS)
    edges, kinds = bins.edges, (bins.mated, bins.non_mated)
    totals = sum(bins.mated), sum(bins.non_mated)
    if max(totals) == 0:
        return None
    shares = [
        [value / total if total else 0.0 for value in kind] for kind, total in zip(kinds, totals, strict=True)
    ]
    # Room above the bars for the labels.
    top = 1.3 * max(max(kind) for kind in shares)
    low, high = edges[0], edges[-1]
    if threshold is not None and math.isfinite(threshold):
        low, high = min(low, threshold), max(high, threshold)
    plot = Plot("histogram", linear("distance", low, high), linear("share of comparisons, %", 0.0, 100 * top))
    peaks: list[Point] = []
    for kind, share, slope in zip(("mated", "non-mated"), shares, (1, -1), strict=True):
        steps: list[Point] = [(edges[0], 0.0)]
        for place, value in enumerate(share):
            steps += [(edges[place], 100 * value), (edges[place + 1], 100 * value)]
        steps.append((edges[-1], 0.0))
        plot.hatched(steps, kind, slope)
        plot.line(steps, f"outline {kind}")
        highest = max(range(len(share)), key=share.__getitem__)
        peaks.append(((edges[highest] + edges[highest + 1]) / 2, 100 * share[highest]))
    (x1, y1), (x2, y2) = map(plot.at, peaks)
    lift = 20.0 if abs(x1 - x2) < 170 and abs(y1 - y2) < 20 else 0.0
    words = f"{thousands(totals[0])} comparisons of one person, {thousands(totals[1])} of different people."
    if threshold is not None and math.isfinite(threshold):
        plot.line([(threshold, 0.0), (threshold, 100 * top)], "threshold")
        plot.label(
            (threshold, 100 * top), f"threshold {distance(threshold)}", kind="strong", above=-16, after=6
        )
        words += f" Threshold at {distance(threshold)}."
    plot.label(peaks[0], f"same person ({thousands(totals[0])})", kind="mated", above=8 + lift)
    plot.label(peaks[1], f"different people ({thousands(totals[1])})", kind="non-mated")
    return plot.drawing("Distances", words)


def size_chart(points: Sequence[GalleryPoint]) -> Drawing | None:
    """FPIR over the size of the gallery, one line per threshold; a single line if every size has its own threshold."""
    shown = [point for point in points if _finite(point.fpir) and point.identities > 0]
    if len({point.identities for point in shown}) < 2:
        return None
    expected = [point for point in shown if not point.observed]
    each_its_own = len(expected) > 1 and len({point.threshold for point in expected}) == len(expected)
    plot = Plot(
        "size",
        logarithmic("identities in the gallery", [point.identities for point in shown], count_tick),
        logarithmic("FPIR", _rates(point.fpir for point in shown), rate_tick, highest=1.0),
    )
    drawn = _draw(
        plot,
        shown,
        key=lambda point: None if each_its_own else point.threshold,
        name=lambda point: "predicted" if each_its_own else f"distance ≤ {distance(point.threshold)}",
        x=lambda point: Interval(point.identities, point.identities, point.identities),
        y=lambda point: point.fpir,
        below=True,
    )
    return plot.drawing("False positives by size of the gallery", drawn)


def trade_chart(points: Sequence[GalleryPoint]) -> Drawing | None:
    """FNIR over FPIR, a line for each size of the gallery."""
    rates = [(point, point.fnir) for point in points if point.fnir is not None]
    shown = [point for point, fnir in rates if _finite(point.fpir, fnir)]
    if not shown:
        return None
    plot = Plot(
        "trade",
        logarithmic("FPIR", _rates(point.fpir for point in shown), rate_tick, highest=1.0),
        logarithmic("FNIR", _rates(_fnir(point) for point in shown), rate_tick, highest=1.0),
    )
    drawn = _draw(
        plot,
        shown,
        key=lambda point: point.identities,
        name=lambda point: f"{thousands(point.identities)} identities",
        x=lambda point: point.fpir,
        y=_fnir,
        below=False,
    )
    return plot.drawing("Misses against false positives", drawn)


def search_chart(
    curve: SearchCurve, points: Sequence[GalleryPoint], threshold: float | None
) -> Drawing | None:
    """FNIR over FPIR of an open set on logarithmic axes; `points` are marked, that at `threshold` filled."""
    line = [
        (fpir, fnir) for fpir, fnir in zip(curve.fpir, curve.fnir, strict=True) if fpir > 0.0 and fnir > 0.0
    ]
    marks = [(point, point.fnir) for point in points if point.fnir is not None]
    shown = [(point, fnir) for point, fnir in marks if _finite(point.fpir, fnir)]
    if not line and not shown:
        return None
    reach_x = _rates(point.fpir for point, _ in shown) + [fpir for fpir, _ in line]
    reach_y = _rates(fnir for _, fnir in shown) + [fnir for _, fnir in line]
    plot = Plot(
        "search",
        logarithmic("FPIR", reach_x, rate_tick, highest=1.0),
        logarithmic("FNIR", reach_y, rate_tick, highest=1.0),
    )
    plot.line(line, "curve")
    words = f"{thousands(len(line))} points of the curve, {thousands(len(shown))} with intervals."
    words += " The table has the numbers."
    for point, fnir in shown:
        at = _mark(plot, point.fpir, fnir, "proposed" if point.threshold == threshold else "observed")
        if point.threshold == threshold:
            # The curve falls to the right, so there is room below it.
            plot.label(at, f"distance ≤ {distance(point.threshold)}", kind="strong", above=-22, after=-8)
            words += f" Proposed: FPIR {rate(point.fpir.rate)}, FNIR {rate(fnir.rate)}."
    return plot.drawing("Misses against false positives in an open set", words)


def _mark(plot: Plot, across: Interval, up: Interval, kind: str) -> Point:
    """Draw a mark with the bars of both intervals, a triangle at the upper bound if no error was seen; return its
    place.
    """
    plot.line([(across.rate, up.low), (across.rate, up.high)], "bar")
    plot.line([(across.low, up.rate), (across.high, up.rate)], "bar")
    if up.rate > 0.0:
        plot.circle((across.rate, up.rate), kind)
        return across.rate, up.rate
    plot.triangle((across.rate, up.high))
    return across.rate, up.high


def _draw(
    plot: Plot,
    points: Sequence[GalleryPoint],
    *,
    key: Callable[[GalleryPoint], Hashable],
    name: Callable[[GalleryPoint], str],
    x: Callable[[GalleryPoint], Interval],
    y: Callable[[GalleryPoint], Interval],
    below: bool,
) -> str:
    """Draw predictions as lines with bands, labelled `below` or above, and observations as marks with bars; return it
    in words.
    """
    groups: dict[Hashable, list[GalleryPoint]] = {}
    for point in points:
        if not point.observed:
            groups.setdefault(key(point), []).append(point)
    lines = [sorted(group, key=lambda point: x(point).rate) for group in list(groups.values())[:LINES]]
    for group in lines:
        lower = [(x(point).rate, y(point).low) for point in group]
        upper = [(x(point).rate, y(point).high) for point in reversed(group)]
        plot.area(lower + upper, "band")
    # A rate of 0 has no place on a logarithmic axis.
    lines = [[point for point in group if y(point).rate > 0.0] for group in lines]
    for number, group in enumerate(lines):
        plot.line([(x(point).rate, y(point).rate) for point in group], f"curve dash-{number}")
    for point in points:
        if point.observed:
            _mark(plot, x(point), y(point), "observed")
    for number, group in enumerate(filter(None, lines)):
        # At different places, because lines may end close together.
        place = group[(len(group) - 1) * (2 * number + 3) // (2 * LINES + 3)]
        plot.label(
            (x(place).rate, y(place).rate), name(place), kind="strong", above=-22 if below else 12, after=12
        )
    observed = sum(point.observed for point in points)
    words = f"Lines of predictions: {thousands(len(lines))}. Observations: {thousands(observed)}."
    return f"{words} The table has the numbers."


def _rates(intervals: Iterable[Interval]) -> list[float]:
    """The values that an axis must contain: all rates, and the ends of their intervals within a factor of ten."""
    found: list[float] = []
    for interval in intervals:
        found += [interval.rate, max(interval.low, interval.rate / 10), interval.high]
    return found


def _fnir(point: GalleryPoint) -> Interval:
    assert point.fnir is not None
    return point.fnir


def _finite(*intervals: Interval | None) -> bool:
    return all(
        interval is not None and all(map(math.isfinite, (interval.rate, interval.low, interval.high)))
        for interval in intervals
    )
