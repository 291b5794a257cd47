"""Finds the threshold that meets a goal (FMR, FPIR, FNMR or cost), with both error rates.

If the data are too few to count a rate (the rule of 3), the threshold is the strict end of a fit to the tail of the
non-mated distances, or the rate is refused with the numbers that explain why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faceid.errors import InputError, UsageError
from faceid.evaluation.findings import GalleryPoint, OperatingRow
from faceid.evaluation.statistics.bootstrap import places_of
from faceid.evaluation.statistics.comparisons import Comparisons
from faceid.evaluation.statistics.intervals import Interval, rule_of_3, wilson
from faceid.evaluation.statistics.metrics import threshold_at_count
from faceid.evaluation.statistics.tail import MAX_EXCEEDANCES, Resampled, TailRefused, fit_tail

Floats = NDArray[np.float64]

DEFAULT_FMR = 1e-4

# Replicates in the interval of a threshold: its ends do not need three digits.
_REPLICATES = 200


@dataclass(frozen=True, slots=True)
class Goal:
    """The goal of a threshold: exactly one of the first four fields, FMR 1e-4 if none is given.

    `fpir` holds in a gallery of `identities`. `cost` is that of a false match, relative to a false non-match, if a
    share `prior` of all attempts is non-mated. Raises UsageError for a value that is no rate or no cost.
    """

    fmr: float | None = None
    fpir: float | None = None
    max_fnmr: float | None = None
    cost: float | None = None
    identities: int | None = None
    prior: float | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("fmr", "fpir", "max_fnmr", "cost") if getattr(self, name) is not None]
        if len(given) > 1:
            first, second = (name.replace("_", "-") for name in given[:2])
            raise UsageError(
                f"{first} and {second} exclude each other", remedy="one_target", first=first, second=second
            )
        for name in ("fmr", "fpir", "max_fnmr", "prior"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < 1.0:
                option = name.replace("_", "-")
                raise UsageError(
                    f"{option} {value:g} is not a rate",
                    remedy="not_a_rate",
                    option=option,
                    value=value,
                )
        if self.cost is not None and not (math.isfinite(self.cost) and self.cost > 0.0):
            raise UsageError(f"{self.cost:g} is not a cost", remedy="not_a_cost", value=self.cost)
        if self.identities is not None and self.fpir is None:
            raise UsageError("the number of identities goes with an FPIR", remedy="size_without_fpir")
        if self.prior is not None and self.cost is None:
            raise UsageError("a prior goes with a cost", remedy="prior_without_cost")
        if self.identities is not None and self.identities < 1:
            raise UsageError(
                f"{self.identities} identities are no gallery", remedy="not_a_size", value=self.identities
            )

    @property
    def promised_fmr(self) -> float | None:
        """The FMR that the goal names or implies by default; None for a goal of another kind."""
        others = (self.fpir, self.max_fnmr, self.cost)
        return self.fmr if any(value is not None for value in others) else self.fmr or DEFAULT_FMR


def meet(goal: Goal, data: Comparisons, rng: np.random.Generator, *, identities: int) -> OperatingRow:
    """The threshold that meets `goal` on `data`; `identities` is the size of the gallery unless the goal names one.

    InputError (`unclaimable`) if the data are too few for it.
    """
    if goal.max_fnmr is not None:
        return row(f"FNMR {goal.max_fnmr:g}", _at_fnmr(data, goal.max_fnmr), data)
    if goal.cost is not None:
        prior = 0.5 if goal.prior is None else goal.prior
        asked = f"cost {goal.cost:g}, {prior:.0%} non-mated"
        return row(asked, _at_least_cost(data, goal.cost, prior), data)
    if goal.fpir is not None:
        size = goal.identities or identities
        # As faceid.decision.decide does: the union bound, exact for small rates and independent comparisons.
        return at_fmr(data, goal.fpir / size, rng, asked=f"FPIR {goal.fpir:g} among {size:,}")
    return at_fmr(data, goal.promised_fmr or DEFAULT_FMR, rng)


def at_fmr(
    data: Comparisons, fmr: float, rng: np.random.Generator, *, asked: str | None = None
) -> OperatingRow:
    """The threshold whose false match rate is at most `fmr`: counted, or, under the rule of 3, fitted.

    The fit is read at the strict end of its interval. InputError (`unclaimable`) if there is no fit either.
    """
    asked = asked or f"FMR {fmr:g}"
    total, held = data.non_mated.total, data.non_mated.distance
    if fmr >= rule_of_3(total):
        # A rate such as 3/10 must count 3, whatever its binary form.
        allowed = min(math.floor(fmr * total * (1 + 1e-12)), total)
        if data.non_mated.complete or allowed < held.size:
            low, high = _around(data, fmr)
            return row(asked, threshold_at_count(held, allowed), data, low=low, high=high)
        counts = np.concatenate([[0], np.cumsum(data.non_mated.histogram)])
        edge = int(np.searchsorted(counts, allowed, side="right")) - 1
        return row(asked, float(data.non_mated.edges[edge]), data)
    try:
        fit = fit_tail(held[: min(held.size, 4 * MAX_EXCEEDANCES)], total, rng, resampled=_over_people(data))
        strict = fit.threshold_at(fmr)
    except TailRefused as refused:
        raise InputError(
            f"with {total:,} non-mated comparisons nothing below FMR {rule_of_3(total):.2g} can be claimed,"
            f" and a fit to their tail does not reach FMR {fmr:.2g}: {refused}",
            code="unclaimable",
            remedy="more_people",
        ) from refused
    found = row(asked, strict.low, data, low=strict.low, high=strict.high, extrapolated=True)
    at_threshold = fit.fmr_at(strict.low)
    return OperatingRow(
        asked=found.asked,
        threshold=found.threshold,
        threshold_low=found.threshold_low,
        threshold_high=found.threshold_high,
        fmr=at_threshold,
        fnmr=found.fnmr,
        far=at_threshold.rate * total / (total + data.non_mated_lost),
        frr=found.frr,
        extrapolated=True,
    )


def row(
    asked: str,
    threshold: float,
    data: Comparisons,
    *,
    low: float | None = None,
    high: float | None = None,
    extrapolated: bool = False,
) -> OperatingRow:
    """The expected cost of `threshold` on `data`."""
    return OperatingRow(
        asked=asked,
        threshold=threshold,
        threshold_low=None if low is None else min(low, threshold),
        threshold_high=None if high is None else max(high, threshold),
        fmr=data.fmr(threshold),
        fnmr=data.fnmr(threshold),
        far=data.far(threshold),
        frr=data.frr(threshold),
        extrapolated=extrapolated,
    )


def predicted(fmr: Interval, threshold: float, identities: int) -> GalleryPoint:
    """FPIR in a gallery of `identities` with one template each, if all comparisons are independent: 1 - (1 - FMR)^N."""

    def chance(rate: float) -> float:
        return -math.expm1(identities * math.log1p(-rate)) if rate < 1.0 else 1.0

    interval = Interval(chance(fmr.rate), chance(fmr.low), chance(fmr.high))
    return GalleryPoint(identities, threshold, interval, None, observed=False)


def _at_fnmr(data: Comparisons, rate: float) -> float:
    """The smallest threshold whose FNMR is at most `rate`."""
    total, held = data.mated.total, data.mated.distance
    if rate < (least := rule_of_3(total)):
        raise InputError(
            f"with {total:,} mated comparisons nothing below FNMR {least:.2g} can be claimed",
            code="unclaimable",
            remedy="more_photos",
        )
    missed = math.floor(rate * total * (1 + 1e-12))
    if not data.mated.complete and missed >= held.size:
        counts = np.concatenate([[0], np.cumsum(data.mated.histogram)])
        return float(data.mated.edges[int(np.searchsorted(counts, total - missed))])
    return float(held[held.size - 1 - missed])


def _at_least_cost(data: Comparisons, cost: float, prior: float) -> float:
    """The strictest threshold of least expected cost: cost * prior * FMR + (1 - prior) * FNMR.

    The detection cost function of NIST's evaluations (Martin et al. 1997).
    """
    curve = data.curve
    expected = cost * prior * curve.fmr + (1.0 - prior) * curve.fnmr
    best = float(curve.thresholds[int(np.argmin(expected))])
    if math.isinf(best):
        raise InputError(
            f"at cost {cost:g} the best is to accept no match: no threshold is worth its false matches",
            code="unclaimable",
            remedy="lower_cost",
        )
    return best


def _around(data: Comparisons, fmr: float) -> tuple[float, float]:
    """A 95 % interval of the threshold at `fmr`: by people if they are known, else by the interval of the count."""
    side = data.non_mated
    last = side.distance.size - 1
    if (
        data.people is not None
        and side.first is not None
        and side.second is not None
        and side.totals is not None
    ):
        people = type(data.people)(data.people.draws[:_REPLICATES])
        places = places_of(people, side.first, side.second, fmr * side.totals[:_REPLICATES])
        thresholds = side.distance[np.minimum(places, last)]
        low, high = np.quantile(np.nextafter(thresholds, -np.inf), [0.025, 0.975])
        return float(low), float(high)
    interval = wilson(math.floor(fmr * side.total), side.total)
    ends = [min(math.floor(rate * side.total), last) for rate in (interval.low, interval.high)]
    return float(np.nextafter(side.distance[ends[0]], -np.inf)), float(side.distance[ends[1]])


def _over_people(data: Comparisons) -> Resampled | None:
    side = data.non_mated
    if data.people is None or side.first is None or side.second is None or side.totals is None:
        return None
    near = slice(0, MAX_EXCEEDANCES)
    people = type(data.people)(data.people.draws[:_REPLICATES])
    return Resampled(people.pair_weights(side.first[near], side.second[near]), side.totals[:_REPLICATES])
