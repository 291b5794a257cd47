"""The policy of a decision: the call's target, else the gallery's active policy, else the default.

For each model, a gallery has at most one active policy for comparisons with one claim (kind `fmr`: verify, compare) and
one for searches (kind `fpir`: identify). Neither replaces the other: the rate of one comparison is not the rate of a
search, which makes thousands. An FMR policy keeps its threshold. An FPIR policy keeps its rate: its threshold is
computed at each search for the present size of the gallery. A distance that was set by hand stays as it is.

Rates are read from the policy's own calibration if it was measured on the gallery owner's data, else from the
calibration of the model's card. Where the people of the gallery show more false matches than the card says
(`faceid.decision.population`), their rates replace the card's: a threshold for a rate becomes stricter, never laxer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from enrollment_db.records import StoredPolicy, TargetKind
from faceid.decision.decide import (
    IDENTIFY_FPIR,
    VERIFY_FMR,
    Policy,
    Target,
    policy_for,
    stricter_policy,
)
from faceid.decision.population import Population
from faceid.decision.thresholds import fmr_alike_interval_at_distance, fmr_interval_at_distance
from faceid.errors import UsageError
from faceid.gallery.gallery import Gallery
from faceid.networks.calibration import Calibration
from faceid.networks.own_calibrations import origin_of
from faceid.policies.gallery_rates import RatesCheck, rates_of
from faceid.policies.stored import DECIDES, activate_all, calibration_of, kinds_of, new_policy, state_of
from faceid.results import AlikeReport, PolicyReport, Problem
from faceid.types import ModelKey

_DEFAULTS: dict[TargetKind, Target] = {"fmr": Target(fmr=VERIFY_FMR), "fpir": Target(fpir=IDENTIFY_FPIR)}

_RATES = {"fmr": "FMR", "fpir": "FPIR", "fmr_alike": "FMR among alike"}

_log = logging.getLogger("faceid")


class Policies:
    """The policies of one model in one gallery. Each decision reads them again, since others may change them."""

    def __init__(
        self,
        gallery: Gallery | None,
        model: ModelKey | None,
        card: Calibration | None,
        notify: Callable[[str], None] = lambda message: None,
    ) -> None:
        """`card` is the calibration of the model's card; without `gallery` and `model`, the defaults decide.

        `notify` is called once for each of: the threshold has moved, a rate cannot be kept any more, the people of the
        gallery raise the card's rates, a policy is for another model.
        """
        self._gallery = gallery
        self._model = model
        self._card = card
        self._notify = notify
        self._rates = (
            None if gallery is None or model is None or card is None else RatesCheck(gallery, model, card)
        )
        self._reported: set[str] = set()
        self._last: Policy | None = None

    def for_claim(self, asked: Target | None = None) -> Policy:
        """The policy of a comparison with one claim. A requested FPIR is converted as in a search.

        Raises UsageError if a rate cannot be converted into a threshold, GalleryError.
        """
        return self._resolve(
            "fmr", asked, None if asked is None or asked.fpir is None else self._identities()
        )

    def for_search(self, asked: Target | None = None) -> Policy:
        """The policy of a search in the gallery as it is now; two short queries. Raises as `for_claim` does."""
        policy = self._resolve("fpir", asked, self._identities())
        self._watch(policy)
        return policy

    def activate(self, target: Target) -> list[int]:
        """Make `target` the active policy, with the present calibration; see `faceid.policies.stored.activate`."""
        gallery, model = self._place()
        wanted = [
            new_policy(kind, target, model, *self._calibration(kind, self._stored(kind)), self._identities())
            for kind in kinds_of(target)
        ]
        return activate_all(gallery, wanted)

    def own_calibration(self) -> Calibration | None:
        """The owner's calibration of an active policy: of that for comparisons, else of that for searches.

        Raises GalleryError.
        """
        return calibration_of(self._stored("fmr")) or calibration_of(self._stored("fpir"))

    def population(self) -> Population | None:
        """What the enrolled people say about the card's rates in searches.

        None where the owner's calibration decides, where there is none, and for too few people. Raises GalleryError.
        """
        _, own = self._calibration("fpir", self._stored("fpir"))
        return None if own or self._rates is None else self._rates.population()

    def reports(self) -> tuple[PolicyReport, PolicyReport]:
        """The reports for verify and for identify."""
        return self._report("fmr", self.for_claim), self._report("fpir", self.for_search)

    def _report(self, kind: TargetKind, resolve: Callable[[], Policy]) -> PolicyReport:
        stored = self._stored(kind)
        calibration, by_owner = self._calibration(kind, stored)
        policy, problem = None, None
        try:
            policy = resolve()
        except UsageError as error:
            problem = Problem.of(error)
        low, high = None, None
        if policy is not None and policy.calibration is not None:
            low, high = fmr_interval_at_distance(policy.calibration, policy.threshold)
        return PolicyReport(
            decides=DECIDES[kind],
            policy=None if policy is None else state_of(policy),
            fmr_low=low,
            fmr_high=high,
            data=None if calibration is None else calibration.data,
            mated=None if calibration is None else calibration.mated,
            non_mated=None if calibration is None else calibration.non_mated,
            measured_at=None if calibration is None else calibration.date,
            software=None if calibration is None else calibration.software,
            alike=None if policy is None else _alike_report(policy),
            since=None if stored is None else stored.since,
            model=str(self._model),
            calibration=None if calibration is None else "gallery" if by_owner else origin_of(calibration),
            problem=problem,
            gallery=None if by_owner or self._rates is None else rates_of(self._rates.population()),
        )

    def _resolve(self, kind: TargetKind, asked: Target | None, identities: int | None) -> Policy:
        stored = self._stored(kind)
        calibration, own = self._calibration(kind, stored)
        policy = self._stated(kind, stored, calibration, asked, identities)
        if own or self._rates is None:
            return policy
        here = self._rates.calibration()
        if here is calibration:
            return policy
        policy = stricter_policy(policy, here)
        self._say_raised(policy)
        return policy

    def _stated(
        self,
        kind: TargetKind,
        stored: StoredPolicy | None,
        calibration: Calibration | None,
        asked: Target | None,
        identities: int | None,
    ) -> Policy:
        """The policy by a calibration as it is."""
        if asked is not None and asked != Target():
            return policy_for(asked, calibration, identities=identities)
        if stored is None:
            self._check_others(kind)
            return replace(policy_for(_DEFAULTS[kind], calibration, identities=identities), source="default")
        if stored.by_hand:
            policy = policy_for(Target(threshold=stored.threshold), calibration, identities=identities)
        elif kind == "fmr":
            rate: TargetKind | Literal["fmr_alike"] = "fmr_alike" if stored.alike else "fmr"
            policy = Policy(stored.threshold, rate, stored.target, calibration, identities)
        else:
            policy = policy_for(Target(fpir=stored.target), calibration, identities=identities)
        return replace(policy, source="gallery", policy_id=stored.id)

    def _calibration(self, kind: TargetKind, stored: StoredPolicy | None) -> tuple[Calibration | None, bool]:
        """The calibration for rates of this kind, and whether it is the gallery's own.

        It is the policy's own calibration, else the card's, else that of the other kind's policy.
        """
        own = calibration_of(stored)
        if own is None and self._card is None:
            own = calibration_of(self._stored("fpir" if kind == "fmr" else "fmr"))
        return (self._card, False) if own is None else (own, True)

    def _stored(self, kind: TargetKind) -> StoredPolicy | None:
        if self._gallery is None or self._model is None:
            return None
        return self._gallery.active_policy(self._model, kind)

    def _identities(self) -> int:
        return 0 if self._gallery is None else self._gallery.identity_count()

    def _place(self) -> tuple[Gallery, ModelKey]:
        assert self._gallery is not None
        assert self._model is not None
        return self._gallery, self._model

    def _check_others(self, kind: TargetKind) -> None:
        """Notify if a policy of another model is not applied, as after a move to another network."""
        if self._gallery is None or f"other {kind}" in self._reported:
            return
        self._reported.add(f"other {kind}")
        others = [one for one in self._gallery.policies() if one.active and one.kind == kind]
        for other in others:
            self._notify(
                f"policy {other.id} is for {other.model} and does not count for {self._model}:"
                " the default decides until a policy for this model is set"
            )

    def _watch(self, policy: Policy) -> None:
        before, self._last = self._last, policy
        if before is not None and _moved(before, policy):
            message = (
                f"with {policy.identities:,} identities instead of {before.identities:,} the threshold"
                f" for FPIR {policy.target:g} is {policy.threshold:.4f} instead of {before.threshold:.4f}"
            )
            _log.info(message)
            self._say_once("moved", message)
        if not policy.held:
            self._say_once(
                "not held",
                f"with {policy.identities:,} identities the calibration cannot hold FPIR {policy.target:g}: at the"
                f" strictest measured threshold expect up to {policy.fpir:.2g}",
            )

    def _say_raised(self, policy: Policy) -> None:
        if policy.stated is None or policy.threshold == policy.stated.threshold:
            return
        times = float(f"{policy.raised_by:.2g}")
        self._say_once(
            f"raised {policy.kind}",
            f"the people of this gallery match each other about {times:g} times as often as the model's"
            f" card says: the threshold for {_RATES[policy.kind]} {policy.target:g} is {policy.threshold:.4f}, not"
            f" {policy.stated.threshold:.4f}",
        )

    def _say_once(self, what: str, message: str) -> None:
        if what not in self._reported:
            self._reported.add(what)
            self._notify(message)


def _alike_report(policy: Policy) -> AlikeReport | None:
    calibration = policy.calibration
    curve = None if calibration is None else calibration.alike
    if calibration is None or curve is None:
        return None
    low, high = fmr_alike_interval_at_distance(calibration, curve, policy.threshold)
    return AlikeReport(
        population=curve.population,
        chosen_by=curve.chosen_by,
        fmr_low=low,
        fmr_high=high,
        data=curve.data,
        people=curve.people,
        non_mated=curve.non_mated,
        measured_at=curve.date,
        software=curve.software,
    )


def _moved(before: Policy, after: Policy) -> bool:
    same = (before.kind, before.target, before.policy_id) == (after.kind, after.target, after.policy_id)
    return same and before.identities != after.identities and before.threshold != after.threshold
