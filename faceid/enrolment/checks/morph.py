"""A template that lies near several enrolled people at once: a morph, or a picture that is like everybody.

A morph of two people verifies as both. The template of an honest photo is near its own person, and near another one
only where the two are alike. So a template near two people who are not alike is suspect. Only enrolled people count: a
morph of people of whom at most one is enrolled looks like an honest photo here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faceid.decision.decide import VERIFY_FMR
from faceid.decision.scores import distance_from_similarity
from faceid.decision.thresholds import threshold_at_fmr
from faceid.enrolment.checks.group import BOUNDS

if TYPE_CHECKING:
    from faceid.networks.registry import Calibration
    from faceid.types import Candidate, Metric

CHANCE = 0.03
"""The share of honest photos that have another person of the gallery within the bound, at most (the union bound).

Chosen by scripts/studies/check_morphs.py.
"""


@dataclass(frozen=True, slots=True)
class MorphBounds:
    """A template is near an identity within the distance `near`; two identities are not alike beyond `apart`."""

    near: float
    apart: float

    @classmethod
    def of(cls, calibration: Calibration, identities: int) -> MorphBounds:
        """The bounds for a gallery of so many identities: near is stricter in a larger one."""
        floor = calibration.points[0].fmr
        near = max(floor, min(VERIFY_FMR, CHANCE / max(1, identities)))
        return cls(
            threshold_at_fmr(calibration, near), threshold_at_fmr(calibration, max(floor, BOUNDS.near))
        )


def people_between(
    candidates: Sequence[Candidate],
    templates: Callable[[str], NDArray[np.float32]],
    bounds: MorphBounds,
    metric: Metric,
) -> tuple[str, ...]:
    """The identities that a template is near to at once and that are not alike; () where there are not two of them.

    `candidates` are what a search returned for the template, and `templates` gives the vectors (n, d), n >= 1, of an
    identity. Where several sets qualify it is that of the two most different identities and all who differ from them.
    """
    near = [candidate for candidate in candidates if candidate.distance <= bounds.near]
    if len(near) < 2:
        return ()
    means = np.stack([templates(candidate.name).mean(axis=0, dtype=np.float64) for candidate in near])
    means /= np.sqrt(np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12))
    distance = np.array(
        [[distance_from_similarity(float(one), metric) for one in row] for row in means @ means.T]
    )
    np.fill_diagonal(distance, 0.0)
    first, second = np.unravel_index(int(distance.argmax()), distance.shape)
    if distance[first, second] < bounds.apart:
        return ()
    chosen = [int(first), int(second)]
    for place in range(len(near)):
        if place not in chosen and (distance[place, chosen] >= bounds.apart).all():
            chosen.append(place)
    return tuple(near[place].name for place in sorted(chosen))
