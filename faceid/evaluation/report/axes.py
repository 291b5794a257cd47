"""The axes of a chart: positions of values, and the labelled ticks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import NormalDist

from faceid.evaluation.report.numbers import power

_NORMAL = NormalDist()
# No rate is measured closer to 0 or 1 than this.
SMALLEST = 1e-12
_PROBIT_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.99, 0.999)


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from `low` to `high`, transformed by `bend`, with labelled `ticks`."""

    label: str
    low: float
    high: float
    bend: Callable[[float], float]
    ticks: tuple[tuple[float, str], ...]

    def place(self, value: float) -> float:
        """The position of `value` between the ends, 0..1; a value beyond an end is put on it."""
        start, end = self.bend(self.low), self.bend(self.high)
        return (self.bend(min(max(value, self.low), self.high)) - start) / (end - start)


def linear(label: str, low: float, high: float) -> Axis:
    """A linear axis with about five ticks, at 1, 2 or 5 times a power of ten."""
    if not high > low:
        high = low + 1.0
    step = _step((high - low) / 5)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple((tick * step, f"{tick * step:.{decimals}f}") for tick in range(first, last + 1))
    return Axis(label, low, high, float, ticks)


def logarithmic(
    label: str, values: Iterable[float], name: Callable[[float], str], *, highest: float = math.inf
) -> Axis:
    """A logarithmic axis over all positive `values`, between two of 1, 2 and 5 times a power of ten.

    It spans at least a power of ten, and ends at `highest` or below. Powers of ten are labelled, and 2 and 5 times them
    if there are few.
    """
    positive = [value for value in values if SMALLEST <= value < math.inf] or [0.1, 1.0]
    exponents = range(math.floor(math.log10(min(positive))) - 1, math.ceil(math.log10(max(positive))) + 2)
    steps = [step * 10.0**exponent for exponent in exponents for step in (1, 2, 5)]
    low = max(step for step in steps if step <= min(positive) * (1 + 1e-9))
    high = min(min(step for step in steps if step >= max(positive) * (1 - 1e-9)), highest)
    # A shorter axis would make small differences look large.
    low = min(low, high / 10.0)
    inside = [step for step in steps if low * (1 - 1e-9) <= step <= high * (1 + 1e-9)]
    tens = [step for step in inside if abs(math.log10(step) - round(math.log10(step))) < 1e-9]
    named = tens[:: 1 + len(tens) // 9] if len(inside) > 8 else inside
    return Axis(label, low, high, math.log10, tuple((step, name(step)) for step in named))


def probit(label: str, values: Iterable[float]) -> Axis:
    """A normal-deviate axis (Martin et al. 1997) over all `values` between 0 and 1, ends excluded."""
    inside = [value for value in values if SMALLEST <= value <= 1 - SMALLEST] or [0.01, 0.5]
    ticks = [10.0**exponent for exponent in range(-12, -3)] + list(_PROBIT_TICKS)
    # From the tick below the least to the one above the greatest.
    low = max((tick for tick in ticks if tick <= min(inside)), default=SMALLEST)
    high = min((tick for tick in ticks if tick >= max(inside)), default=1 - SMALLEST)
    if low == high:
        low, high = low / 10.0, 1 - (1 - high) / 10.0
    chosen: list[float] = []
    for tick in (tick for tick in ticks if low <= tick <= high):
        # Far enough apart for their labels.
        gap = (_deviate(high) - _deviate(low)) / 9
        if not chosen or _deviate(tick) - _deviate(chosen[-1]) >= gap:
            chosen.append(tick)
    return Axis(label, low, high, _deviate, tuple((tick, rate_tick(tick)) for tick in chosen))


def rate_tick(value: float) -> str:
    """The label of a rate on an axis."""
    if value >= 0.000995:
        return f"{100 * value:g} %"
    exponent = math.floor(math.log10(value) + 1e-9)
    mantissa = round(value / 10.0**exponent)
    return power(exponent) if mantissa == 1 else f"{mantissa}·{power(exponent)}"


def count_tick(value: float) -> str:
    """The label of a count on an axis."""
    return f"{value:,.0f}"


def _deviate(value: float) -> float:
    return _NORMAL.inv_cdf(min(max(value, SMALLEST), 1 - SMALLEST))


def _step(rough: float) -> float:
    unit = 10.0 ** math.floor(math.log10(rough))
    return unit * next(step for step in (1, 2, 5, 10) if step * unit >= rough * (1 - 1e-9))
