"""Identification, verification and comparison: from images to results."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from faceid.app.model_services import ModelServices
from faceid.app.services import Request, Services
from faceid.decision.decide import Policy, Target, decide_claim, decide_identity
from faceid.errors import implausible_pose, not_one_face
from faceid.gallery.gallery import clean_name
from faceid.imaging import fetch, from_array
from faceid.policies.stored import state_of
from faceid.recognition.pipeline import Analysis, Observation, Source
from faceid.recognition.subject import ONE_PHOTO, SubjectRule, checked_rule, no_subject, subjects
from faceid.results import CompareResult, FaceResult, IdentifyResult, Problem, VerifyResult
from faceid.types import Decision

if TYPE_CHECKING:
    from faceid.types import Pixels

ImageLike: TypeAlias = Union[str, Path, "Pixels"]
"""A path, or RGB pixels (H, W, 3) uint8."""


def source_of(image: ImageLike) -> Source:
    """The image as an input of the pipeline."""
    if isinstance(image, (str, Path)):
        return Source(str(image), partial(fetch, str(image)))
    return Source("array", partial(from_array, image))


def search(
    services: Services, images: Iterable[ImageLike], target: Target | None = None, *, top: int = 5
) -> Iterator[tuple[Analysis[Source], IdentifyResult]]:
    """Each image's analysis and its search result, in order, each as soon as it is ready.

    Images that are ready at the same time are searched in one call. Raises as `FaceID.identify` does.
    """
    return services.answer_each(
        (source_of(image) for image in images),
        lambda request, sources: _search(services, request, sources, target, top),
    )


def verify(
    services: Services, name: str, image: ImageLike, target: Target | None, subject: SubjectRule
) -> VerifyResult:
    """Whether the image shows the person `name`; see `FaceID.verify`."""
    return services.answer(lambda request: _verify(request, name, image, target, subject))


def compare(
    services: Services, first: ImageLike, second: ImageLike, target: Target | None, subject: SubjectRule
) -> CompareResult:
    """Whether two images show one person; see `FaceID.compare`."""
    checked_rule(subject, ONE_PHOTO)
    model = services.current()
    with services.existing_gallery() as gallery:
        policy = model.policies(gallery).for_claim(target)
    one, other = (_subject_of(model, image, subject) for image in (first, second))
    (probe,), (against,) = one.embeddings, other.embeddings
    decision = decide_claim(float(probe.vector @ against.vector), probe.model.metric, policy)
    return CompareResult(
        paths=(one.source, other.source),
        decision=decision.verdict,
        verified=decision.verified,
        distance=decision.distance,
        similarity=decision.similarity,
        threshold=decision.threshold,
        fmr=decision.fmr,
        fmr_alike=decision.fmr_alike,
        llr=decision.llr,
        boxes=(one.observations[0].face.box, other.observations[0].face.box),
        policy=state_of(policy),
        turned=(one.turned, other.turned),
    )


def _verify(
    request: Request, name: str, image: ImageLike, target: Target | None, subject: SubjectRule
) -> VerifyResult:
    checked_rule(subject, ONE_PHOTO)
    name = clean_name(name)
    request.gallery.require(name)
    policy = request.policies.for_claim(target)
    request.guard()
    analysis = _subject_of(request.model, image, subject)
    (probe,) = analysis.embeddings
    similarity = request.gallery.similarity_to(name, probe)
    decision = decide_claim(similarity, probe.model.metric, policy)
    return VerifyResult(
        path=analysis.source,
        name=name,
        decision=decision.verdict,
        verified=decision.verified,
        distance=decision.distance,
        similarity=decision.similarity,
        threshold=decision.threshold,
        fmr=decision.fmr,
        fmr_alike=decision.fmr_alike,
        llr=decision.llr,
        box=analysis.observations[0].face.box,
        policy=state_of(policy),
        turned=analysis.turned,
    )


def _subject_of(model: ModelServices, image: ImageLike, subject: SubjectRule) -> Analysis[Source]:
    """The image with one face, its subject, which can be compared. Raises InputError."""
    (analysis,) = model.pipeline.analyse([source_of(image)], pick=partial(subjects, rule=subject))
    if analysis.error is not None:
        raise analysis.error
    if len(analysis.observations) != 1:
        raise no_subject(analysis.found, analysis.source, subject)
    if not analysis.observations[0].comparable:
        raise implausible_pose(analysis.source)
    return analysis


def _search(
    services: Services, request: Request, sources: Iterator[Source], target: Target | None, top: int
) -> Iterator[tuple[Analysis[Source], IdentifyResult]]:
    # Before the first image is read: the user must change a target that cannot be met.
    request.policies.for_search(target)
    request.guard()
    for analyses in request.model.pipeline.analyse_in_groups(sources):
        waiting = deque(analyses)
        while waiting:
            # Read before the search, so that no removal is missed.
            edition = services.edition
            for result in _searched(request, waiting, target, top):
                yield waiting.popleft(), result
                # The caller may have removed a person whom the next result names.
                if services.edition != edition:
                    break


def _searched(
    request: Request, analyses: Collection[Analysis[Source]], target: Target | None, top: int
) -> list[IdentifyResult]:
    """The results of analyses that are searched in one call. They share its time evenly."""
    started = time.perf_counter()
    policy = request.policies.for_search(target)
    probes = [
        embedding
        for analysis in analyses
        for observation, embedding in zip(analysis.observations, analysis.embeddings, strict=True)
        if observation.comparable
    ]
    found = deque(request.gallery.search(probes, max(2, top)))
    decided = [
        [
            decide_identity(found.popleft() if observation.comparable else [], policy)
            for observation in analysis.observations
        ]
        for analysis in analyses
    ]
    search_ms = (time.perf_counter() - started) * 1e3 / len(analyses)
    return [
        _identified(analysis, decisions, policy, search_ms, top)
        for analysis, decisions in zip(analyses, decided, strict=True)
    ]


def _identified(
    analysis: Analysis[Source], decisions: Sequence[Decision], policy: Policy, search_ms: float, top: int
) -> IdentifyResult:
    timing = {**analysis.timing_ms, "search": search_ms}
    timing["total"] = sum(timing.values())
    state = state_of(policy)
    if analysis.error is not None:
        problem = Problem.of(analysis.error)
        return IdentifyResult(analysis.source, "unreadable", (), timing, problem, state)
    if not analysis.observations:
        error = not_one_face(0, analysis.source)
        problem = Problem.of(error)
        return IdentifyResult(analysis.source, "no_face", (), timing, problem, state, analysis.turned)
    faces = tuple(
        _face_result(observation, decision, top)
        for observation, decision in zip(analysis.observations, decisions, strict=True)
    )
    return IdentifyResult(analysis.source, "ok", faces, timing, policy=state, turned=analysis.turned)


def _face_result(observation: Observation, decision: Decision, top: int) -> FaceResult:
    face = observation.face
    return FaceResult(
        box=face.box,
        landmarks=tuple((float(x), float(y)) for x, y in face.landmarks),
        detection_score=face.score,
        quality=observation.quality.score,
        decision=decision.verdict,
        name=decision.name,
        distance=decision.distance,
        similarity=decision.similarity,
        threshold=decision.threshold,
        fmr=decision.fmr,
        fmr_alike=decision.fmr_alike,
        llr=decision.llr,
        candidates=decision.candidates[:top],
        reason=None if observation.comparable else "implausible_pose",
    )
