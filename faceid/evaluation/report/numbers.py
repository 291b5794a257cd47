"""Formats rates, intervals, distances and counts of a report as text."""

from __future__ import annotations

import math

from faceid.evaluation.statistics.intervals import Interval, Ratio

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def rate(value: float | None) -> str:
    """A share: per cent from 0.1 % upwards, a power of ten below, `-` for None."""
    if value is None or not math.isfinite(value):
        return "-"
    if value == 0.0:
        return "0"
    if value >= 0.000995:
        return f"{_digits(100 * value, 3)}\N{NO-BREAK SPACE}%"
    exponent = math.floor(math.log10(value))
    mantissa = f"{value / 10.0**exponent if exponent > -300 else 1.0:.2g}"
    if mantissa == "10":
        mantissa, exponent = "1", exponent + 1
    return f"{mantissa}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}{power(exponent)}"


def power(exponent: int) -> str:
    """A power of ten."""
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}"


def between(interval: Interval | None) -> str:
    """The two ends of a 95 % interval, in one unit if that is readable."""
    if interval is None:
        return "-"
    low, high = interval.low, interval.high
    if high >= 0.000995 and (low == 0.0 or low >= 0.00001) and math.isfinite(high):
        return f"{_digits(100 * low, 2 if low < 0.001 else 3)} .. {_digits(100 * high, 3)}\N{NO-BREAK SPACE}%"
    return f"{rate(low)} .. {rate(high)}"


def times(ratio: Ratio | None) -> str:
    """The two ends of a ratio's 95 % interval."""
    if ratio is None:
        return "-"
    return f"{number(ratio.low)} .. {'unbounded' if ratio.high is None else number(ratio.high)}"


def one_in(value: float) -> str:
    """A rate as the n in "one in n", with two significant digits; `-` for None."""
    if not value > 0.0:
        return "-"
    count = 1.0 / max(value, 1e-300)
    if count < 10.0:
        return _digits(count, 2)
    step = 10.0 ** (math.floor(math.log10(count)) - 1)
    return f"{round(count / step) * step:,.0f}"


def distance(value: float | None) -> str:
    """A distance, to four decimals."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.4f}"


def number(value: float | None, digits: int = 3) -> str:
    """A number with the given significant digits."""
    return "-" if value is None or not math.isfinite(value) else _digits(value, digits)


def whole(value: float | None) -> str:
    """An integer without grouping."""
    return "-" if value is None or not math.isfinite(value) else f"{value:,.0f}"


def thousands(value: int) -> str:
    """A count, in groups of three digits."""
    return f"{value:,}"


def _digits(value: float, digits: int) -> str:
    """A value with the given significant digits, without an exponent, and without a decimal point if none is needed."""
    if value == 0.0:
        return "0"
    scientific = f"{value:.{digits - 1}e}"
    decimals = digits - 1 - int(scientific.partition("e")[2])
    if not -15 <= decimals <= 15:
        return scientific
    value = float(scientific)
    return f"{value:,.{max(decimals, 0)}f}"
