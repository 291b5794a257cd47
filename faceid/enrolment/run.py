"""Photos of people -> stored templates: a stream of groups of photos, each decided and stored together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from enrollment_db.errors import UnknownIdentity
from faceid.decision.scores import identity_similarity
from faceid.enrolment.admission import Admission
from faceid.enrolment.cases import Case, SeenFace, SeenPhoto
from faceid.enrolment.checks.group import scene_similarity
from faceid.enrolment.checks.selection import select
from faceid.enrolment.rules import EnrolmentRules
from faceid.errors import InputError, UnreadableImage, UsageError
from faceid.gallery.gallery import Gallery, clean_name
from faceid.recognition.pipeline import Analysis, LookCloser, Pipeline
from faceid.recognition.quality import is_dark
from faceid.recognition.stored_crop import make_stored_crop
from faceid.recognition.subject import subjects
from faceid.results import AlreadyEnrolled, EnrollResult, Problem
from faceid.sources import Photo

if TYPE_CHECKING:
    from faceid.enrolment.checks.conflict import DuplicateEnrolment
    from faceid.networks.registry import Calibration

GROUP = 256
"""Photos of one person that are decided on together, at most."""

STORED = ("enrolled", "unconfirmed")
"""The outcomes of photos that have a template."""

FAIR, SAME = 0.5, 1.0 - 1e-6
"""The quality of a template without one, and the cosine of copies where the model has no calibration."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One run of enrolling people into a gallery.

    Consecutive photos of one person are a group. The run embeds all photos of a group, decides which to accept, and
    stores the accepted ones and the outcomes of the others in one transaction. An interrupted run with the same rules
    continues where it stopped: it decodes no photo twice and decides no photo twice. `min_face` is the smallest face
    that the detector looks for, pixels. `look_closer` tells whether an image without a detected face holds a face that
    is too small. With `store_crops` the run keeps the part of each photo around the face. `ask` is as for `Admission`.
    `warn` receives each person who seems to be enrolled already under another name. `note` receives, once a run, what
    the guards cannot promise in a gallery of this size.
    """

    gallery: Gallery
    pipeline: Pipeline
    calibration: Calibration | None
    rules: EnrolmentRules = field(default_factory=EnrolmentRules)
    min_face: float | None = None
    look_closer: LookCloser | None = None
    store_crops: bool = False
    ask: Callable[[str], bool] = lambda question: False
    warn: Callable[[AlreadyEnrolled], None] = lambda warning: None
    note: Callable[[str], None] = lambda limit: None

    def run(
        self, photos: Iterable[Photo], attributes: Mapping[str, Mapping[str, str]] | None = None
    ) -> Iterator[EnrollResult]:
        """The outcome of each photo, in order. A whole group is on disk before its first outcome is yielded.

        `attributes`, by name, are stored with each person of whom a photo is enrolled.
        """
        model = self.pipeline.embedder.model
        self.gallery.guard(model)
        admission = Admission(self.gallery, model, self.calibration, self.rules, self.ask)
        known: dict[str, dict[str, str]] = {}
        for raw, values in (attributes or {}).items():
            known.setdefault(_cleaned(raw), {}).update(values)
        run = self._run_id()
        before = {key: _from_json(outcome) for key, outcome in self.gallery.outcomes(run).items()}
        kept = {name for name, _ in before}
        done: set[str] = set()
        noted = False
        fresh = 0

        def is_new(photo: Photo, sha256: str) -> bool:
            name = _cleaned(photo.name)
            return (name, sha256) not in before and name not in self.gallery.holders_of(sha256, model)

        pick = partial(subjects, rule=self.rules.subject)
        analyses = self.pipeline.analyse(photos, wanted=is_new, closer=self.look_closer, pick=pick)
        for name, group in self._groups(analyses):
            results: list[EnrollResult] | None = None
            while results is None:
                held = self._held(name)
                cases = [
                    Case(seen, result=_again(before.get((name, seen.sha256 or "")), seen)) for seen in group
                ]
                open_cases = [case for case in cases if case.is_open]
                decided = admission.decide(name, cases)
                with self.gallery.transaction():
                    # Another process or thread may have stored photos of the person: then decide again.
                    if self._held(name) != held:
                        continue
                    if decided.confirmed:
                        self.gallery.confirm(decided.confirmed)
                    leaving = self._keep_few(name, cases) | self._let_few_wait(name, cases)
                    for case in cases:
                        self._store(name, case)
                    dropped = self._remove(name, leaving)
                    results = [_result(case) for case in cases]
                    if known.get(name) and self._may_describe(name, results):
                        self.gallery.set_attributes(name, known[name])
                    if outcomes := dropped + _outcomes(open_cases):
                        self.gallery.keep_outcomes(run, name, outcomes)
                        kept.add(name)
            if decided.duplicate is not None:
                self.warn(_already_enrolled(name, decided.duplicate, open_cases))
            if decided.limit is not None and not noted:
                noted = True
                self.note(decided.limit)
            done.add(name)
            fresh += sum(1 for result in results if result.status in STORED)
            # Now and not only at the end: a long run may be interrupted.
            if self.gallery.maintenance is not None and self.gallery.maintenance.leave(fresh):
                fresh = 0
            yield from results
        if ended := kept & done:
            self.gallery.forget_outcomes(run, ended)

    def _run_id(self) -> str:
        """A hash of what influences a decision beside the photo and the gallery."""
        pipeline = self.pipeline
        what = [asdict(self.rules), asdict(pipeline.embedder.model), self.min_face, pipeline.detector_name]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()

    def _groups(self, analyses: Iterable[Analysis[Photo]]) -> Iterator[tuple[str, Sequence[SeenPhoto]]]:
        """Consecutive photos of one person, at most GROUP of them. Photos without a valid name have the name ""."""
        group: list[SeenPhoto] = []
        for name, looks_of_one in groupby(analyses, key=lambda analysis: _cleaned(analysis.origin.name)):
            for analysis in looks_of_one:
                group.append(self._without_pixels(analysis))
                if len(group) == GROUP:
                    yield name, group
                    group = []
            if group:
                yield name, group
                group = []

    def _without_pixels(self, analysis: Analysis[Photo]) -> SeenPhoto:
        error = analysis.error or _bad_name(analysis.origin)
        found = analysis.found
        try:
            faces = self._faces(analysis)
        except UnreadableImage as problem:
            # A crop to store is cut from the whole photo, for which there may be no memory.
            found, faces, error = 0, (), error or problem
        looked = analysis.image is not None or error is not None
        return SeenPhoto(
            analysis.source,
            analysis.sha256,
            error,
            found,
            faces,
            analysis.too_small,
            looked,
            analysis.turned,
            analysis.too_dark,
        )

    def _faces(self, analysis: Analysis[Photo]) -> tuple[SeenFace, ...]:
        return tuple(
            SeenFace(
                observation.face,
                analysis.in_file(observation.face),
                observation.quality,
                embedding,
                make_stored_crop(analysis.image, observation.face)
                if self.store_crops and analysis.image is not None
                else None,
                observation.comparable,
                observation.quality.worst == "exposure" and is_dark(observation.crop),
            )
            for observation, embedding in zip(analysis.observations, analysis.embeddings, strict=True)
        )

    def _keep_few(self, name: str, cases: Sequence[Case]) -> set[int]:
        """Choose as many templates as the rules allow, among the stored and the new ones.

        Returns the ids of the stored templates to remove.
        """
        keep = self.rules.max_templates
        model = self.pipeline.embedder.model
        chosen = [(case, case.face) for case in cases if case.face is not None and case.doubt is None]
        stored = self.gallery.enrolled(name, model) if chosen else None
        before = 0 if stored is None else len(stored.template_ids)
        if before + len(chosen) <= keep:
            return set()
        vectors = [face.embedding.vector for _, face in chosen]
        qualities = [face.quality.score for _, face in chosen]
        if stored is not None:
            vectors = [*stored.vectors, *vectors]
            # An imported template has no quality: it counts as FAIR.
            qualities = [*(FAIR if one is None else one for one in stored.qualities), *qualities]
        kept = select(
            np.stack(vectors),
            qualities,
            keep,
            already=range(before),
            same_scene=SAME if self.calibration is None else scene_similarity(self.calibration, model.metric),
        )
        for place, (case, _) in enumerate(chosen, start=before):
            if place not in kept:
                case.face = None
                case.result = _redundant(case.seen.source, name, keep, faces=case.seen.found)
        ids: Iterable[int] = () if stored is None else stored.template_ids
        return {int(id_) for place, id_ in enumerate(ids) if place not in kept}

    def _let_few_wait(self, name: str, cases: Sequence[Case]) -> set[int]:
        """Choose as many unconfirmed templates as the rules allow, those nearest to the confirmed ones.

        Returns the ids of the stored templates to remove.
        """
        keep = self.rules.max_templates
        model = self.pipeline.embedder.model
        chosen = [(case, case.face) for case in cases if case.face is not None and case.doubt is not None]
        stored = self.gallery.unconfirmed(name, model) if chosen else None
        before = 0 if stored is None else len(stored.template_ids)
        if before + len(chosen) <= keep:
            return set()
        own = [
            *self.gallery.vectors_of(name, model),
            *(case.face.embedding.vector for case in cases if case.face is not None and case.doubt is None),
        ]
        vectors = [
            *([] if stored is None else stored.vectors),
            *(face.embedding.vector for _, face in chosen),
        ]
        similarity = [identity_similarity(one, np.stack(own)) if own else 0.0 for one in vectors]
        # The stored ones come first where nothing tells them apart.
        kept = set(sorted(range(len(vectors)), key=lambda place: -similarity[place])[:keep])
        for place, (case, _) in enumerate(chosen, start=before):
            if place not in kept:
                case.face = None
                case.result = _redundant(case.seen.source, name, keep, faces=case.seen.found, waiting=True)
        ids: Iterable[int] = () if stored is None else stored.template_ids
        return {int(id_) for place, id_ in enumerate(ids) if place not in kept}

    def _held(self, name: str) -> list[tuple[int, str]]:
        """The templates of the person and their states, as a decision depends on them."""
        try:
            return [(one.template_id, one.state) for one in self.gallery.templates(name)] if name else []
        except UnknownIdentity:
            return []

    def _may_describe(self, name: str, results: Sequence[EnrollResult]) -> bool:
        """Whether the photos may change the person's attributes: unconfirmed ones do not where others are confirmed."""
        states = {result.status for result in results}
        return "enrolled" in states or ("unconfirmed" in states and not self.gallery.template_count(name))

    def _remove(self, name: str, leaving: Collection[int]) -> list[tuple[str, str]]:
        """Remove templates. Returns the outcomes of their photos, as `Gallery.keep_outcomes` takes them."""
        if not leaving:
            return []
        photos = [photo for photo in self.gallery.templates(name) if photo.template_id in leaving]
        for photo in photos:
            self.gallery.remove_template(photo.template_id)
        keep = self.rules.max_templates
        return [
            (
                photo.sha256,
                json.dumps(asdict(_redundant(photo.source or "", name, keep, faces=1, waiting=waiting))),
            )
            for photo in photos
            for waiting in [photo.state == "unconfirmed"]
        ]

    def _store(self, name: str, case: Case) -> None:
        seen, chosen = case.seen, case.face
        if chosen is None or case.result is not None:
            return
        assert seen.sha256 is not None
        template_id = self.gallery.add(
            name,
            chosen.embedding,
            sha256=seen.sha256,
            source=seen.source,
            face=chosen.in_file,
            quality=chosen.quality,
            crop=chosen.crop,
            state="confirmed" if case.doubt is None else "unconfirmed",
            detector=self.pipeline.detector_name,
        )
        case.result = EnrollResult(
            seen.source,
            "enrolled" if case.doubt is None else "unconfirmed",
            template_id=template_id,
            box=chosen.face.box,
            quality=chosen.quality.score,
            quality_factors=dict(chosen.quality.factors),
            faces=seen.found,
            name=name,
            problem=case.doubt,
            turned=seen.turned,
        )


def _result(case: Case) -> EnrollResult:
    if case.copy_of is None:
        assert case.result is not None
        return case.result
    # The same bytes: stored once, or refused for the same reason.
    first = _result(case.copy_of)
    if first.status == "enrolled":
        return EnrollResult(case.seen.source, "duplicate", template_id=first.template_id, name=first.name)
    return replace(first, path=case.seen.source)


def _cleaned(name: str | None) -> str:
    """The name under which photos of `name` are stored; "" for a missing or an invalid name."""
    try:
        return "" if name is None else clean_name(name)
    except UsageError:
        return ""


def _bad_name(photo: Photo) -> InputError | None:
    try:
        if photo.name is not None:
            clean_name(photo.name)
    except UsageError as error:
        return UnreadableImage(
            str(error),
            code=error.code,
            remedy=error.remedy,
            **error.facts,
            path=photo.source,
        )
    return None


def _redundant(source: str, name: str, kept: int, *, faces: int, waiting: bool = False) -> EnrollResult:
    """The result of a photo whose template is not among those that the person keeps, or that wait."""
    why = f"the {kept} templates that are kept of {name} are nearer to their mean"
    if waiting:
        why = f"the {kept} unconfirmed templates that are kept of {name} are nearer to the confirmed ones"
    return EnrollResult(source, "duplicate", faces=faces, name=name, problem=Problem("redundant", why))


def _outcomes(cases: Sequence[Case]) -> list[tuple[str, str]]:
    """The outcomes of photos that are not stored: pairs of SHA-256 and JSON."""
    return [
        (case.seen.sha256, json.dumps(asdict(case.result), default=str))
        for case in cases
        if case.result is not None
        and case.seen.sha256 is not None
        and case.result.name
        and case.result.status not in STORED
        and case.seen.looked
    ]


def _already_enrolled(name: str, duplicate: DuplicateEnrolment, cases: Sequence[Case]) -> AlreadyEnrolled:
    photos = sum(1 for case in cases if case.seen.faces)
    return AlreadyEnrolled(
        name, duplicate.name, duplicate.distance, duplicate.fmr, duplicate.llr, duplicate.photos, photos
    )


def _again(outcome: EnrollResult | None, seen: SeenPhoto) -> EnrollResult | None:
    """The outcome of the same bytes from before the run was interrupted, if there is one."""
    return None if outcome is None or seen.looked else replace(outcome, path=seen.source)


def _from_json(outcome: str) -> EnrollResult:
    told: dict[str, Any] = json.loads(outcome)
    problem, box = told.pop("problem"), told.pop("box")
    if problem is not None:
        # Versions before 0.2 stored the hint itself.
        problem.pop("hint", None)
    return EnrollResult(
        **told,
        box=None if box is None else tuple(box),
        problem=None if problem is None else Problem(**problem),
    )
