"""Turns comparisons into findings: the rates, curves and predictions of a report."""

from __future__ import annotations

import platform
from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from faceid.distribution import VERSION
from faceid.evaluation.data.material import Material
from faceid.evaluation.findings import (
    DetCurve,
    Findings,
    GalleryPoint,
    Histogram,
    NotablePair,
    OperatingRow,
)
from faceid.evaluation.protocols.goals import Goal, at_fmr, meet, predicted
from faceid.evaluation.protocols.identification import Searches
from faceid.evaluation.protocols.trials import leave_one_out, numbered
from faceid.evaluation.statistics import metrics
from faceid.evaluation.statistics.bootstrap import Resample, share_interval
from faceid.evaluation.statistics.caveats import about_labels, too_few
from faceid.evaluation.statistics.comparisons import Comparisons
from faceid.evaluation.statistics.evidence import fit_evidence
from faceid.evaluation.statistics.intervals import rule_of_3, wilson

LADDER = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""False match rates that a report lists, as far as the data carry them."""

SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)

_NOTABLE = 10
_DET_POINTS = 200
_BINS = 100
_BAND_REPLICATES = 200


def calibrate(
    material: Material, goal: Goal, rng: np.random.Generator, *, command: str, identities: int
) -> Findings:
    """The threshold that meets `goal`, with its error rates. InputError if the data are too few for it.

    `identities` is the size of the gallery that searches are predicted for.
    """
    found = blank(material, "Calibration", command)
    proposed = meet(goal, material.comparisons, rng, identities=identities)
    return describe(found, material, proposed, rng, identities=goal.identities or identities)


def blank(material: Material, title: str, command: str) -> Findings:
    """Findings with the description of the data, and no results yet."""
    return Findings(
        title=f"{title} of {material.model or 'an unnamed model'} on {material.data.source}",
        created_at=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=command,
        versions={
            "faceid": VERSION,
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        model=str(material.key or material.model or "unknown"),
        metric=material.metric,
        data=material.data,
        caveats=material.caveats,
    )


def describe(
    found: Findings,
    material: Material,
    proposed: OperatingRow,
    rng: np.random.Generator,
    *,
    identities: int,
) -> Findings:
    """`found` with the results of the comparisons, at `proposed` and other thresholds."""
    data = material.comparisons
    same, other = data.mated.sample, data.non_mated.sample
    smallest = rule_of_3(data.non_mated.total)
    rows = tuple(
        row for fmr in LADDER if fmr >= smallest if (row := at_fmr(data, fmr, rng)).asked != proposed.asked
    )
    curve = data.curve
    place = int(np.argmin(np.abs(curve.fnmr - curve.fmr)))
    closer = other.mean() - same.mean() > 1e-6 * max(abs(same).max(), abs(other).max())
    evidence = fit_evidence(same, other, "logistic") if closer else None
    varies = min(same.size, other.size) > 1 and same.var() + other.var() > 0
    false_matches = int(data.non_mated.at_most(proposed.threshold))
    false_non_matches = data.mated.total - int(data.mated.at_most(proposed.threshold))
    sizes = {*SIZES, max(identities, SIZES[0])}
    by_threshold = [predicted(row.fmr, row.threshold, identities) for row in (*rows, proposed)]
    observed = []
    if (found_at := searched(material)) is not None:
        searches, owners, enrolled = found_at
        observed = [
            observe(searches, owners, data.people, row.threshold, enrolled) for row in (*rows, proposed)
        ]
        sizes.add(enrolled)
    by_size = [predicted(proposed.fmr, proposed.threshold, size) for size in sorted(sizes)]
    return replace(
        found,
        caveats=(
            *found.caveats,
            *about_labels(same, other),
            *too_few(
                false_matches,
                false_non_matches,
                data.non_mated.total,
                proposed.fmr.rate if proposed.extrapolated else None,
            ),
        ),
        proposed=proposed,
        rows=rows,
        det=det_curve(data),
        histogram=histogram(data),
        eer=float(curve.fnmr[place] + curve.fmr[place]) / 2,
        auc=metrics.auc(same, other),
        d_prime=metrics.d_prime(same, other) if varies else None,
        cllr=None if evidence is None else evidence.cllr_after,
        min_cllr=None if evidence is None else evidence.min_cllr,
        by_size=(*by_size, *observed[-1:]),
        by_threshold=(*by_threshold, *observed),
        nearest=notable(material, mated=False),
        farthest=notable(material, mated=True),
    )


def det_curve(data: Comparisons) -> DetCurve:
    """The curve, thinned, without its first point (nothing matches), and the band of FNMR over people."""
    curve = data.curve.thinned(_DET_POINTS)
    thresholds = curve.thresholds[1:]
    low, high = _band(data, thresholds)
    return DetCurve(
        threshold=tuple(thresholds.tolist()),
        fmr=tuple(curve.fmr[1:].tolist()),
        fnmr=tuple(curve.fnmr[1:].tolist()),
        fnmr_low=tuple(low.tolist()),
        fnmr_high=tuple(high.tolist()),
    )


def histogram(data: Comparisons) -> Histogram:
    """Counts of both kinds in equal bins from the smallest to the largest distance; an edge belongs below it."""
    samples = data.mated.sample, data.non_mated.sample
    lowest, highest = min(part[0] for part in samples), max(part[-1] for part in samples)
    edges = np.linspace(lowest, max(highest, lowest + 1e-6), _BINS + 1)
    counts = []
    for side in (data.mated, data.non_mated):
        within = side.at_most(edges)
        within[0], within[-1] = 0, side.total
        counts.append(tuple(np.diff(within).tolist()))
    return Histogram(tuple(edges.tolist()), counts[0], counts[1])


def searched(material: Material) -> tuple[Searches, tuple[NDArray[np.int64], NDArray[np.int64]], int] | None:
    """Every template searched among all others, with the owners of mated and of non-mated probes.

    None if there are no templates. The last is how many people a non-mated search goes through.
    """
    if material.collection is None:
        return None
    owners = numbered(material.collection.names)
    several = np.bincount(owners)[owners] > 1
    searches = leave_one_out(material.collection.vectors, owners, material.metric)
    return searches, (owners[several], owners), int(owners.max())


def observe(
    searches: Searches,
    owners: tuple[NDArray[np.int64], NDArray[np.int64]],
    people: Resample | None,
    threshold: float,
    enrolled: int,
) -> GalleryPoint:
    """FPIR and FNIR of searches at `threshold`, intervals by resampling the people searched for."""
    rates = []
    for errors, whose in (
        (searches.nearest <= threshold, owners[1]),
        (searches.distance > threshold, owners[0]),
    ):
        count, total = int(np.count_nonzero(errors)), errors.size
        if total == 0 or people is None:
            rates.append(wilson(count, total) if total else None)
            continue
        size = people.draws.shape[1]
        per_person = [
            np.asarray(people.draws @ np.bincount(part, minlength=size), dtype=np.float64)
            for part in (whose[errors], whose)
        ]
        rates.append(share_interval(count, total, per_person[0], per_person[1]))
    fpir, fnir = rates
    assert fpir is not None
    return GalleryPoint(enrolled, threshold, fpir, fnir, observed=True)


def notable(material: Material, *, mated: bool) -> tuple[NotablePair, ...]:
    """The nearest pairs of different people, or the farthest of one: these show wrong labels."""
    if material.collection is not None and material.pairs is not None:
        part = material.pairs.farthest if mated else material.pairs.nearest
        chosen = slice(None, -_NOTABLE - 1, -1) if mated else slice(0, _NOTABLE)
        names, paths = material.collection.names, material.collection.paths
        return tuple(
            NotablePair(
                (names[first], names[second]), (paths[first], paths[second]), float(distance), (None, None)
            )
            for distance, first, second in zip(
                part.distance[chosen], part.first[chosen], part.second[chosen], strict=True
            )
        )
    if material.listed is None or material.distance is None:
        return ()
    index = np.flatnonzero(material.listed.mated == mated)
    order = index[np.argsort(material.distance[index], kind="stable")]
    order = order[: -_NOTABLE - 1 : -1] if mated else order[:_NOTABLE]
    return tuple(
        NotablePair(
            (f"person {material.listed.first[at]}", f"person {material.listed.second[at]}"),
            material.listed.paths[at],
            float(material.distance[at]),
            (None, None),
        )
        for at in order
    )


def _band(
    data: Comparisons, thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % band of FNMR at each threshold: over people, and nowhere narrower than Wilson's."""
    side = data.mated
    missed = side.total - side.at_most(thresholds)
    plain = [wilson(int(count), side.total) for count in missed]
    low = np.array([interval.low for interval in plain])
    high = np.array([interval.high for interval in plain])
    if data.people is None or side.first is None or side.second is None or side.totals is None:
        return low, high
    place = np.searchsorted(side.distance, thresholds, side="right")
    drawn = []
    for draw, total in zip(data.people.draws[:_BAND_REPLICATES], side.totals[:_BAND_REPLICATES], strict=True):
        if total > 0:
            weights = Resample(draw[None, :]).pair_weights(side.first, side.second)[0]
            closer = np.concatenate([[0.0], np.cumsum(weights)])
            drawn.append((closer[-1] - closer[place]) / total)
    if not drawn:
        return low, high
    ends = np.quantile(np.array(drawn), [0.025, 0.975], axis=0)
    held = side.complete | (thresholds >= side.reach)
    return np.where(held, np.minimum(low, ends[0]), low), np.where(held, np.maximum(high, ends[1]), high)
