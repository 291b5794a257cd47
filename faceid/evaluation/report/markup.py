"""Numbers and text as a reader wants them, and HTML that cannot be broken from within a name."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence

from faceid.evaluation.statistics.intervals import Interval, Ratio

# What HTML does not allow in text, and halves of surrogate pairs, which a file name may hold.
_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_NARROW = 3
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


INTERVAL = "95\N{NO-BREAK SPACE}% interval"
"""The head of a column of `between`."""


class Html(str):
    """Text that is HTML already; all other text is escaped where it goes in."""

    def __add__(self, other: str) -> Html:
        return Html(super().__add__(text(other)))


def text(value: object) -> Html:
    """Any value as HTML text, fit for an attribute too."""
    return value if isinstance(value, Html) else Html(html.escape(_NO_TEXT.sub("\ufffd", str(value))))


def name(value: str) -> Html:
    """A name, kept apart from the sentence around it where its script runs the other way."""
    return Html(f"<bdi>{text(value)}</bdi>")


def names(values: Iterable[str]) -> list[Html]:
    """Each of some names."""
    return [name(value) for value in values]


def section(identifier: str, title: str, body: Html) -> Html:
    """A part of the page; empty where its body is."""
    if not body:
        return body
    return Html(f'<section id="{identifier}"><h2>{text(title)}</h2>\n{body}</section>\n')


def definitions(facts: Iterable[tuple[str, object]]) -> Html:
    """Terms with what they stand for."""
    rows = join(Html(f"<div><dt>{text(term)}</dt><dd>{text(value)}</dd></div>") for term, value in facts)
    return Html(f'<dl class="definitions">{rows}</dl>')


def join(parts: Iterable[Html]) -> Html:
    """Pieces of HTML, one after the other."""
    return Html("".join(parts))


def rate(value: float | None) -> str:
    """A share: per cent from 0.1 % on, a power of ten below, `-` for none."""
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
    """The two ends of a 95 % interval, in one unit where that can be read."""
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
    """A rate as the n of one in n, two digits of which count; `-` where there is none."""
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
    """A plain number, to so many significant digits."""
    return "-" if value is None or not math.isfinite(value) else _digits(value, digits)


def whole(value: float | None) -> str:
    """A number without decimals."""
    return "-" if value is None or not math.isfinite(value) else f"{value:,.0f}"


def count(value: int) -> str:
    """A count, in groups of three digits."""
    return f"{value:,}"


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, words: int = 1) -> Html:
    """A table whose first `words` columns are words and whose others are numbers; empty without rows."""
    kinds = ["words" if place < words else "number" for place in range(len(columns))]
    head = join(
        Html(f'<th scope="col" class="{kind}">{text(title)}</th>')
        for kind, title in zip(kinds, columns, strict=True)
    )
    body = join(
        Html(
            "<tr>"
            + "".join(f'<td class="{kind}">{text(cell)}</td>' for kind, cell in zip(kinds, row, strict=True))
            + "</tr>\n"
        )
        for row in rows
    )
    if not body:
        return Html("")
    # Few columns are easier to follow close together.
    kind = "scroll narrow" if len(columns) <= _NARROW else "scroll"
    return Html(
        f'<div class="{kind}" tabindex="0" role="region" aria-label="{text(caption)}">'
        f"<table><caption><span>{text(caption)}</span></caption><thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}</tbody></table></div>\n"
    )


def details(summary: str, content: Html) -> Html:
    """What only some readers want, folded up."""
    return Html(f"<details><summary>{text(summary)}</summary>{content}</details>\n") if content else content


def _digits(value: float, digits: int) -> str:
    """So many significant digits, without an exponent and without a decimal point where none is needed."""
    if value == 0.0:
        return "0"
    scientific = f"{value:.{digits - 1}e}"
    decimals = digits - 1 - int(scientific.partition("e")[2])
    if not -15 <= decimals <= 15:
        return scientific
    value = float(scientific)
    return f"{value:,.{max(decimals, 0)}f}"
