"""Candidates + Policy -> Decision. Pure functions: nothing here reads a file, a clock or a network.

Vocabulary (ISO/IEC 19795-1): FMR is the share of non-mated comparisons that a threshold accepts; FPIR is the
share of searches by people who are not enrolled that return somebody; FNMR is the share of mated comparisons that
a threshold misses.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeAlias

from faceid.errors import UsageError
from faceid.types import Candidate, ClaimDecision, Decision, Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.registry import Calibration

VERIFY_FMR = 1e-4
"""What `verify` and `compare` accept a stranger with, where nothing else is asked for."""

IDENTIFY_FPIR = 1e-2
"""What a search may return for a stranger, at any size of gallery, where nothing else is asked for."""


PolicySource: TypeAlias = Literal["asked", "gallery", "default"]
"""Who set a threshold: this call, the gallery's policy, or nobody."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the user asked a threshold to achieve: at most one of the three."""

    threshold: float | None = None
    fmr: float | None = None
    fpir: float | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("threshold", "fmr", "fpir") if getattr(self, name) is not None]
        if len(given) > 1:
            raise UsageError(
                f"--{given[0]} and --{given[1]} exclude each other",
                hint="each of them sets the threshold: give one",
            )
        for name in ("fmr", "fpir"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < 1.0:
                raise UsageError(f"--{name} {value:g} is not a rate", hint="give a number between 0 and 1")
        if self.threshold is not None and not (math.isfinite(self.threshold) and self.threshold >= 0.0):
            raise UsageError(f"--threshold {self.threshold:g} is not a distance", hint="give a number >= 0")


@dataclass(frozen=True, slots=True)
class Policy:
    """A threshold and where it comes from.

    `kind` and `target` say what was asked for: `fmr` or `fpir` with a rate, or `threshold` as given by hand.
    `identities` is the size of the gallery that is searched, None for a comparison with one claim. `held` is false
    where the calibration does not reach down to the FMR that the target needs in a gallery of this size: then
    `threshold` is the strictest that was measured and `fpir` says what it gives.

    `source` is `asked` for a target of this call, `gallery` for the stored policy `policy_id`, else `default`.
    """

    threshold: float
    kind: Literal["fmr", "fpir", "threshold"]
    target: float
    calibration: Calibration | None
    identities: int | None = None
    held: bool = True
    source: PolicySource = "asked"
    policy_id: int | None = None

    @property
    def ambiguity_margin(self) -> float:
        """Two identities whose distances differ by less are not told apart; 0 without calibration."""
        return self.calibration.ambiguity_margin if self.calibration else 0.0

    @property
    def fpir(self) -> float | None:
        """How often a search by a stranger returns somebody; None without calibration or search."""
        rate = self.fmr(self.threshold)
        return None if rate is None or self.identities is None else fpir_of(rate, self.identities)

    @property
    def miss_rate(self) -> float | None:
        """How often a photo of somebody with one template is farther than the threshold; None where unknown."""
        return fnmr_at_distance(self.calibration, self.threshold) if self.calibration else None

    def fmr(self, distance: float) -> float | None:
        """The chance that one stranger comes as close as `distance`; None without calibration."""
        return fmr_at_distance(self.calibration, distance) if self.calibration else None

    def llr(self, distance: float) -> float | None:
        """What `distance` is worth as evidence: log10 of the likelihood ratio; None where it was not measured."""
        return log10_lr_at_distance(self.calibration, distance) if self.calibration else None


def distance_from_similarity(similarity: float, metric: Metric) -> float:
    """The model's distance (0..2) between unit vectors whose cosine is `similarity` (-1..1)."""
    # Rounding can push the cosine of a vector with itself past 1.
    gap = max(0.0, 1.0 - similarity)
    return gap if metric == "cosine" else math.sqrt(2.0 * gap)


def similarity_from_distance(distance: float, metric: Metric) -> float:
    """The cosine of unit vectors at this distance (0..2): the inverse of `distance_from_similarity`."""
    return 1.0 - distance if metric == "cosine" else 1.0 - distance * distance / 2.0


def identity_similarity(probe: NDArray[np.float32], templates: NDArray[np.float32]) -> float:
    """How much a probe (d,) is like an identity with templates (n, d), n >= 1, all of unit length; -1..1.

    With m the mean of the templates: (probe . m) / sqrt(|m|), the geometric mean of the average cosine to the
    templates and the cosine to their mean direction. With one template it is the plain cosine. Averaging removes
    what is peculiar to one photo and so brings strangers nearer as well: of the scores compared by
    scripts/compare_identity_scores.py this is the one at which a threshold calibrated on single templates keeps
    its FMR whatever the number of templates, and it misses fewer people than the nearest template.
    """
    import numpy as np

    mean = templates.mean(axis=0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    # |probe . m| <= |m|, so this tends to 0 where templates cancel out.
    return float(mean @ probe.astype(np.float64)) / math.sqrt(length) if length > 0.0 else 0.0


def threshold_at_fmr(calibration: Calibration, fmr: float) -> float:
    """The distance that one non-mated comparison in 1/`fmr` comes under.

    Linear in log10(FMR) between the measured points. Raises UsageError below the lowest of them: a threshold
    that no data supports is not given.
    """
    points = calibration.points
    lowest = points[0]
    if fmr < lowest.fmr * (1 - 1e-9):
        raise UsageError(
            f"FMR {fmr:g} is below what the calibration reaches, {lowest.fmr:g}"
            f" ({calibration.non_mated:,} non-mated comparisons)",
            code="beyond_calibration",
            hint="ask for a higher rate, or set the distance yourself with --threshold",
        )
    for left, right in pairwise(points):
        if fmr <= right.fmr:
            share = math.log(fmr / left.fmr) / math.log(right.fmr / left.fmr)
            return left.distance + share * (right.distance - left.distance)
    return points[-1].distance


def fmr_at_distance(calibration: Calibration, distance: float) -> float:
    """The chance that one stranger comes as close as `distance`: the inverse of `threshold_at_fmr`.

    Never below the lowest measured point: closer than that, the true rate is at most the one returned.
    """
    points = calibration.points
    if distance <= points[0].distance:
        return points[0].fmr
    for left, right in pairwise(points):
        if distance <= right.distance:
            share = (distance - left.distance) / (right.distance - left.distance)
            return float(left.fmr * (right.fmr / left.fmr) ** share)
    return points[-1].fmr


def fmr_interval_at_distance(calibration: Calibration, distance: float) -> tuple[float, float]:
    """The 95 % interval of `fmr_at_distance`: from the lower bound of the stricter measured point to the upper bound
    of the laxer one.
    """
    points = calibration.points
    place = bisect_left(points, distance, key=lambda point: point.distance)
    laxer = points[min(place, len(points) - 1)]
    stricter = laxer if laxer.distance == distance else points[max(place - 1, 0)]
    # Closer than the strictest point, and farther than the laxest, nothing bounds the rate from one side.
    low = stricter.low if distance >= points[0].distance else 0.0
    return low, laxer.high if distance <= points[-1].distance else 1.0


def fnmr_at_distance(calibration: Calibration, distance: float) -> float | None:
    """The share of mated comparisons farther than `distance`, linear between the measured points.

    None closer than the strictest of them, and where a point beside `distance` has no FNMR. Beyond the laxest it is
    at most the one returned.
    """
    points = calibration.points
    place = bisect_right(points, distance, key=lambda point: point.distance)
    if place == 0:
        return None
    left = points[place - 1]
    if place == len(points) or left.distance == distance:
        return left.fnmr
    right = points[place]
    if left.fnmr is None or right.fnmr is None:
        return None
    share = (distance - left.distance) / (right.distance - left.distance)
    return left.fnmr + share * (right.fnmr - left.fnmr)


def log10_lr_at_distance(calibration: Calibration, distance: float) -> float | None:
    """log10 of the likelihood ratio of `distance`: one person against two.

    Linear between the measured points, constant beyond them; None where there are none.
    """
    curve = calibration.evidence
    if not curve:
        return None
    place = bisect_left(curve, distance, key=lambda point: point.distance)
    if place == 0 or place == len(curve):
        return curve[min(place, len(curve) - 1)].log10_lr
    left, right = curve[place - 1], curve[place]
    share = (distance - left.distance) / (right.distance - left.distance)
    return left.log10_lr + share * (right.log10_lr - left.log10_lr)


def fpir_of(fmr: float, identities: int) -> float:
    """1 - (1 - FMR)^N: how often at least one of N independent comparisons with a stranger matches falsely.

    An empty gallery counts as one identity. Look-alikes in the gallery make the true rate smaller, since their false
    matches come together; it is never more than N FMR, whatever depends on what.
    """
    return 1.0 if fmr >= 1.0 else -math.expm1(max(1, identities) * math.log1p(-fmr))


def policy_for(target: Target, calibration: Calibration | None, *, identities: int | None = None) -> Policy:
    """The policy that meets `target` in a search of `identities`, or in one comparison where that is None.

    FPIR is shared out evenly: FMR = FPIR / identities, the union bound, which holds however comparisons depend on
    each other. Without a target it is FMR `VERIFY_FMR`.

    Raises UsageError where a rate is asked of a model without calibration, or one that was asked for by name
    is below what the calibration reaches.
    """
    if target.threshold is not None:
        return Policy(target.threshold, "threshold", target.threshold, calibration, identities)
    if calibration is None:
        raise UsageError(
            "this model has no calibration, so no rate of error can be turned into a threshold",
            code="not_calibrated",
            hint="set the distance yourself with --threshold",
        )
    if target.fpir is not None:
        wanted = target.fpir / max(1, identities or 1)
        strictest = calibration.points[0]
        held = wanted >= strictest.fmr
        threshold = threshold_at_fmr(calibration, wanted) if held else strictest.distance
        return Policy(threshold, "fpir", target.fpir, calibration, identities, held=held)
    fmr = VERIFY_FMR if target.fmr is None else target.fmr
    return Policy(threshold_at_fmr(calibration, fmr), "fmr", fmr, calibration, identities)


def decide_identity(candidates: Sequence[Candidate], policy: Policy) -> Decision:
    """One-to-many: who is it? `candidates` are nearest first, one an identity.

    `match` where the nearest is within the threshold; `ambiguous` where the runner-up is within it as well and
    farther by less than the policy's ambiguity margin; else `unknown`.
    """
    if not candidates:
        return Decision("unknown", None, None, None, policy.threshold, None, None)
    nearest = candidates[0]
    verdict: Literal["match", "unknown", "ambiguous"] = "unknown"
    if nearest.distance <= policy.threshold:
        verdict = "match"
        if len(candidates) > 1:
            second = candidates[1]
            close = second.distance - nearest.distance < policy.ambiguity_margin
            if second.distance <= policy.threshold and close:
                verdict = "ambiguous"
    return Decision(
        verdict,
        nearest.name if verdict == "match" else None,
        nearest.distance,
        nearest.similarity,
        policy.threshold,
        policy.fmr(nearest.distance),
        policy.llr(nearest.distance),
        tuple(candidates),
    )


def decide_claim(similarity: float, metric: Metric, policy: Policy) -> ClaimDecision:
    """One-to-one: is it who it is said to be? `similarity` is the cosine of probe and claim, -1..1."""
    distance = distance_from_similarity(similarity, metric)
    accepted = distance <= policy.threshold
    return ClaimDecision(
        "match" if accepted else "no_match",
        accepted,
        distance,
        similarity,
        policy.threshold,
        policy.fmr(distance),
        policy.llr(distance),
    )
