"""Computes intervals of a rate from a count of errors, and the rates that too few comparisons cannot support.

Wilson's and Clopper and Pearson's intervals treat trials as independent. Comparisons that share a person are not:
`faceid.evaluation.statistics.bootstrap` resamples people instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Interval:
    """A rate (0..1) and its 95 % confidence interval."""

    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """One rate over another, and its 95 % confidence interval; `high` is None if it is unbounded."""

    value: float
    low: float
    high: float | None


def wilson(count: int, total: int, z: float = 1.959964) -> Interval:
    """The share `count` / `total` with Wilson's score interval (Wilson 1927), for independent trials.

    Comparisons that share a face are not independent: then the true interval is wider than this one.
    """
    _check(count, total)
    share = count / total
    middle = share + z * z / (2 * total)
    reach = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    norm = 1 + z * z / total
    # At the ends, rounding would leave a bound slightly inside the share.
    low = 0.0 if count == 0 else min(share, (middle - reach) / norm)
    high = 1.0 if count == total else max(share, (middle + reach) / norm)
    return Interval(share, low, high)


def clopper_pearson(count: int, total: int, confidence: float = 0.95) -> Interval:
    """The share with Clopper and Pearson's interval (1934): its coverage is never below `confidence` for independent
    trials.
    """
    _check(count, total)
    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else _beta_quantile(tail, count, total - count + 1)
    high = 1.0 if count == total else 1.0 - _beta_quantile(tail, total - count, count + 1)
    return Interval(count / total, low, high)


def katz(count: int, total: int, other: int, other_total: int, z: float = 1.959964) -> Ratio:
    """The ratio of the shares `count` / `total` and `other` / `other_total` with Katz's interval (Katz et al. 1978).

    The logarithm is treated as normal, and trials as independent. ValueError if one of the shares is 0.
    """
    _check(count, total)
    _check(other, other_total)
    if min(count, other) == 0:
        raise ValueError("a share of 0 has no ratio to another")
    value = (count / total) / (other / other_total)
    reach = z * math.sqrt(1 / count - 1 / total + 1 / other - 1 / other_total)
    return Ratio(value, value * math.exp(-reach), value * math.exp(reach))


def rule_of_3(total: int) -> float:
    """The smallest rate that `total` independent trials support: with no error in N, 3 / N is possible at 95 %.

    ISO/IEC 19795-1; Jovanovic and Levy 1997.
    """
    if total < 1:
        raise ValueError("a claim needs at least one comparison")
    return min(1.0, 3.0 / total)


def rule_of_30(errors: int) -> bool:
    """Whether the errors suffice for a true rate within 30 % of the observed one, at 90 %.

    Doddington et al. 2000: at least 30 errors, for independent trials.
    """
    return errors >= 30


def quantile_of_normal(confidence: float) -> float:
    """z such that a standard normal lies within -z .. z with probability `confidence` (0..1, both excluded)."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _check(count: int, total: int) -> None:
    if not 0 <= count <= total or total < 1:
        raise ValueError(f"{count} of {total} is not a share")


def _beta_quantile(probability: float, a: float, b: float) -> float:
    """x where a Beta(a, b) variable lies below with `probability`, by bisection on the logarithm of x."""
    low, high = math.log(1e-300), 0.0
    while high - low > 1e-13:
        middle = (low + high) / 2
        if _incomplete_beta(math.exp(middle), a, b) < probability:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by the continued fraction of DLMF 8.17.22."""
    if not 0.0 < x < 1.0:
        return float(x >= 1.0)
    # The fraction converges fast on this side; the symmetry I_x(a, b) = 1 - I_(1-x)(b, a) covers the other.
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _incomplete_beta(1.0 - x, b, a)
    log_front = (
        math.lgamma(a + b)
        - math.lgamma(a)
        - math.lgamma(b)
        + a * math.log(x)
        + b * math.log1p(-x)
        - math.log(a)
    )
    # Lentz's method, as modified by Thompson and Barnett 1986.
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1)
    d = 1.0 / (d or tiny)
    fraction = d
    m = 1
    while True:
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / ((1.0 + step * d) or tiny)
            c = (1.0 + step / c) or tiny
            change = c * d
            fraction *= change
        if abs(change - 1.0) < 1e-15:
            return min(1.0, math.exp(log_front) * fraction)
        m += 1
