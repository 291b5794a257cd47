"""Identity conflicts: a group of photos, or one photo, that matches another enrolled identity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faceid.decision.scores import distance_from_similarity

if TYPE_CHECKING:
    from faceid.decision.decide import Policy
    from faceid.types import Candidate, Metric


@dataclass(frozen=True, slots=True)
class DuplicateEnrolment:
    """An identity, enrolled under another name, that a group of photos matches.

    `distance` is between the two identities. `fmr` is the share of non-mated comparisons at this distance or less and
    `llr` log10 of the likelihood ratio; both are None without a calibration. `photos` counts the photos that match
    individually.
    """

    name: str
    distance: float
    fmr: float | None
    llr: float | None
    photos: int


def enrolled_as(
    name: str,
    vectors: NDArray[np.float32],
    candidates: Sequence[Sequence[Candidate]],
    policy: Policy,
    metric: Metric,
) -> DuplicateEnrolment | None:
    """The nearest identity other than `name` that a group matches as a whole under `policy`; None where none does.

    `vectors` (n, d), n >= 1, are the templates of the group and `candidates` what a search returned for each of them.
    With a the mean of the group and b that of an identity the score is a . b / sqrt(|a| |b|), which is
    `faceid.decision.scores.identity_similarity` where n is 1. It is computed from the candidates: an identity that a
    search did not return counts as unlike that photo (0), so ask for some more than the nearest.
    """
    if len(vectors) != len(candidates):
        raise ValueError(f"{len(candidates)} lists of candidates for {len(vectors)} templates")
    length = float(np.linalg.norm(vectors.mean(axis=0, dtype=np.float64)))
    if length == 0.0:
        return None
    similarity: defaultdict[str, float] = defaultdict(float)
    matches: defaultdict[str, int] = defaultdict(int)
    for found in candidates:
        for candidate in found:
            similarity[candidate.name] += candidate.similarity
            matches[candidate.name] += candidate.distance <= policy.threshold
    similarity.pop(name, None)
    if not similarity:
        return None
    # Names break ties, so that the order of the photos does not.
    nearest = min(similarity, key=lambda other: (-similarity[other], other))
    score = similarity[nearest] / len(vectors) / length**0.5
    distance = distance_from_similarity(score, metric)
    if distance > policy.threshold:
        return None
    return DuplicateEnrolment(nearest, distance, policy.fmr(distance), policy.llr(distance), matches[nearest])


def matches_another_identity(
    name: str, own: float | None, candidates: Sequence[Candidate], policy: Policy
) -> Candidate | None:
    """The identity that a photo matches rather than `name`; None where there is none.

    It is the nearest of `candidates` other than `name`, if it matches under `policy` and is nearer than `own`: the
    photo's distance to its own identity and the rest of its group (`Verdict.distance`; None where there is neither).
    """
    others = [candidate for candidate in candidates if candidate.name != name]
    if not others or others[0].distance > policy.threshold:
        return None
    nearest = others[0]
    enrolled = next((candidate.distance for candidate in candidates if candidate.name == name), None)
    known = [distance for distance in (own, enrolled) if distance is not None]
    return None if known and min(known) <= nearest.distance else nearest
