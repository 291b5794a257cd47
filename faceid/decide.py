"""Candidates + Policy -> Decision. Pure functions: nothing here reads a file, a clock or a network.

Vocabulary (ISO/IEC 19795-1): FMR is the share of non-mated comparisons that a threshold accepts; FPIR is the
share of searches by people who are not enrolled that return somebody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

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
    """A threshold in force and where it comes from.

    `kind` and `target` say what was asked for: `fmr` or `fpir` with a rate, or `threshold` as given by hand.
    `held` is false where the calibration does not reach down to the FMR that the target needs in a gallery of
    this size: then `threshold` is the strictest that was measured and `expected_fpir` says what it gives.
    """

    threshold: float
    kind: Literal["fmr", "fpir", "threshold"]
    target: float
    calibration: Calibration | None
    held: bool = True
    expected_fpir: float | None = None

    @property
    def ambiguity_margin(self) -> float:
        """Two identities whose distances differ by less are not told apart; 0 without calibration."""
        return self.calibration.ambiguity_margin if self.calibration else 0.0

    def fmr(self, distance: float) -> float | None:
        """The chance that one stranger comes as close as `distance`; None without calibration."""
        return fmr_at_distance(self.calibration, distance) if self.calibration else None


def distance_from_similarity(similarity: float, metric: Metric) -> float:
    """The model's distance (0..2) between unit vectors whose cosine is `similarity` (-1..1)."""
    # Rounding can push the cosine of a vector with itself past 1.
    gap = max(0.0, 1.0 - similarity)
    return gap if metric == "cosine" else math.sqrt(2.0 * gap)


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


def policy_for(target: Target, calibration: Calibration | None, *, identities: int = 1) -> Policy:
    """The policy that meets `target` in a gallery of `identities`.

    FPIR is spread evenly: FMR = FPIR / identities, the union bound, exact for small rates and independent
    comparisons. Without a target, `identities` > 1 or not, the caller passes the default of its command.

    Raises UsageError where a rate is asked of a model without calibration, or one that was asked for by name
    is below what the calibration reaches.
    """
    if target.threshold is not None:
        expected = None
        if calibration is not None:
            expected = min(1.0, fmr_at_distance(calibration, target.threshold) * identities)
        return Policy(target.threshold, "threshold", target.threshold, calibration, expected_fpir=expected)
    if calibration is None:
        raise UsageError(
            "this model has no calibration, so no rate of error can be turned into a threshold",
            code="not_calibrated",
            hint="set the distance yourself with --threshold",
        )
    if target.fpir is not None:
        wanted = target.fpir / max(1, identities)
        lowest = calibration.points[0]
        if wanted < lowest.fmr:
            return Policy(
                lowest.distance,
                "fpir",
                target.fpir,
                calibration,
                held=False,
                expected_fpir=min(1.0, lowest.fmr * identities),
            )
        return Policy(
            threshold_at_fmr(calibration, wanted), "fpir", target.fpir, calibration, expected_fpir=target.fpir
        )
    fmr = VERIFY_FMR if target.fmr is None else target.fmr
    return Policy(
        threshold_at_fmr(calibration, fmr),
        "fmr",
        fmr,
        calibration,
        expected_fpir=min(1.0, fmr * max(1, identities)),
    )


def decide_identity(candidates: Sequence[Candidate], policy: Policy) -> Decision:
    """One-to-many: who is it? `candidates` are nearest first, one an identity.

    `match` where the nearest is within the threshold; `ambiguous` where the runner-up is within it as well and
    farther by less than the policy's ambiguity margin; else `unknown`.
    """
    if not candidates:
        return Decision("unknown", None, None, None, policy.threshold, None)
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
    )
