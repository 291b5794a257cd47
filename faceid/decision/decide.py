"""Candidates + Policy -> Decision. Pure functions: nothing here reads a file, a clock or a network.

Terms of ISO/IEC 19795-1: FMR is the share of non-mated comparisons that a threshold accepts. FPIR is the share of
searches for people who are not enrolled that return an identity. FNMR is the share of mated comparisons that a
threshold rejects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from faceid.decision.scores import distance_from_similarity
from faceid.decision.thresholds import (
    fmr_alike_at_distance,
    fmr_at_distance,
    fnmr_at_distance,
    fpir_of,
    log10_lr_at_distance,
    threshold_at_fmr,
    threshold_at_fmr_alike,
)
from faceid.errors import UsageError
from faceid.types import Candidate, ClaimDecision, Decision, Metric

if TYPE_CHECKING:
    from faceid.networks.registry import Calibration

VERIFY_FMR = 1e-4
"""The FMR of `verify` and `compare` where neither the caller nor the gallery sets a target."""

IDENTIFY_FPIR = 1e-2
"""The FPIR of a search, at any size of gallery, where neither the caller nor the gallery sets a target."""


PolicySource: TypeAlias = Literal["asked", "gallery", "default"]
"""What sets a threshold: this call, the gallery's policy, or the default."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a threshold must achieve: a distance, an FMR, an FPIR or an FMR among alike; at most one of them.

    `fmr_alike` is the FMR among people who are alike: of one sex and group, or as the calibration chose them. Raises
    UsageError for two targets, for a rate outside 0..1, and for a negative or infinite distance.
    """

    threshold: float | None = None
    fmr: float | None = None
    fpir: float | None = None
    fmr_alike: float | None = None

    def __post_init__(self) -> None:
        given = [
            name for name in ("threshold", "fmr", "fpir", "fmr_alike") if getattr(self, name) is not None
        ]
        if len(given) > 1:
            raise UsageError(
                f"{given[0]} and {given[1]} exclude each other",
                remedy="one_target",
                first=given[0].replace("_", "-"),
                second=given[1].replace("_", "-"),
            )
        for name in ("fmr", "fpir", "fmr_alike"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < 1.0:
                raise UsageError(
                    f"{name} {value:g} is not a rate",
                    remedy="not_a_rate",
                    option=name.replace("_", "-"),
                    value=value,
                )
        if self.threshold is not None and not (math.isfinite(self.threshold) and self.threshold >= 0.0):
            raise UsageError(
                f"the threshold {self.threshold:g} is not a distance",
                remedy="not_a_distance",
                value=self.threshold,
            )


@dataclass(frozen=True, slots=True)
class Policy:
    """A threshold and its origin.

    `kind` and `target` say what it must achieve: `fmr`, `fpir` or `fmr_alike` with a rate, or `threshold` with a
    distance.
    `identities` is the number of identities that are searched, None for a comparison with one identity. `held` is
    False where the calibration does not reach the FMR that the target needs at this size of gallery: then `threshold`
    is the strictest measured one, and `fpir` is the rate that it gives.

    `source` is `asked` for a target of this call, `gallery` for the stored policy `policy_id`, else `default`.

    `stated` is the policy by the model's card, where the people of the gallery raise its rates
    (`faceid.decision.population`); else None.
    """

    threshold: float
    kind: Literal["fmr", "fpir", "fmr_alike", "threshold"]
    target: float
    calibration: Calibration | None
    identities: int | None = None
    held: bool = True
    source: PolicySource = "asked"
    policy_id: int | None = None
    stated: Policy | None = None

    @property
    def ambiguity_margin(self) -> float:
        """Two identities whose distances differ by less are not told apart; 0 without calibration."""
        return self.calibration.ambiguity_margin if self.calibration else 0.0

    @property
    def fpir(self) -> float | None:
        """The FPIR of a search at this threshold; None without a calibration, or for a comparison."""
        rate = self.fmr(self.threshold)
        return None if rate is None or self.identities is None else fpir_of(rate, self.identities)

    @property
    def miss_rate(self) -> float | None:
        """The FNMR at this threshold of an identity with one template, 0..1; None where it is unknown."""
        return fnmr_at_distance(self.calibration, self.threshold) if self.calibration else None

    @property
    def raised_by(self) -> float | None:
        """How many times the card's FMR at this threshold the gallery's is; None where `stated` is."""
        stated = None if self.stated is None else self.stated.fmr(self.threshold)
        here = self.fmr(self.threshold)
        return None if stated is None or here is None else here / stated

    def fmr(self, distance: float) -> float | None:
        """The FMR at `distance`; None without a calibration."""
        return fmr_at_distance(self.calibration, distance) if self.calibration else None

    def fmr_alike(self, distance: float) -> float | None:
        """The FMR at `distance` among people who are alike; None where it was not measured."""
        return fmr_alike_at_distance(self.calibration, distance) if self.calibration else None

    @property
    def population(self) -> str | None:
        """The people for whom the rates hold; None without a calibration."""
        return None if self.calibration is None else self.calibration.population or self.calibration.data

    def llr(self, distance: float) -> float | None:
        """log10 of the likelihood ratio at `distance`; None where it was not measured."""
        return log10_lr_at_distance(self.calibration, distance) if self.calibration else None


def policy_for(target: Target, calibration: Calibration | None, *, identities: int | None = None) -> Policy:
    """The policy that meets `target` in a search of `identities`, or in one comparison where that is None.

    FMR = FPIR / identities: the union bound, which holds whatever the dependence between comparisons. Without a target
    the policy is an FMR of `VERIFY_FMR`.

    Raises UsageError for a rate of a model without a calibration (`not_calibrated`) or without a curve of FMR among
    alike (`no_alike_curve`), and for an FMR below the calibration's lowest one (`beyond_calibration`).
    """
    if target.threshold is not None:
        return Policy(target.threshold, "threshold", target.threshold, calibration, identities)
    if calibration is None:
        raise UsageError(
            "this model has no calibration, so no rate of error can be turned into a threshold",
            code="not_calibrated",
        )
    if target.fpir is not None:
        wanted = target.fpir / max(1, identities or 1)
        strictest = calibration.points[0]
        held = wanted >= strictest.fmr
        threshold = threshold_at_fmr(calibration, wanted) if held else strictest.distance
        return Policy(threshold, "fpir", target.fpir, calibration, identities, held=held)
    if target.fmr_alike is not None:
        threshold = threshold_at_fmr_alike(calibration, target.fmr_alike)
        return Policy(threshold, "fmr_alike", target.fmr_alike, calibration, identities)
    fmr = VERIFY_FMR if target.fmr is None else target.fmr
    return Policy(threshold_at_fmr(calibration, fmr), "fmr", fmr, calibration, identities)


def stricter_policy(stated: Policy, calibration: Calibration) -> Policy:
    """`stated` by a calibration with higher rates: the threshold that keeps its target, and never a laxer one.

    A distance that was set by hand stays. Where `calibration` does not reach the target any more, the threshold is its
    strictest measured one, and `held` is False.
    """
    threshold, held = stated.threshold, stated.held
    if stated.kind != "threshold":
        # `stated` keeps an FMR among alike: the higher rates among all can only make it stricter.
        rate = stated.target / max(1, stated.identities or 1) if stated.kind == "fpir" else stated.target
        strictest = calibration.points[0]
        reached = rate >= strictest.fmr
        threshold = min(threshold, threshold_at_fmr(calibration, rate) if reached else strictest.distance)
        held = held and reached
    return replace(stated, threshold=threshold, calibration=calibration, held=held, stated=stated)


def decide_identity(candidates: Sequence[Candidate], policy: Policy) -> Decision:
    """One-to-many: which identity is the probe? `candidates` are nearest first, one an identity.

    `match` where the nearest is within the threshold. `ambiguous` where the second nearest is within it as well and
    farther by less than the policy's ambiguity margin. Otherwise `unknown`.
    """
    if not candidates:
        return Decision("unknown", None, None, None, policy.threshold, None, None, None)
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
        policy.fmr_alike(nearest.distance),
        policy.llr(nearest.distance),
        tuple(candidates),
    )


def decide_claim(similarity: float, metric: Metric, policy: Policy) -> ClaimDecision:
    """One-to-one: does the probe match the claimed identity? `similarity` is their cosine, -1..1."""
    distance = distance_from_similarity(similarity, metric)
    accepted = distance <= policy.threshold
    return ClaimDecision(
        "match" if accepted else "no_match",
        accepted,
        distance,
        similarity,
        policy.threshold,
        policy.fmr(distance),
        policy.fmr_alike(distance),
        policy.llr(distance),
    )
