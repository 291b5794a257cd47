"""Who in the gallery lays claim to the photos of a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faceid.decision.decide import Policy, Target, policy_for
from faceid.decision.scores import distance_from_similarity, identity_similarity
from faceid.enrolment.checks.conflict import DuplicateEnrolment, enrolled_as, is_somebody_elses
from faceid.gallery.gallery import Gallery
from faceid.types import Candidate, Embedding, ModelKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.networks.registry import Calibration

CONFLICT_FPIR, CONFLICT_FMR = 1e-3, 1e-4
"""A photo is somebody else's where it matches that person under both: one honest photo in a thousand is refused.

The search for a probe may be laxer: there a false name costs more than a missed one, here it is the other way round.
"""

TOP = 10
"""Identities looked at for each photo: a group's duplicate need not be the nearest one of every photo."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What the gallery says about `faces` in photos of `name`, who has the templates `own` (n, d), n >= 0.

    `found` are the nearest identities of each face. `policy` says what is near enough; None where nobody measured: then
    nobody lays claim to anything.
    """

    name: str
    own: NDArray[np.float32]
    model: ModelKey
    policy: Policy | None
    found: dict[int, tuple[Candidate, ...]]

    @classmethod
    def of(
        cls,
        gallery: Gallery,
        name: str,
        calibration: Calibration | None,
        model: ModelKey,
        faces: Sequence[Embedding],
    ) -> Claims:
        """By the gallery as it is."""
        own = gallery.vectors_of(name, model)
        if calibration is None:
            return cls(name, own, model, None, {})
        identities = max(gallery.identity_count(), round(CONFLICT_FPIR / CONFLICT_FMR))
        policy = policy_for(Target(fpir=CONFLICT_FPIR), calibration, identities=identities)
        nearest = gallery.search(faces, TOP)
        return cls(name, own, model, policy, dict(zip(map(id, faces), nearest, strict=True)))

    def rival(self, face: Embedding, others: Sequence[Embedding]) -> Candidate | None:
        """Whose the face is rather than the person's, of whom `others` are further faces; None where nobody's."""
        if self.policy is None:
            return None
        own = [*self.own, *(other.vector for other in others if other is not face)]
        distance = None
        if own:
            similarity = identity_similarity(face.vector, np.array(own, np.float32))
            distance = distance_from_similarity(similarity, self.model.metric)
        return is_somebody_elses(self.name, distance, self.found[id(face)], self.policy)

    def duplicate(self, faces: Sequence[Embedding]) -> DuplicateEnrolment | None:
        """Whom some of the faces together match; None where nobody."""
        if self.policy is None or not faces:
            return None
        vectors = np.stack([face.vector for face in faces])
        found = [self.found[id(face)] for face in faces]
        return enrolled_as(self.name, vectors, found, self.policy, self.model.metric)

    def said(self, rival: Candidate) -> str:
        """Why a face is somebody else's."""
        assert self.policy is not None
        return f"the face matches {rival.name} (distance {rival.distance:.3f}, threshold {self.policy.threshold:.3f})"
