"""Policies as rows with provenance: activate, roll back and list them.

`faceid.policies.active` chooses the policy of a decision.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeAlias

from enrollment_db.records import NewPolicy, StoredPolicy, TargetKind
from faceid.decision.decide import Policy, Target, policy_for
from faceid.decision.thresholds import fmr_interval_at_distance, fpir_of
from faceid.errors import GalleryError, Refused, UsageError
from faceid.gallery.gallery import Gallery, other_model
from faceid.networks.calibration import Calibration, from_json, to_json
from faceid.networks.errors import BadCard
from faceid.results import PolicyRow, PolicyState
from faceid.types import ModelKey

Decides: TypeAlias = Literal["verify", "identify"]

DECIDES: dict[TargetKind, Decides] = {"fmr": "verify", "fpir": "identify"}
"""The command that a kind of policy decides for; that of verify also decides for compare."""


def activate(gallery: Gallery, model: ModelKey, target: Target, calibration: Calibration) -> list[int]:
    """Make `target` the active policy for `model`, and store the `calibration` of the owner's data with it.

    An FMR, among all or among alike, decides for verify and compare, an FPIR for identify, a threshold for both;
    returns the ids of the one or two new rows. The previous policy stays stored, and `rollback` activates it again. To
    set both rates, call this for each, inside `gallery.transaction()` for both or none.

    `faceid.evaluation.statistics.measured.measure` makes a calibration from distances. Its text `data` is shown to
    people as the provenance; `data_sha256` is the hash of the list of files and names.

    Raises UsageError (`beyond_calibration`) for an FMR that the calibration does not reach, GalleryError for another
    model than the gallery's. An FPIR is accepted at any size of the gallery: each search reports a rate that cannot be
    kept.
    """
    check_model(gallery, model)
    identities = gallery.identity_count()
    return activate_all(
        gallery,
        [new_policy(kind, target, model, calibration, True, identities) for kind in kinds_of(target)],
    )


def rollback(gallery: Gallery, model: ModelKey, policy_id: int | None = None) -> None:
    """Activate policy `policy_id` again; without an id, deactivate the policy that was activated last.

    Then the policy before it is active again, or the default decides. Raises Refused if there is no such policy or none
    is active, GalleryError (`model_mismatch`) for a policy of another model.
    """
    rows = _rows(gallery)
    if policy_id is not None:
        for named in (row for row in rows if row.id == policy_id):
            check_model(gallery, named.model)
        gallery.restore_policy(policy_id)
        return
    active = [row for row in rows if row.active and row.model == model]
    if not active:
        raise Refused(
            "no policy is active, so there is none to take back",
            code="no_policy",
            remedy="restore_policy",
        )
    gallery.withdraw_policy(max(active, key=lambda row: (row.since, row.id)).id)


def history(gallery: Gallery) -> list[PolicyRow]:
    """All policies of all models that were ever stored, oldest first."""
    return [
        PolicyRow(
            policy_id=row.id,
            decides=DECIDES[row.kind],
            kind="threshold" if row.by_hand else "fmr_alike" if row.alike else row.kind,
            target=row.threshold if row.by_hand else row.target,
            threshold=row.threshold,
            low=row.low,
            high=row.high,
            data=row.data,
            mated=row.mated,
            non_mated=row.non_mated,
            own_calibration=row.calibration is not None,
            model=str(row.model),
            created_at=row.created_at,
            in_force=row.active,
            since=row.since,
        )
        for row in _rows(gallery)
    ]


def state_of(policy: Policy) -> PolicyState:
    """A policy in the form of a result."""
    return PolicyState(
        source=policy.source,
        policy_id=policy.policy_id,
        kind=policy.kind,
        target=policy.target,
        threshold=policy.threshold,
        identities=policy.identities,
        fmr=policy.fmr(policy.threshold),
        fmr_alike=policy.fmr_alike(policy.threshold),
        fpir=policy.fpir,
        miss_rate=policy.miss_rate,
        population=policy.population,
        held=policy.held,
        card_threshold=None if policy.stated is None else policy.stated.threshold,
        raised_by=policy.raised_by,
    )


def kinds_of(target: Target) -> tuple[TargetKind, ...]:
    """The kinds of policy that a target makes; a threshold makes one of each. Raises UsageError for an empty target."""
    if target == Target():
        raise UsageError("a policy needs a target", remedy="policy_target")
    if target.threshold is not None:
        return "fmr", "fpir"
    return ("fmr",) if target.fpir is None else ("fpir",)


def new_policy(
    kind: TargetKind,
    target: Target,
    model: ModelKey,
    calibration: Calibration | None,
    own: bool,
    identities: int,
) -> NewPolicy:
    """The row of `target` in a gallery of `identities`; stores the calibration if it is the owner's (`own`)."""
    policy = policy_for(target, calibration, identities=identities if kind == "fpir" else None)
    expected = policy.fmr(policy.threshold) if kind == "fmr" else policy.fpir
    alike = target.fmr_alike is not None
    curve = calibration.alike if alike and calibration is not None else calibration
    low, high = (0.0, 1.0) if curve is None else fmr_interval_at_distance(curve, policy.threshold)
    if kind == "fpir":
        low, high = fpir_of(low, identities), fpir_of(high, identities)
    by_hand = target.threshold is not None
    return NewPolicy(
        model=model,
        kind=kind,
        # Without a calibration, the only certain rate is 1.
        target=(1.0 if expected is None else expected) if by_hand else policy.target,
        threshold=policy.threshold,
        data="not measured" if curve is None else curve.data,
        mated=0 if calibration is None else calibration.mated,
        non_mated=0 if curve is None else curve.non_mated,
        low=low,
        high=high,
        calibration=to_json(calibration) if own and calibration is not None else None,
        by_hand=by_hand,
        alike=alike,
    )


def activate_all(gallery: Gallery, policies: list[NewPolicy]) -> list[int]:
    """Activate policies, all of them or none; returns their ids."""
    return gallery.activate_policies(policies)


def _rows(gallery: Gallery) -> list[StoredPolicy]:
    return gallery.policies()


def check_model(gallery: Gallery, model: ModelKey) -> None:
    """Raise GalleryError (`model_mismatch`) for another model than the gallery's."""
    pinned = gallery.model
    if pinned is not None and pinned != model:
        raise other_model(pinned, str(model))


def calibration_of(stored: StoredPolicy | None) -> Calibration | None:
    """The calibration that a policy carries. Raises GalleryError if it cannot be read."""
    if stored is None or stored.calibration is None:
        return None
    try:
        return _parsed(stored.calibration)
    except BadCard as error:
        raise GalleryError(
            f"the calibration of policy {stored.id} cannot be read: {error}",
            code="database_corrupt",
            remedy="withdraw_policy",
        ) from error


@lru_cache(maxsize=4)
def _parsed(text: str) -> Calibration:
    return from_json(text, "the calibration")
