"""A calibrated threshold, put in force in a gallery."""

from __future__ import annotations

from enrollment_db.records import NewPolicy, TargetKind
from faceid.calibrate.data import Material
from faceid.calibrate.findings import Findings
from faceid.calibrate.goals import Goal, predicted
from faceid.errors import GalleryError, InputError, UsageError
from faceid.gallery import Gallery, database_errors, other_model, record_of
from faceid.types import ModelKey


def put_in_force(
    gallery: Gallery, material: Material, goal: Goal, findings: Findings, *, identities: int
) -> int:
    """Store the proposed threshold as the gallery's policy, of FPIR for `identities`; its id.

    A goal other than FPIR is stored as the FMR that was found for it, or, where none matched falsely, as its upper
    bound. GalleryError (`model_mismatch`) for data of another model than the gallery's, UsageError where nobody knows
    of which they are, InputError where mated pairs look worse than non-mated ones.
    """
    proposed = findings.proposed
    assert proposed is not None
    model = _model(gallery, material)
    for caveat in findings.caveats:
        if caveat.code in ("swapped", "constant"):
            raise InputError(
                f"{caveat.message.rstrip('?')}: this threshold is not put in force",
                code=caveat.code,
                path=material.data.source,
            )
    interval = proposed.fmr
    kind: TargetKind = "fmr"
    target = goal.promised_fmr or interval.rate or interval.high
    if goal.fpir is not None:
        kind, target = "fpir", goal.fpir
        interval = predicted(proposed.fmr, proposed.threshold, identities).fpir
    policy = NewPolicy(
        model=record_of(model),
        kind=kind,
        target=target,
        threshold=proposed.threshold,
        data=f"{material.data.source} ({material.data.sha256[:12]})",
        mated=material.data.mated,
        non_mated=material.data.non_mated,
        low=interval.low,
        high=interval.high,
    )
    with database_errors():
        return gallery.store.put_policy(policy)


def _model(gallery: Gallery, material: Material) -> ModelKey:
    pinned = gallery.model
    if material.key is not None:
        gallery.guard(material.key)
        return material.key
    if pinned is None:
        raise GalleryError(
            "nothing is enrolled, so the gallery has no model that scores could be of",
            code="empty",
            hint="enrol first",
        )
    if material.model is None:
        raise UsageError(
            f"{material.data.source} does not say of which model its scores are",
            code="model_unknown",
            hint=f"say it with --model {pinned.name}, if that is so",
        )
    if material.model != pinned.name:
        raise other_model(pinned, material.model)
    return pinned
