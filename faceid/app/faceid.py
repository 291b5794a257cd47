"""`FaceID`: the whole system without the command line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union, cast

from faceid.app.administration import Administration
from faceid.app.answers import identified, said
from faceid.app.factories import open_liveness_detector
from faceid.decision.decide import Target, decide_claim, decide_identity
from faceid.decision.scores import distance_from_similarity
from faceid.enrolment.rules import EnrolmentRules
from faceid.enrolment.run import Enrolment
from faceid.errors import UsageError, not_one_face
from faceid.gallery.gallery import clean_name
from faceid.imaging import fetch, from_array
from faceid.live.decision.evidence import Evidence
from faceid.live.liveness.checks import CHALLENGE_FPS, check_maker
from faceid.live.liveness.checks import Kind as LivenessKind
from faceid.live.loop import Live, Until
from faceid.live.source.addresses import parse_address
from faceid.live.source.capture import Capture
from faceid.live.watch import Watch
from faceid.policies.stored import state_of
from faceid.recognition.pipeline import Look, Source
from faceid.results import AlreadyEnrolled, CompareResult, EnrollResult, IdentifyResult, VerifyResult
from faceid.sources import Photo
from faceid.types import Candidate, Embedding

if TYPE_CHECKING:
    from faceid.types import Pixels, Vector

ImageLike: TypeAlias = Union[str, Path, "Pixels"]
"""A path, or RGB pixels (H, W, 3) uint8."""

_CANDIDATES = 10
"""Compared with each look at a face that is watched: beyond the nearest, those who might take its name over."""


class FaceID(Administration):
    """Enrol, identify, verify and compare faces against one gallery.

    Everything heavy is loaded when first needed. Use it as a context manager, from one thread. Methods raise
    the errors of `faceid.errors`.
    """

    # -- decisions ---------------------------------------------------------------------------------------------

    def identify(self, image: ImageLike, target: Target | None = None, *, top: int = 5) -> IdentifyResult:
        """Who is in this picture? `top` candidates are listed for each face.

        `target` defaults to the gallery's policy for searches, else to FPIR 1 %.
        """
        return next(iter(self.identify_each([image], target, top=top)))

    def identify_each(
        self, images: Iterable[ImageLike], target: Target | None = None, *, top: int = 5
    ) -> Iterator[IdentifyResult]:
        """`identify` for many pictures, in order, each as soon as it is known."""
        return (result for _, result in self.search(images, target, top=top))

    def search(
        self, images: Iterable[ImageLike], target: Target | None = None, *, top: int = 5
    ) -> Iterator[tuple[Look[Source], IdentifyResult]]:
        """`identify_each`, with what was seen beside what was decided."""
        gallery = self.gallery()
        self._check_model_name(gallery)
        # Before the first picture is read: a target that cannot be met is the user's to mend.
        self.policies.for_search(target)
        gallery.guard(self.embedder.model)
        for look in self.pipeline.look(_source(image) for image in images):
            started = time.perf_counter()
            policy = self.policies.for_search(target)
            found = gallery.search(look.embeddings, max(2, top))
            decisions = [decide_identity(candidates, policy) for candidates in found]
            timing = {**look.timing_ms, "search": (time.perf_counter() - started) * 1e3}
            timing["total"] = sum(timing.values())
            yield look, identified(look, decisions, policy, timing, top)

    def verify(self, name: str, image: ImageLike, target: Target | None = None) -> VerifyResult:
        """Does this picture show the enrolled person `name`?

        `target` defaults to the gallery's policy for comparisons, else to FMR 1e-4.

        Raises InputError where the picture cannot be read or does not show exactly one face.
        """
        gallery = self.gallery()
        self._check_model_name(gallery)
        name = clean_name(name)
        gallery.require(name)
        policy = self.policies.for_claim(target)
        gallery.guard(self.embedder.model)
        path, probe = self._one_face(image)
        similarity = gallery.similarity_to(name, probe)
        decision = decide_claim(similarity, probe.model.metric, policy)
        return VerifyResult(path, name, *said(decision), state_of(policy))

    def compare(self, first: ImageLike, second: ImageLike, target: Target | None = None) -> CompareResult:
        """Do two pictures show one person? Needs no gallery.

        `target` defaults to the policy for comparisons of the gallery, where there is one, else to FMR 1e-4.
        """
        policy = self.policies.for_claim(target)
        (path, probe), (other_path, other) = self._one_face(first), self._one_face(second)
        similarity = float(probe.vector @ other.vector)
        decision = decide_claim(similarity, probe.model.metric, policy)
        return CompareResult((path, other_path), *said(decision), state_of(policy))

    def watch(
        self,
        source: str,
        claim: str | None = None,
        target: Target | None = None,
        *,
        liveness: LivenessKind = "off",
        realtime: bool = False,
        until: Until | None = None,
        max_fps: float | None = None,
        least_looks: int = 1,
    ) -> Live:
        """Watch a camera (`"0"`), an `rtsp://` or `http://` stream, a video, a directory of pictures, or `-`.

        Iterate over the result, and close it or use it as a context manager. Faces are searched in the gallery, or
        held against the one `claim`. `target` is as for `identify` and, with a claim, `verify`. With `liveness`
        nobody is named who is not found live: `passive` judges by the looks alone, `challenge` asks for a few
        movements too. A decision takes `least_looks` embedded frames at least. Files are read as fast as they can be
        looked at, with `realtime` at their own pace.

        Raises UsageError (`bad_source`; `not_calibrated` for a model without a calibration), InputError
        (`no_such_source`), ModelError where weights for liveness are missing, Refused for a claim that nobody enrolled
        goes by.
        """
        address = parse_address(source)
        if liveness == "challenge" and max_fps is not None and max_fps < CHALLENGE_FPS:
            raise UsageError(
                f"a challenge cannot be followed at {max_fps:g} frames a second",
                hint=f"allow {CHALLENGE_FPS:g} or more, or use --liveness passive",
            )
        gallery = self.gallery()
        self._check_model_name(gallery)
        name = None if claim is None else clean_name(claim)
        if name is not None:
            gallery.require(name)
        policies = self.policies
        policy = policies.for_search if name is None else policies.for_claim
        metric = self._model_key.metric

        def search(vector: Vector) -> tuple[Candidate, ...]:
            probe = Embedding(vector, self.embedder.model)
            if name is None:
                return gallery.search([probe], _CANDIDATES)[0]
            similarity = gallery.similarity_to(name, probe)
            return (Candidate(name, distance_from_similarity(similarity, metric), similarity),)

        def begin() -> Evidence:
            return Evidence(search, policy(target), metric, claim=name is not None)

        # Before anything is opened: what cannot be decided needs no camera.
        begin()
        gallery.guard(self.embedder.model)
        watch = Watch(
            self.pipeline.detector,
            self.embedder,
            begin,
            claim=name,
            check=check_maker(
                liveness,
                open_liveness_detector(liveness, self.model_name, self.device, self.settings),
                policy(target),
                metric,
            ),
            least_looks=least_looks,
            hurried=address.live or realtime,
        )
        return Live(Capture(address, realtime=realtime), watch, until, max_fps=max_fps)

    # -- enrolment ---------------------------------------------------------------------------------------------

    def enroll(
        self,
        name: str,
        images: Iterable[ImageLike] | ImageLike,
        rules: EnrolmentRules | None = None,
        *,
        store_crops: bool = False,
    ) -> list[EnrollResult]:
        """Store the templates of a person's photos; what became of each, in order.

        Photos that cannot be used are results with a reason, not errors. `rules` say what is let in. `store_crops`
        keeps the part of each photo around the face in the gallery, for a later `reembed`.
        """
        single = isinstance(images, (str, Path)) or hasattr(images, "shape")
        photos = cast("Iterable[ImageLike]", [images] if single else images)
        name = clean_name(name)
        sources = (_source(image) for image in photos)
        return list(
            self.enroll_each(
                (Photo(source.source, name, source.load) for source in sources),
                rules,
                store_crops=store_crops,
            )
        )

    def enroll_each(
        self,
        photos: Iterable[Photo],
        rules: EnrolmentRules | None = None,
        *,
        attributes: Mapping[str, Mapping[str, str]] | None = None,
        store_crops: bool = False,
        ask: Callable[[str], bool] | None = None,
        warn: Callable[[AlreadyEnrolled], None] | None = None,
    ) -> Iterator[EnrollResult]:
        """`enroll` for photos of many people (see `faceid.sources`), each result as soon as it is stored.

        Photos of one person are best given one after the other: they are decided on together. `attributes` by name are
        stored with those of whom a photo is let in. `ask` answers questions where the rules say so, and `warn` is told
        who seems to be enrolled under another name (default: `notify` is). A run that was cut short goes on where it
        was when it is repeated.
        """
        gallery = self.gallery(create=True)
        self._check_model_name(gallery)
        enrolment = Enrolment(
            gallery,
            self.pipeline,
            self.calibration,
            rules or EnrolmentRules(),
            min_face=self._min_face,
            look_closer=self._look_closer,
            store_crops=store_crops,
            ask=ask or (lambda question: False),
            warn=warn or (lambda warning: self._note(str(warning))),
        )
        return enrolment.run(photos, attributes)

    def _one_face(self, image: ImageLike) -> tuple[str, Embedding]:
        (look,) = self.pipeline.look([_source(image)])
        if look.error is not None:
            raise look.error
        if len(look.observations) != 1:
            raise not_one_face(len(look.observations), look.source)
        return look.source, look.embeddings[0]


def _source(image: ImageLike) -> Source:
    if isinstance(image, (str, Path)):
        return Source(str(image), partial(fetch, str(image)))
    return Source("array", partial(from_array, image))
