"""Runs evaluations by protocol: verification, identification, one-shot, cohorts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from faceid.decision.decide import Target
from faceid.errors import UsageError
from faceid.evaluation.data.material import Material
from faceid.evaluation.data.photos import Collection
from faceid.evaluation.findings import Findings, GalleryPoint, OpenSet, OperatingRow, SearchCurve
from faceid.evaluation.protocols import trials
from faceid.evaluation.protocols.alike import by_attributes
from faceid.evaluation.protocols.cohorts import by_group, read_attributes, with_crossing
from faceid.evaluation.protocols.evaluation import blank, describe
from faceid.evaluation.protocols.goals import DEFAULT_FMR, at_fmr, predicted, row
from faceid.evaluation.protocols.identification import Searches, fnir, fpir, rank_k
from faceid.evaluation.statistics import metrics
from faceid.evaluation.statistics.curves import Curve
from faceid.evaluation.statistics.intervals import Interval, wilson

SIZES = (10, 100, 500, 1_000, 1_500, 5_000, 10_000, 50_000, 100_000)

_CURVE_POINTS = 200


def verification(
    material: Material, folds: int | None, rng: np.random.Generator, *, command: str
) -> Findings:
    """LFW's k-fold protocol, with the rates at the threshold that is best on all pairs.

    The accuracy counts every listed pair, FRR and FAR as in ISO/IEC 19795-1: a mated pair without a template is a false
    reject, a non-mated one no false accept. `folds` divides the pairs at random if the file has no folds (None: 10).
    Raises UsageError for data without a list of pairs.
    """
    if material.distance is None or material.mated is None:
        raise UsageError(
            f"{material.data.source} lists no pairs",
            remedy="needs_pairs",
        )
    listed = material.listed
    own = None if listed is None else listed.folds
    lost_mated = np.empty(0, np.bool_) if listed is None else listed.lost_mated
    if own is not None and folds is not None:
        raise UsageError(f"{material.data.source} has its own folds", remedy="has_own_folds")
    if listed is not None and listed.folds is not None and listed.lost_folds is not None:
        dealt, lost = listed.folds, listed.lost_folds
    else:
        every = trials.k_folds(np.concatenate([material.mated, lost_mated]), folds or 10, rng)
        dealt, lost = every[: material.mated.size], every[material.mated.size :]
    same, other = material.comparisons.mated.sample, material.comparisons.non_mated.sample
    best = row("best accuracy", metrics.best_threshold(same, other), material.comparisons)
    found = describe(
        blank(material, "Verification", command),
        material,
        best,
        rng,
        identities=max(1, material.data.identities),
    )
    return replace(found, folds=trials.verification(material.distance, material.mated, dealt, lost))


def identification(
    material: Material,
    target: Target,
    rng: np.random.Generator,
    *,
    photos: int,
    strangers: float,
    draws: int,
    command: str,
) -> Findings:
    """Open-set identification: people are enrolled with `photos` photos, a share `strangers` stays non-mated.

    The threshold is that of `target` for the gallery's size. The findings compare predicted and observed FPIR, there
    and in smaller galleries. The experiment is repeated `draws` times and averaged.
    """
    collection = _templates(material, "identification")
    owners = trials.numbered(collection.names)

    def searches(identities: int | None) -> tuple[list[Searches], int]:
        drawn = [
            trials.open_set(
                collection.vectors,
                owners,
                material.metric,
                rng,
                photos=photos,
                strangers=strangers,
                identities=identities,
            )
            for _ in range(draws)
        ]
        return [one for one, _ in drawn], round(sum(size for _, size in drawn) / draws)

    whole, enrolled = searches(None)
    at_work = at_target(material, target, rng, enrolled)
    room = int(np.count_nonzero(np.bincount(owners) >= photos) * (1 - strangers))
    by_size = []
    for size in sorted({size for size in SIZES if size < min(enrolled, room)}):
        part, _ = searches(size)
        by_size += _both(material, at_target(material, target, rng, size), part, size)
    by_size += _both(material, at_work, whole, enrolled)
    found = describe(blank(material, "Identification", command), material, at_work, rng, identities=enrolled)
    by_threshold = [point for at in (*found.rows, at_work) for point in _both(material, at, whole, enrolled)]
    final = by_size[-1]
    mated = sum(one.mated for one in whole)
    rank_1 = sum(rank_k(one, 1) * one.mated for one in whole if one.mated) / mated if mated else 0.0
    return replace(
        found,
        by_size=tuple(by_size),
        by_threshold=tuple(by_threshold),
        open_set=OpenSet(
            identities=enrolled,
            photos=photos,
            draws=draws,
            mated=mated,
            non_mated=sum(one.non_mated for one in whole),
            rank_1=rank_1,
            fpir=final.fpir,
            fnir=final.fnir,
            curve=_curve(whole),
        ),
    )


def one_shot(
    material: Material, rng: np.random.Generator, *, ways: int, episodes: int, command: str
) -> Findings:
    """N-way one-shot recognition."""
    collection = _templates(material, "one-shot")
    owners = trials.numbered(collection.names)
    result = trials.one_shot(collection.vectors, owners, rng, ways=ways, episodes=episodes)
    return replace(blank(material, "One-shot recognition", command), one_shot=result)


def cohorts(
    material: Material,
    attributes: Path,
    target: Target,
    rng: np.random.Generator,
    *,
    command: str,
    across: bool = False,
) -> Findings:
    """Error rates by group at one threshold: FMR and FNMR within groups, and worst to best.

    Groups are those of each attribute, and of all attributes crossed. With `across`, FMR across groups too.
    """
    collection = _templates(material, "cohorts")
    assert material.pairs is not None
    assert material.comparisons.people is not None
    table = read_attributes(attributes)
    names = sorted(set(collection.names))
    proposed = at_target(material, target, rng, 1)
    rows, differentials, caveats = by_group(
        material.pairs,
        material.comparisons.people,
        names,
        with_crossing(table),
        proposed.threshold,
        across=across,
    )
    found = describe(blank(material, "Cohorts", command), material, proposed, rng, identities=len(names))
    return replace(
        found,
        cohorts=rows,
        differentials=differentials,
        alike=by_attributes(material, table, proposed.threshold),
        caveats=(*found.caveats, *caveats),
    )


def at_target(material: Material, target: Target, rng: np.random.Generator, identities: int) -> OperatingRow:
    """The threshold of `target` (a distance, an FMR, or an FPIR) on these data in a gallery of `identities`."""
    if target.threshold is not None:
        return row(f"threshold {target.threshold:g}", target.threshold, material.comparisons)
    if target.fpir is not None:
        return at_fmr(
            material.comparisons,
            target.fpir / identities,
            rng,
            asked=f"FPIR {target.fpir:g} among {identities:,}",
        )
    return at_fmr(material.comparisons, DEFAULT_FMR if target.fmr is None else target.fmr, rng)


def _both(material: Material, at_work: OperatingRow, drawn: list[Searches], size: int) -> list[GalleryPoint]:
    """The predicted and the observed rates of searches."""
    threshold = at_work.threshold
    return [
        predicted(at_work.fmr, threshold, size),
        GalleryPoint(
            size,
            threshold,
            _averaged([(fpir(one, threshold), one.non_mated) for one in drawn]),
            _averaged([(fnir(one, threshold), one.mated) for one in drawn if one.mated]),
            observed=True,
        ),
    ]


def _curve(drawn: list[Searches]) -> SearchCurve:
    """FPIR and FNIR of all draws together at every distance, thinned, without the point at which nothing matches."""
    nearest = np.sort(np.concatenate([one.nearest for one in drawn]))
    right = np.sort(np.concatenate([one.distance for one in drawn]))
    thresholds = np.unique(np.concatenate([nearest, right]))
    steps = Curve(
        thresholds=np.concatenate([[-np.inf], thresholds]),
        false_matches=np.concatenate([[0], np.searchsorted(nearest, thresholds, side="right")]),
        false_non_matches=np.concatenate(
            [[right.size], right.size - np.searchsorted(right, thresholds, side="right")]
        ),
        mated=right.size,
        non_mated=nearest.size,
    ).thinned(_CURVE_POINTS)
    return SearchCurve(
        threshold=tuple(steps.thresholds[1:].tolist()),
        fpir=tuple(steps.fmr[1:].tolist()),
        fnir=tuple(steps.fnmr[1:].tolist()),
    )


def _averaged(rates: list[tuple[float, int]]) -> Interval:
    """The mean rate of all draws, with the interval of one draw: drawing the same people again adds no people."""
    total = sum(searches for _, searches in rates)
    rate = sum(rate * searches for rate, searches in rates) / total
    once = max(1, round(total / len(rates)))
    plain = wilson(round(rate * once), once)
    return Interval(rate, min(plain.low, rate), max(plain.high, rate))


def _templates(material: Material, protocol: str) -> Collection:
    if material.collection is None:
        raise UsageError(
            f"{material.data.source} has no templates of people",
            remedy="needs_people",
            protocol=protocol,
        )
    return material.collection
