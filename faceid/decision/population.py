"""Whether the people of a gallery resemble each other more than those that a calibration was measured on.

All comparisons between different people of a gallery are non-mated comparisons of its own population. This module
compares their distances with the calibration's curve, and raises the curve where they show more false matches.

The model is the binormal one of detection theory: with z the normal quantile of the calibration's FMR at a distance,
the population's FMR there is Phi(shift + (1 + tilt) z). A population that is as the calibration says has shift and tilt
0. The two are fitted to the numbers of comparisons between neighbouring rates of the calibration (a multinomial
composite likelihood). A prior holds the tilt near 0, so few people give a curve that is parallel to the calibration's.
Comparisons that share a person are dependent, so the covariance is robust for pairs (Fafchamps and Gubert 2007;
Aronow, Samii and Assenova 2015). `scripts/studies/check_gallery_rates.py` measures what this finds and what it costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from faceid.decision.scores import similarity_from_distance
from faceid.decision.thresholds import fmr_at_distance, threshold_at_fmr
from faceid.types import Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.networks.calibration import Calibration, CalibrationPoint

    Floats = NDArray[np.float64]

LEAST_PEOPLE = 10
"""The least number of people whose comparisons say anything about their population."""

LEVELS = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2)
"""The rates of the calibration between which comparisons are counted."""

SET_ASIDE = 0.1
"""Comparisons nearer than the distance at which one person in ten has a false match are not counted.

Most comparisons of one person under two names are that near, so they cannot raise a rate.
"""

ENOUGH = 1000
"""The number of comparisons that the laxest level should hold by the calibration, where a level from 2 to 20 % can.

The rates of a search in a large gallery are small, so its laxest levels say less about them than the strict ones.
"""

SIGNIFICANT = NormalDist().inv_cdf(0.99)
"""Normal quantile of the one-sided test at each of three levels."""

# With fewer near comparisons than this, there is no curve to fit.
_FEW = 5
_TILT = 0.1
_ROWS = 512
_STEPS = 30
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Population:
    """What the comparisons between different people of a gallery say about a calibration.

    Of `comparisons` between `people`, the share `observed` lies within the distance at which the calibration's FMR is
    `stated`; the lower bound of `observed` over people is `low`. `set_aside` comparisons were too near to count: they
    may be of one person under two names. `shift` and `tilt` are those of the module's model. With `raises`, more people
    match falsely than the calibration says, beyond the interval over people.
    """

    people: int
    comparisons: int
    set_aside: int
    stated: float
    observed: float
    low: float
    shift: float
    tilt: float
    raises: bool

    def fmr(self, fmr: float) -> float:
        """The population's FMR where the calibration's is `fmr`, 0..1; never less than that."""
        if not self.raises or not 0.0 < fmr < 1.0:
            return fmr
        return max(fmr, _below(self.shift + (1.0 + self.tilt) * _NORMAL.inv_cdf(fmr)))


def population_of(
    identities: NDArray[np.float32], calibration: Calibration, metric: Metric
) -> Population | None:
    """Compare `calibration` with the people of a gallery.

    `identities` (n, d) has a row for each person: the mean of the person's templates, divided by the square root of its
    length, so that the product of two rows is their similarity as in `identity_similarity`.

    None for fewer than LEAST_PEOPLE, and for a calibration whose points do not reach the rates that n people show.
    """
    people = len(identities)
    levels = _levels(people, calibration)
    if levels is None:
        return None
    counts = _counts(identities, [threshold_at_fmr(calibration, level) for level in levels], metric)
    counted = counts[:, 1:]
    comparisons = people * (people - 1) // 2
    near = round(counts[:, :-1].sum() / 2)
    set_aside = round(counts[:, 0].sum() / 2)
    if near - set_aside < _FEW:
        return Population(
            people, comparisons, set_aside, levels[-1], near / comparisons, 0.0, 0.0, 0.0, False
        )
    z = np.array([_NORMAL.inv_cdf(level) for level in levels])
    fitted, covariance = _fit(counted, z)
    tested = [_at(fitted, covariance, z[place]) for place in (0, len(z) // 2, -1)]
    estimate, deviation = tested[-1]
    return Population(
        people=people,
        comparisons=comparisons,
        set_aside=set_aside,
        stated=levels[-1],
        observed=_below(float(z[-1]) + estimate),
        low=_below(float(z[-1]) + estimate - SIGNIFICANT * deviation),
        shift=float(fitted[0]),
        tilt=float(fitted[1]),
        raises=any(estimate > SIGNIFICANT * deviation for estimate, deviation in tested),
    )


def raised(calibration: Calibration, population: Population | None) -> Calibration:
    """`calibration` with the FMR of `population` at each distance; unchanged if that raises no rate.

    No rate falls and no distance changes, so a threshold for a rate is never laxer. The likelihood ratios fall as the
    rates rise. The curve among alike stays: the people of the gallery may be those alike, and the FMR among alike is
    never below that among all (`fmr_alike_at_distance`).
    """
    if population is None or not population.raises:
        return calibration
    points: list[CalibrationPoint] = []
    for point in calibration.points:
        fmr = population.fmr(point.fmr)
        # Rates rise strictly: points that saturate add nothing.
        if points and fmr <= points[-1].fmr:
            continue
        points.append(
            replace(
                point,
                fmr=fmr,
                low=min(fmr, population.fmr(point.low)),
                high=max(fmr, population.fmr(point.high)),
            )
        )
    least = math.inf
    evidence = []
    for ratio in calibration.evidence:
        stated = fmr_at_distance(calibration, ratio.distance)
        least = min(least, ratio.log10_lr - math.log10(population.fmr(stated) / stated))
        evidence.append(type(ratio)(ratio.distance, least))
    return replace(
        calibration,
        points=tuple(points),
        evidence=tuple(evidence),
        population=f"the people of this gallery, from {population.comparisons:,} comparisons between them",
    )


def _levels(people: int, calibration: Calibration) -> tuple[float, ...] | None:
    if people < LEAST_PEOPLE:
        return None
    strictest = max(SET_ASIDE / (people - 1), calibration.points[0].fmr)
    laxest = min(0.2, max(0.02, ENOUGH / (people * (people - 1) / 2)), calibration.points[-1].fmr)
    first = next(
        (place for place, level in enumerate(LEVELS) if level >= strictest * (1 - 1e-9)), len(LEVELS)
    )
    last = next(
        (place for place, level in enumerate(LEVELS) if level >= laxest * (1 - 1e-9)), len(LEVELS) - 1
    )
    levels = LEVELS[first : last + 1]
    return levels if len(levels) >= 3 and levels[-1] <= calibration.points[-1].fmr else None


def _counts(identities: NDArray[np.float32], distances: list[float], metric: Metric) -> Floats:
    """(n, levels + 1): how many others are within each person's ring; ring 0 is within the first distance."""
    people = len(identities)
    least = np.array([similarity_from_distance(distance, metric) for distance in distances], np.float32)
    counts = np.zeros((people, len(least) + 1))
    for start in range(0, people, _ROWS):
        similarities = identities[start : start + _ROWS] @ identities.T
        rows = np.arange(len(similarities))
        similarities[rows, start + rows] = -np.inf
        near = np.flatnonzero(similarities >= least[-1])
        ring = np.searchsorted(-least, -similarities.ravel()[near], side="left")
        places = (near // people) * (len(least) + 1) + ring
        found = np.bincount(places, minlength=len(rows) * (len(least) + 1))
        counts[start : start + len(rows)] = found.reshape(len(rows), -1)
    counts[:, -1] = people - 1 - counts[:, :-1].sum(axis=1)
    return counts


def _fit(counts: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Shift and tilt (2,), with their covariance (2, 2) over people, from each person's rings (n, k).

    `z` (k,) are the normal quantiles of the rings' inner borders.
    """
    totals = counts.sum(axis=0) / 2.0
    fitted = np.zeros(2)
    spread = 1.0
    # The prior is weighed against pairs that are dependent: first as if they were not, then by what that shows.
    for _ in range(2):
        prior = np.diag([0.0, spread / _TILT**2])
        for _ in range(_STEPS):
            shares, slopes = _rings(fitted, z)
            score = slopes @ totals - prior @ fitted
            information = (slopes * (totals.sum() * shares)) @ slopes.T
            step = np.clip(np.linalg.solve(information + prior, score), -0.5, 0.5)
            fitted = fitted + step
            fitted[1] = max(fitted[1], -0.6)
            if np.abs(step).max() < 1e-6:
                break
        centred = slopes - (slopes @ totals / totals.sum())[:, None]
        of_people = counts @ centred.T
        independent = (centred * totals) @ centred.T
        variance = _at_least(of_people.T @ of_people - independent, independent)
        spread = max(1.0, float(np.trace(np.linalg.solve(information, variance))) / 2.0)
    bread = np.linalg.inv(information + np.diag([0.0, spread / _TILT**2]))
    return fitted, bread @ variance @ bread


def _rings(fitted: Floats, z: Floats) -> tuple[Floats, Floats]:
    """The share (k,) of each ring by the model, and the derivatives (2, k) of its logarithm."""
    place = fitted[0] + (1.0 + fitted[1]) * z
    within = np.append([_below(float(one)) for one in place], 1.0)
    density = np.append(np.exp(-(place**2) / 2.0) / math.sqrt(2.0 * math.pi), 0.0)
    moved = np.stack([density, density * np.append(z, 0.0)])
    ring = np.maximum(np.diff(within), 1e-15)
    outside = max(1.0 - within[0], 1e-15)
    return ring / outside, np.diff(moved, axis=1) / ring + moved[:, :1] / outside


def _at_least(variance: Floats, least: Floats) -> Floats:
    """`variance` where it exceeds `least`, else `least`: that of comparisons which are independent."""
    values, vectors = np.linalg.eigh((variance + variance.T) / 2.0 - least)
    above: Floats = least + (vectors * np.maximum(values, 0.0)) @ vectors.T
    return above


def _at(fitted: Floats, covariance: Floats, z: float) -> tuple[float, float]:
    """How far the model lies above the calibration at `z`, in normal quantiles, and the standard error."""
    weights = np.array([1.0, z])
    return float(weights @ fitted), math.sqrt(max(0.0, float(weights @ covariance @ weights)))


def _below(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))
