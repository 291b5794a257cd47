"""Photos of a person -> stored templates: what is let in, and why the rest is not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from faceid.decide import Target, decide_identity, policy_for
from faceid.errors import FaceCountError, InputError, PhotoRefused, UnreadableImage
from faceid.gallery import Gallery
from faceid.guards.levels import QUALITY_LEVELS
from faceid.pipeline import Look, Observation, Pipeline, Source
from faceid.results import EnrollResult, Problem, Reason
from faceid.stored_crop import make_stored_crop
from faceid.types import Image

if TYPE_CHECKING:
    from models.registry import Calibration

MIN_QUALITY = QUALITY_LEVELS["standard"]
"""Photos of less quality are refused where nothing else is asked for.

It is the level `standard`; what it refuses is told at `faceid.guards.levels.QUALITY_LEVELS`.
"""


CONFLICT_FPIR, CONFLICT_FMR = 1e-3, 1e-4
"""A photo is somebody else's where it matches that person under both: one honest photo in a thousand is refused.

The search for a probe may be laxer: there a false name costs more than a missed one, here it is the other way round.
"""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One run of enrolling people into a gallery.

    Without `calibration` of the model nobody's photo is taken for somebody else's, but for one that is enrolled
    already. `look_closer` says whether an image without a face holds one that is only too small. With
    `store_crops`, the part of each photo around the face is kept.
    """

    gallery: Gallery
    pipeline: Pipeline
    calibration: Calibration | None
    look_closer: Callable[[Image], bool] | None = None
    min_quality: float | None = None
    accept_conflicts: bool = False
    store_crops: bool = False

    def run(self, name: str, sources: Iterable[Source]) -> Iterator[EnrollResult]:
        """What became of each photo, in order; each is on disk before it is yielded."""
        model = self.pipeline.embedder.model
        self.gallery.guard(model)
        for look in self.pipeline.look(
            sources, wanted=lambda image: name not in self.gallery.holders_of(image.sha256, model)
        ):
            try:
                yield self._enroll(name, look)
            except InputError as error:
                yield _rejected(name, look, error)

    def _enroll(self, name: str, look: Look) -> EnrollResult:
        if look.error is not None:
            raise look.error
        assert look.image is not None
        model = self.pipeline.embedder.model
        holders = self.gallery.holders_of(look.image.sha256, model)
        if name in holders:
            return EnrollResult(look.source, "duplicate", template_id=holders[name], name=name)
        observation = self._only_face(look)
        self._check_quality(observation, look.source)
        if not self.accept_conflicts:
            self._check_conflict(name, look, holders)
        template_id = self.gallery.add(
            name,
            look.embeddings[0],
            image=look.image,
            face=observation.face,
            quality=observation.quality,
            crop=make_stored_crop(look.image, observation.face) if self.store_crops else None,
        )
        return EnrollResult(
            look.source,
            "enrolled",
            template_id=template_id,
            box=observation.face.box,
            quality=observation.quality.score,
            quality_factors=dict(observation.quality.factors),
            name=name,
        )

    def _only_face(self, look: Look) -> Observation:
        if len(look.observations) == 1:
            return look.observations[0]
        assert look.image is not None
        if not look.observations and self.look_closer is not None and self.look_closer(look.image):
            raise PhotoRefused(
                "the face is too small",
                code="face_too_small",
                hint="use a photo where the face is larger, or --min-face",
                path=look.source,
            )
        raise not_one_face(len(look.observations), look.source)

    def _check_quality(self, observation: Observation, path: str) -> None:
        quality = observation.quality
        least = MIN_QUALITY if self.min_quality is None else self.min_quality
        if quality.score < least:
            raise PhotoRefused(
                f"quality {quality.score:.2f} is below {least:.2f}, mostly for {quality.worst}"
                f" ({quality.factors[quality.worst]:.2f})",
                hint="take a sharp, evenly lit photo from the front, or lower --min-quality",
                path=path,
            )

    def _check_conflict(self, name: str, look: Look, holders: Collection[str]) -> None:
        """Refuse a face that the gallery would take for somebody else."""
        hint = "check whose face it is; --on-conflict accept where they truly are two people"
        if holders:
            raise PhotoRefused(
                f"the same photo is enrolled as {', '.join(holders)}",
                code="identity_conflict",
                hint=hint,
                path=look.source,
            )
        if self.calibration is None:
            return
        policy = policy_for(
            Target(fpir=CONFLICT_FPIR),
            self.calibration,
            identities=max(self.gallery.identity_count(), round(CONFLICT_FPIR / CONFLICT_FMR)),
        )
        (candidates,) = self.gallery.search(look.embeddings, top=2)
        decision = decide_identity(candidates, policy)
        if decision.verdict != "unknown" and candidates[0].name != name:
            raise PhotoRefused(
                f"the face matches {candidates[0].name} (distance {candidates[0].distance:.3f},"
                f" threshold {policy.threshold:.3f})",
                code="identity_conflict",
                hint=hint,
                path=look.source,
            )


def _rejected(name: str, look: Look, error: InputError) -> EnrollResult:
    # A photo that was seen keeps its box and quality: they show what to change.
    observation = look.observations[0] if len(look.observations) == 1 else None
    return EnrollResult(
        look.source,
        "rejected",
        reason="unreadable" if isinstance(error, UnreadableImage) else cast("Reason", error.code),
        box=observation.face.box if observation else None,
        quality=observation.quality.score if observation else None,
        quality_factors=dict(observation.quality.factors) if observation else None,
        name=name,
        problem=Problem(error.code, str(error), error.hint),
    )


def not_one_face(count: int, path: str) -> FaceCountError:
    """The error for `count` faces where one is needed."""
    if count:
        return FaceCountError(
            f"{count} faces where one is needed",
            code="multiple_faces",
            hint="crop the photo to one person",
            path=path,
        )
    return FaceCountError("no face found", code="no_face", hint="use a photo that shows a face", path=path)
