"""Computes how similar groups of faces must be to be joined, by the calibration of their network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from faceid.config import Settings
from faceid.decision.decide import Target, policy_for
from faceid.errors import ModelError
from faceid.explore.faces import Faces
from faceid.networks import registry
from faceid.types import Metric

if TYPE_CHECKING:
    from faceid.networks.calibration import Calibration

LARGEST_FMR = 1e-3
"""Groups of few faces are joined up to the distance below which one non-mated pair in 1,000 lies."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A distance with the equivalent cosine, and the FMR of a single comparison there (None: unknown).

    `measured` names the calibration: that of the `gallery`, or that of the network's `card`.
    """

    distance: float
    similarity: float
    fmr: float | None
    measured: Literal["gallery", "card"] | None
    said: str


def bound_of(
    faces: Faces, target: Target, settings: Settings | None = None, own: Calibration | None = None
) -> Bound:
    """The bound for `target`; without one, that of FMR 1 / n with n faces, LARGEST_FMR at most.

    Then about one face of another person is within the distance of a face, for any number of faces. The mean over all
    pairs of two groups keeps that face out. Chosen by measurement (`scripts/studies/compare_clusterings.py`): a rate
    that does not follow n is too strict for a hundred faces, or too lax for thousands.

    Rates are read from `own`, a calibration on the user's people, if there is one; for the bound without a target only
    as far as it reaches. Else they come from the network's card. `settings` tells where the user's networks are. Raises
    UsageError if a rate is requested from a network without calibration, ModelError for an unknown network.
    """
    try:
        card = registry.card(faces.model, settings.models_dir if settings else None).calibration
    except ModelError:
        # Embeddings from elsewhere: a distance needs no card.
        if target.threshold is None:
            raise
        card = None
    calibration = card if own is None else own
    if target == Target() and calibration is not None:
        wanted = min(LARGEST_FMR, 1.0 / len(faces))
        if calibration.points[0].fmr > wanted and card is not None:
            # A small calibration has no data on rare matches, and its strictest distance is too lax for many faces.
            calibration = card
        target = Target(fmr=max(wanted, calibration.points[0].fmr))
    policy = policy_for(target, calibration)
    distance = policy.threshold
    fmr = policy.fmr(distance)
    measured: Literal["gallery", "card"] | None = (
        None if calibration is None else "gallery" if calibration is own else "card"
    )
    rate = "no calibration" if fmr is None else f"FMR {fmr:.2g}"
    whose = " by the gallery's own calibration" if measured == "gallery" else ""
    said = f"joined to a mean distance of {distance:.4f} ({rate}{whose}) by {faces.model}"
    return Bound(distance, _cosine(distance, faces.metric), fmr, measured, said)


def copy_bound(model: str, metric: Metric, settings: Settings | None = None) -> float:
    """The least cosine of one face on two copies of a photo, by the network `model`.

    A quarter of the strictest distance in its calibration; a cosine of 0.99 without one. With the default network,
    faces on mirrored and slightly cropped copies usually differ by 0.003, and by more than 0.01 in at most one case of
    twenty; of pairs of different photos of one person, one in 200 is nearer than 0.011. The distance of copies depends
    on the network, not on the people: a gallery's own calibration does not count here.
    """
    calibration = registry.card(model, settings.models_dir if settings else None).calibration
    return 0.99 if calibration is None else _cosine(calibration.points[0].distance / 4, metric)


def _cosine(distance: float, metric: Metric) -> float:
    return 1.0 - distance if metric == "cosine" else 1.0 - distance * distance / 2.0
