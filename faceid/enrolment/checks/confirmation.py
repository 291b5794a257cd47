"""Which photos of a person are confirmed at once, and which wait for more evidence.

A search and a comparison use confirmed templates only. So a stranger who is near enough to a person to be no clear
stranger gains nothing from a photo under that person's name: it stays unconfirmed.

The bound for a photo of a person who is enrolled is stricter than verification. The sender of a photo chooses the
person whose name it carries, and so has as many tries as people are enrolled. A new person has no such bound: nothing
is there to take over, and the photos that verify each other are confirmed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faceid.decision.decide import VERIFY_FMR
from faceid.decision.scores import identity_similarity, similarity_from_distance
from faceid.decision.thresholds import threshold_at_fmr
from faceid.enrolment.checks.agreement import agreement
from faceid.enrolment.checks.group import scene_similarity

if TYPE_CHECKING:
    from faceid.networks.registry import Calibration
    from faceid.types import Metric

Vectors: TypeAlias = NDArray[np.float32]
Bools: TypeAlias = NDArray[np.bool_]

DECADES = 1.0
"""By how many decades of FMR the bound for an enrolled person is stricter than the strictest measured threshold.

Chosen by scripts/studies/check_takeovers.py. The calibration has no comparisons there: the distance is a margin, as
wide as the last measured decade, and no rate is stated for it.
"""

# Rounding leaves the cosine of a float32 unit vector with its copy this near to 1.
_COPY = 1.0 - 1e-6


@dataclass(frozen=True, slots=True)
class ConfirmationBounds:
    """The least similarities, -1..1, at which a photo is confirmed.

    `enrolled` holds against the confirmed templates of an enrolled person, `verify` between photos of a new person and
    between a photo and an unconfirmed one. Photos at a similarity of `scene` or more show one scene.
    """

    enrolled: float
    verify: float
    scene: float

    @classmethod
    def of(
        cls,
        calibration: Calibration,
        metric: Metric,
        verification: float | None = None,
        decades: float = DECADES,
    ) -> ConfirmationBounds:
        """The bounds of a calibration. `verification` is the gallery's threshold, a distance, where it has its own.

        A laxer threshold than that of the default FMR changes nothing.
        """
        verify = threshold_at_fmr(calibration, max(VERIFY_FMR, calibration.points[0].fmr))
        if verification is not None:
            verify = min(verify, verification)
        enrolled = min(verify, confirmation_distance(calibration, decades))
        return cls(
            similarity_from_distance(enrolled, metric),
            similarity_from_distance(verify, metric),
            scene_similarity(calibration, metric),
        )

    @classmethod
    def by_hand(cls, threshold: float, metric: Metric) -> ConfirmationBounds:
        """The bounds without a calibration: a distance that the operator has set. Only copies are of one scene."""
        similarity = similarity_from_distance(threshold, metric)
        return cls(similarity, similarity, _COPY)


def confirmation_distance(calibration: Calibration, decades: float = DECADES) -> float:
    """The distance, 0..2, within which a photo is confirmed as one of an enrolled person.

    It is nearer than the strictest measured threshold by `decades` times the width of the last measured decade of FMR.
    """
    strictest, laxest = calibration.points[0], calibration.points[-1]
    decade = threshold_at_fmr(calibration, min(10.0 * strictest.fmr, laxest.fmr)) - strictest.distance
    return max(0.0, strictest.distance - decades * decade)


def confirmed(
    photos: Vectors,
    qualities: Sequence[float],
    doubtful: Bools,
    templates: Vectors,
    waiting: Vectors,
    bounds: ConfirmationBounds,
) -> tuple[Bools, Bools]:
    """Which photos (n, d) of a person are confirmed, (n,) bool, and which unconfirmed templates (w, d) they confirm.

    `qualities` are 0..1. Photos that are `doubtful` (n,) stay unconfirmed. `templates` (m, d) are the person's
    confirmed ones and `waiting` (w, d) the unconfirmed ones; the result for these is (w,) bool.
    """
    taken = np.zeros(len(photos), dtype=bool)
    firm = np.flatnonzero(~doubtful)
    if not len(firm):
        return taken, np.zeros(len(waiting), dtype=bool)
    if not len(templates) and len(waiting):
        # No template is confirmed yet: only photos that verify each other show who it is, and a new one is among them.
        found = _verifying(np.concatenate([photos[firm], waiting]), bounds)
        found &= found[: len(firm)].any()
        taken[firm] = found[: len(firm)]
        return taken, found[len(firm) :]
    if len(templates):
        taken[firm] = confirmed_of_enrolled(photos[firm], templates, bounds)
    else:
        taken[firm] = confirmed_of_new(photos[firm], [qualities[place] for place in firm.tolist()], bounds)
    fresh = photos[taken]
    return taken, confirmed_later(waiting, np.concatenate([templates, fresh]), fresh, bounds)


def confirmed_of_enrolled(photos: Vectors, confirmed: Vectors, bounds: ConfirmationBounds) -> Bools:
    """Which of the photos (n, d) of an enrolled person are confirmed: (n,) bool.

    Each is compared with the `confirmed` templates (m, d), m >= 1, and not with unconfirmed ones: photos that agree
    with each other alone prove nothing. Confirmed photos join the templates, in rounds, so that the order of the photos
    makes no difference.
    """
    taken = np.zeros(len(photos), dtype=bool)
    while True:
        templates = np.concatenate([confirmed, photos[taken]])
        passes = np.array(
            [identity_similarity(photo, templates) >= bounds.enrolled for photo in photos], bool
        )
        if not (passes & ~taken).any():
            return taken
        taken |= passes


def confirmed_of_new(photos: Vectors, qualities: Sequence[float], bounds: ConfirmationBounds) -> Bools:
    """Which of the photos (n, d) of a new person are confirmed: (n,) bool, at least one of them where n >= 1.

    They are the largest set of photos that verify each other (`faceid.enrolment.checks.agreement`). Where no two
    scenes do, the photo of the best quality is confirmed alone.
    """
    if len(photos) < 2:
        return np.ones(len(photos), dtype=bool)
    found = _verifying(photos, bounds)
    if found.any():
        return found
    # Bytes of the vector break ties, so that the order of the photos does not.
    best = max(range(len(photos)), key=lambda place: (qualities[place], photos[place].tobytes()))
    alike: Bools = np.asarray(photos @ photos[best] >= bounds.scene, dtype=bool)
    alike[best] = True
    return alike


def confirmed_later(
    waiting: Vectors, templates: Vectors, fresh: Vectors, bounds: ConfirmationBounds
) -> Bools:
    """Which unconfirmed templates (n, d) a later photo confirms: (n,) bool.

    `templates` (m, d), m >= 1, are the person's confirmed ones, with the photos just confirmed: `fresh` (k, d). A
    template is confirmed where it verifies with one of `fresh`, and passes the bound of an enrolled person against all
    of `templates`. So neither two photos of a stranger nor one photo of the person, near to a stranger's, are enough.
    """
    if not len(fresh):
        return np.zeros(len(waiting), dtype=bool)
    near = (waiting @ fresh.T >= bounds.verify).any(axis=1)
    passes = np.array(
        [identity_similarity(one, templates) >= bounds.enrolled for one in waiting], dtype=bool
    ).reshape(len(waiting))
    return near & passes


def _verifying(photos: Vectors, bounds: ConfirmationBounds) -> Bools:
    """The largest set of two scenes or more that verify each other, (n,) bool; none where there is no such set.

    Photos of a single scene are one set.
    """
    found = agreement(photos, np.arange(len(photos)), photos[:0], join=bounds.verify, same_scene=bounds.scene)
    several = (found.members & ~np.isnan(found.similarity)).any()
    return found.members if several or found.members.all() else np.zeros(len(photos), dtype=bool)
