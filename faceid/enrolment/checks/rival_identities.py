"""Which other identities of the gallery the photos of a person match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from faceid.decision.decide import Policy, Target, policy_for
from faceid.decision.scores import distance_from_similarity, identity_similarity, similarity_from_distance
from faceid.enrolment.checks.conflict import DuplicateEnrolment, enrolled_as, matches_another_identity
from faceid.enrolment.checks.morph import MorphBounds, people_between
from faceid.gallery.gallery import Gallery
from faceid.types import Candidate, Embedding, ModelKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.networks.registry import Calibration
    from faceid.types import Metric

CONFLICT_FPIR, CONFLICT_FMR = 1e-3, 1e-4
"""A photo conflicts with another identity that it matches at both rates: one honest photo in a thousand is refused."""

TOP = 10
"""Candidates a photo: the identity that a whole group matches need not be the nearest one of every photo."""

_ROUNDING = 1e-6
"""More than the rounding of a similarity, and of a distance that is turned back into one."""


@dataclass(frozen=True, slots=True)
class RivalIdentities:
    """The identities of the gallery near to the faces in photos of `name`, whose stored templates are `own` (n, d).

    `found` holds the nearest identities of each face, and `between` those, not alike, that a face is near to at once.
    Both are empty where nobody else is near enough to any of the faces to matter.
    `policy` says which distances match; without a calibration it is None, and no identity conflicts.
    """

    name: str
    own: NDArray[np.float32]
    model: ModelKey
    policy: Policy | None
    found: dict[int, tuple[Candidate, ...]]
    between: dict[int, tuple[str, ...]]

    @classmethod
    def of(
        cls,
        gallery: Gallery,
        name: str,
        calibration: Calibration | None,
        model: ModelKey,
        faces: Sequence[Embedding],
        alone: Sequence[Embedding],
    ) -> RivalIdentities:
        """Search the gallery as it is now. `alone` are those of the `faces` that `duplicate` will be asked about."""
        own = gallery.vectors_of(name, model)
        if calibration is None:
            return cls(name, own, model, None, {}, {})
        identities = max(gallery.identity_count(), round(CONFLICT_FPIR / CONFLICT_FMR))
        policy = policy_for(Target(fpir=CONFLICT_FPIR), calibration, identities=identities)
        bounds = MorphBounds.of(calibration, identities)
        matter = _least_that_matters(policy, bounds, model.metric, alone)
        nearest = gallery.search(faces, TOP, within=matter)
        if not any(one.name != name and one.similarity >= matter for found in nearest for one in found):
            # Nearly every group ends here: nobody else is near.
            return cls(name, own, model, policy, dict.fromkeys(map(id, faces), ()), {})
        if matter > -1.0:
            nearest = gallery.search(faces, TOP)
        between = {
            id(face): people_between(found, partial(gallery.vectors_of, model=model), bounds, model.metric)
            for face, found in zip(faces, nearest, strict=True)
        }
        return cls(name, own, model, policy, dict(zip(map(id, faces), nearest, strict=True)), between)

    def rival(self, face: Embedding, others: Sequence[Embedding]) -> Candidate | None:
        """The identity that the face matches rather than the person; None for none. `others` are the person's faces."""
        if self.policy is None:
            return None
        own = [*self.own, *(other.vector for other in others if other is not face)]
        distance = None
        if own:
            similarity = identity_similarity(face.vector, np.array(own, np.float32))
            distance = distance_from_similarity(similarity, self.model.metric)
        return matches_another_identity(self.name, distance, self.found[id(face)], self.policy)

    def duplicate(self, faces: Sequence[Embedding]) -> DuplicateEnrolment | None:
        """The identity under another name that the faces match together; None for none."""
        if self.policy is None or not faces:
            return None
        vectors = np.stack([face.vector for face in faces])
        found = [self.found[id(face)] for face in faces]
        return enrolled_as(self.name, vectors, found, self.policy, self.model.metric)

    def limit(self) -> str | None:
        """What the guard cannot promise in a gallery of this size, as one clause; None where it keeps its rate."""
        if self.policy is None or self.policy.held or self.policy.fpir is None:
            return None
        return (
            f"with {self.policy.identities:,} people enrolled, up to {self.policy.fpir:.2g} of honest photos match"
            f" another person by chance: the calibration has no threshold that keeps it at {CONFLICT_FPIR:g}"
        )

    def reason(self, rival: Candidate) -> str:
        """Why a face conflicts with `rival`, as one clause."""
        assert self.policy is not None
        return f"the face matches {rival.name} (distance {rival.distance:.3f}, threshold {self.policy.threshold:.3f})"


def _least_that_matters(
    policy: Policy, bounds: MorphBounds, metric: Metric, alone: Sequence[Embedding]
) -> float:
    """The similarity below which another identity changes no decision; -1 where there is no such bound.

    A rival is within the threshold, and people between whom a face lies are within `bounds.near`. An identity that the
    group matches as a whole has a mean similarity, over the photos, of that threshold times sqrt(|mean of the group|)
    or more (`enrolled_as`), so one of its similarities is as large.
    """
    threshold = similarity_from_distance(policy.threshold, metric)
    whole = 1.0
    if alone:
        mean = np.stack([face.vector for face in alone]).mean(axis=0, dtype=np.float64)
        whole = float(np.linalg.norm(mean)) ** 0.5
    least = min(threshold * min(whole, 1.0), similarity_from_distance(bounds.near, metric))
    # An identity that was not found counts as 0 in a mean: a bound must be above it.
    return least - _ROUNDING if least > _ROUNDING else -1.0
