"""Activates a calibration of the user's data in a gallery."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np

from faceid.decision.decide import Target
from faceid.distribution import VERSION
from faceid.errors import GalleryError, InputError, UsageError
from faceid.evaluation.data.material import Material
from faceid.evaluation.findings import Findings, OperatingRow
from faceid.evaluation.protocols.goals import Goal, at_fmr
from faceid.evaluation.protocols.network_calibration import point_of
from faceid.evaluation.statistics.evidence import fit_evidence
from faceid.evaluation.statistics.intervals import rule_of_3
from faceid.evaluation.statistics.measured import RATES, thinned
from faceid.gallery.gallery import Gallery, other_model
from faceid.networks.calibration import AlikeCurve, Calibration, CalibrationPoint
from faceid.policies import stored
from faceid.types import ModelKey

# Rates that an FPIR may need when the gallery has grown, as far as a fit to the tail carries.
_STRICTER = (0.1, 0.01)


def activate_calibration(
    gallery: Gallery,
    material: Material,
    goal: Goal,
    findings: Findings,
    rng: np.random.Generator,
    *,
    identities: int,
    own: Calibration | None,
    alike: AlikeCurve | None = None,
) -> int:
    """Store the calibration of the data in the gallery, activate `goal` on it, and return the policy's id.

    `own` is the model's own calibration: the ambiguity margin is taken from there. `alike` is the curve among people
    who are alike, measured on the same data.

    A goal other than FMR or FPIR is stored as the FMR that was found for it, or, without a false match, as the upper
    bound of that FMR. Raises GalleryError (`model_mismatch`) for data of another model than the gallery's, UsageError
    if their model is unknown, InputError if mated pairs are farther apart than non-mated ones.
    """
    proposed = findings.proposed
    assert proposed is not None
    model = _model(gallery, material)
    for caveat in findings.caveats:
        if caveat.code in ("swapped", "constant"):
            raise InputError(
                f"{caveat.message.rstrip('?')}: this threshold is not activated",
                code=caveat.code,
                path=material.data.source,
            )
    if goal.fpir is None:
        rate = goal.promised_fmr or proposed.fmr.rate or proposed.fmr.high
        target = Target(fmr=rate)
    else:
        rate = goal.fpir / (goal.identities or identities)
        target = Target(fpir=goal.fpir)
    (policy_id,) = stored.activate(
        gallery, model, target, _calibration(material, own, proposed, rate, rng, alike)
    )
    return policy_id


def _calibration(
    material: Material,
    own: Calibration | None,
    proposed: OperatingRow,
    rate: float,
    rng: np.random.Generator,
    alike: AlikeCurve | None,
) -> Calibration:
    """The calibration points at the usual rates, at the proposed `rate`, and beyond as far as a fit carries."""
    data = material.comparisons
    rows = {rate: proposed}
    for stricter in (rate * factor for factor in _STRICTER):
        try:
            rows[stricter] = at_fmr(data, stricter, rng)
        except InputError:
            break
    counted = rule_of_3(data.non_mated.total)
    rows |= {usual: at_fmr(data, usual, rng) for usual in RATES if usual >= counted and usual not in rows}
    points: list[CalibrationPoint] = []
    for fmr, row in sorted(rows.items()):
        point = point_of(fmr, row, data)
        if not points or (point.distance > points[-1].distance and point.fnmr <= points[-1].fnmr):  # type: ignore[operator]
            points.append(point)
        elif fmr == rate:
            # The requested rate counts, however its neighbours vary by chance.
            points = [*(other for other in points if other.distance < point.distance), point]
    source, photos, people = material.data.source, material.data.photos, material.data.identities
    return Calibration(
        data=f"{source}, {photos:,} photos of {people:,} identities" if photos else source,
        date=datetime.now(timezone.utc).date().isoformat(),
        software=material.data.measured_by(f"faceid {VERSION}"),
        mated=data.mated.total,
        non_mated=data.non_mated.total,
        points=tuple(points),
        ambiguity_margin=0.0 if own is None else own.ambiguity_margin,
        evidence=thinned(fit_evidence(data.mated.sample, data.non_mated.sample)),
        data_sha256=material.data.sha256,
        population=f"the people of {source}",
        alike=alike,
    )


def _model(gallery: Gallery, material: Material) -> ModelKey:
    pinned = gallery.model
    if material.key is not None:
        gallery.guard(material.key)
        return material.key
    if pinned is None:
        raise GalleryError(
            "nothing is enrolled, so the gallery has no model that scores could be of",
            code="empty",
        )
    if material.model is None:
        raise UsageError(
            f"{material.data.source} does not say of which model its scores are",
            code="model_unknown",
            model=pinned.name,
        )
    if material.model != pinned.name:
        raise other_model(pinned, material.model)
    return pinned
