"""A group of photos of one person -> the person's face on each photo, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faceid.decision.scores import distance_from_similarity, identity_similarity, similarity_from_distance
from faceid.decision.thresholds import fmr_at_distance, threshold_at_fmr
from faceid.enrolment.checks.agreement import agreement

if TYPE_CHECKING:
    from faceid.networks.registry import Calibration
    from faceid.types import Metric

Refusal: TypeAlias = Literal["no_face", "outlier", "no_face_agrees", "faces_too_alike", "undecided"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What counts as near; chosen by scripts/studies/check_guards.py and check_takeovers.py.

    A face belongs to the person of its group at a distance with an FMR of at most `near`. Beyond an FMR of `stranger`
    it is clearly that of another person. Two faces are of one scene at less than `scene` times the distance of `near`.
    """

    near: float = 1e-2
    stranger: float = 5e-2
    scene: float = 0.15


BOUNDS = Bounds()

VOTING = 2048
"""The greatest number of faces compared with each other; they judge the photos beyond it, which have most faces."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of its group on a photo: exactly one of `face` and `refusal` is set.

    `face` is the index of the person's face on the photo. `distance` is to the rest of the group and the enrolled
    templates together; `fmr` is the FMR at that distance. Both are those of this face, or of the nearest refused one;
    None where there is nothing to compare with. `doubtful` is set for the only face of a photo that does not agree with
    the others, and yet is not clearly that of another person.

    - `no_face`: the photo shows none;
    - `outlier`: its only face is not the person whom most other photos show;
    - `no_face_agrees`: it shows several faces, none of them that person's;
    - `faces_too_alike`: it shows several, and two of them could be the person;
    - `undecided`: the photos disagree, and no person is in more of them than another.
    """

    face: int | None
    refusal: Refusal | None
    distance: float | None = None
    fmr: float | None = None
    doubtful: bool = False


def examine(
    photos: Sequence[NDArray[np.float32]],
    enrolled: NDArray[np.float32],
    calibration: Calibration,
    metric: Metric,
    bounds: Bounds = BOUNDS,
) -> list[Verdict]:
    """One verdict a photo, of which each is given by the unit vectors (k, d) of its faces, k >= 0.

    `enrolled` (m, d), m >= 0, are the identity's stored templates: they determine the person. One photo with one face
    is never refused where nothing is enrolled.
    """
    voting = _voters([len(own) for own in photos])
    if not voting:
        return [Verdict(None, "no_face") for _ in photos]
    near = _at(calibration, bounds.near)
    stranger = _at(calibration, max(bounds.near, bounds.stranger))
    found = agreement(
        np.concatenate([photos[number] for number in voting]),
        np.repeat(voting, [len(photos[number]) for number in voting]),
        enrolled,
        join=similarity_from_distance(near, metric),
        same_scene=scene_similarity(calibration, metric, bounds),
    )
    ends = np.cumsum([len(photos[number]) for number in voting])
    similarity = dict(zip(voting, np.split(found.similarity, ends[:-1]), strict=True))
    if len(enrolled):
        # A copy of an enrolled photo shows the person, although it adds no scene to compare with.
        for number, own in similarity.items():
            if np.isnan(own).all():
                own[:] = [identity_similarity(face, enrolled) for face in photos[number]]
    length = max(float(np.linalg.norm(found.mean)), 1e-12)
    return [
        _judge(
            similarity[number] if number in similarity else own @ found.mean / length**0.5,
            found.decided,
            near,
            stranger,
            calibration,
            metric,
        )
        for number, own in enumerate(photos)
    ]


def _voters(counts: Sequence[int]) -> list[int]:
    """The photos that determine the person: those with few faces first, within VOTING faces."""
    order = sorted(
        (number for number, count in enumerate(counts) if count), key=lambda number: counts[number]
    )
    total = np.cumsum([counts[number] for number in order])
    return sorted(order[: max(1, int((total <= VOTING).sum()))])


def _judge(
    similarity: NDArray[np.float64],
    decided: bool,
    near: float,
    stranger: float,
    calibration: Calibration,
    metric: Metric,
) -> Verdict:
    count = len(similarity)
    if count == 0:
        return Verdict(None, "no_face")
    if not decided:
        return Verdict(None, "undecided")
    if np.isnan(similarity).all():
        # Nothing to compare with: one photo, or one scene.
        return Verdict(0, None) if count == 1 else Verdict(None, "undecided")
    order = np.argsort(-similarity, kind="stable")
    nearest = distance_from_similarity(float(similarity[order[0]]), metric)
    rate = fmr_at_distance(calibration, nearest)
    if count == 1 and near < nearest <= stranger:
        return Verdict(0, None, nearest, rate, doubtful=True)
    if nearest > near:
        return Verdict(None, "outlier" if count == 1 else "no_face_agrees", nearest, rate)
    if count > 1:
        second = distance_from_similarity(float(similarity[order[1]]), metric)
        close = second - nearest < calibration.ambiguity_margin
        if close and second <= near:
            return Verdict(None, "faces_too_alike", nearest, rate)
    return Verdict(int(order[0]), None, nearest, rate)


def scene_similarity(calibration: Calibration, metric: Metric, bounds: Bounds = BOUNDS) -> float:
    """The least cosine of two faces of one scene: copies, frames of a burst."""
    return similarity_from_distance(bounds.scene * _at(calibration, bounds.near), metric)


def _at(calibration: Calibration, fmr: float) -> float:
    # A calibration on few people may not reach down to the rate: then its strictest point.
    return threshold_at_fmr(calibration, max(fmr, calibration.points[0].fmr))
