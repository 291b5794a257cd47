"""`FaceID`: the whole system without the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, cast

from faceid.app import matching, watching
from faceid.app.index import GalleryIndex
from faceid.app.matching import ImageLike, source_of
from faceid.app.people import People
from faceid.app.policies import GalleryPolicies
from faceid.app.services import Request, Services
from faceid.app.transfer import Transfer
from faceid.config import Settings
from faceid.decision.decide import Target
from faceid.enrolment.rules import EnrolmentRules
from faceid.enrolment.run import Enrolment
from faceid.gallery.gallery import clean_name
from faceid.live.liveness.checks import Kind as LivenessKind
from faceid.live.loop import Live, Until
from faceid.recognition.subject import SubjectRule
from faceid.results import (
    AlreadyEnrolled,
    CompareResult,
    EnrollResult,
    IdentifyResult,
    Problem,
    RemoveResult,
    VerifyResult,
)
from faceid.sources import Photo

if TYPE_CHECKING:
    from typing_extensions import Self


class FaceID:
    """Enrol, identify, verify and compare faces against one gallery.

    Eight methods do the daily work: enroll, enroll_each, identify, identify_each, verify, compare, watch and remove.
    The other methods are in four parts: `people`, `policies`, `index` and `transfer`. `services` is for programs that
    need the network, the pipeline or the open gallery itself.

    Networks, the gallery and the index are loaded once, when they are first needed. Threads may share an object: many
    may search while one enrols, removes or moves the gallery to another model. Use it as a context manager. Methods
    raise the errors of `faceid.errors`.
    """

    people: People
    policies: GalleryPolicies
    index: GalleryIndex
    transfer: Transfer
    services: Services

    def __init__(
        self,
        db: str | Path | None = None,
        model: str | None = None,
        device: str = "auto",
        *,
        min_face: float | None = None,
        detector: str | None = None,
        notify: Callable[[str], None] | None = None,
        advise: Callable[[Problem], None] | None = None,
        settings: Settings | None = None,
    ) -> None:
        """Open nothing yet. `Settings.load` describes `db`, `model` and `device` and their defaults.

        `min_face` is the smallest face to detect, pixels (None: by the size of the image). `detector` is a name of the
        detector registry, or `auto`: a YuNet that is installed, else MTCNN (None: `$FACEID_DETECTOR`, else `auto`). A
        calibration holds for detectors whose landmarks are those of its own: all built-in ones share them. `notify` is
        called with one-line notes, such as the chosen device, from any thread. `advise` is called when another network
        would miss clearly less (default: `notify` with the message). `settings` replace `db`, `model` and `device`, and
        `detector` if that is None.
        """
        if settings is None:
            settings = Settings.load(db=db, model=model, device=device, detector=detector)
        elif detector is not None:
            settings = replace(settings, detector=detector)
        self.services = Services(
            settings,
            min_face=min_face,
            notify=notify,
            advise=advise,
        )
        self.people = People(self.services)
        self.policies = GalleryPolicies(self.services)
        self.index = GalleryIndex(self.services)
        self.transfer = Transfer(self.services)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the gallery, without waiting: if requests are running, the last of them closes it.

        May be called again. A later request opens the gallery again.
        """
        self.services.close()

    # -- decisions ---------------------------------------------------------------------------------------------

    def identify(self, image: ImageLike, target: Target | None = None, *, top: int = 5) -> IdentifyResult:
        """Search the gallery for each face of the image; each result lists `top` candidates.

        `target` defaults to the gallery's policy for searches, else to FPIR 1 %.
        """
        return next(iter(self.identify_each([image], target, top=top)))

    def identify_each(
        self, images: Iterable[ImageLike], target: Target | None = None, *, top: int = 5
    ) -> Iterator[IdentifyResult]:
        """`identify` for many images, in order; yields each result as soon as it is ready.

        Images are embedded in batches. Those that are ready at the same time are searched in one call.
        """
        return (result for _, result in matching.search(self.services, images, target, top=top))

    def verify(
        self,
        name: str,
        image: ImageLike,
        target: Target | None = None,
        *,
        subject: SubjectRule = "largest",
    ) -> VerifyResult:
        """Compare the subject of the image with the enrolled person `name`.

        `target` defaults to the gallery's policy for comparisons, else to FMR 1e-4. `subject` chooses among several
        faces (`faceid.recognition.subject`).

        Raises InputError if the image cannot be read, shows no face (`no_face`) or several of which none is clearly the
        subject (`multiple_faces`); Refused for an unknown name; UsageError for the subject `all`.
        """
        return matching.verify(self.services, name, image, target, subject)

    def compare(
        self,
        first: ImageLike,
        second: ImageLike,
        target: Target | None = None,
        *,
        subject: SubjectRule = "largest",
    ) -> CompareResult:
        """Compare the subjects of two images. Needs no gallery.

        `target` defaults to the gallery's policy for comparisons if there is one, else to FMR 1e-4. `subject` is as for
        `verify`.

        Raises InputError as `verify` does.
        """
        return matching.compare(self.services, first, second, target, subject)

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
        """Watch a camera (`"0"`), an `rtsp://` or `http://` stream, a video, a directory of images, or `-`.

        Iterate over the result, and close it or use it as a context manager. Each face is searched in the gallery, or
        compared with the one person `claim`. `target` is as for `identify` and, with a claim, as for `verify`. With
        `liveness` only a live face gets a name: `passive` uses single images, `challenge` also asks for a few
        movements. A decision needs at least `least_looks` embedded frames. Files are read as fast as they can be
        processed, with `realtime` at their own pace.

        Raises UsageError (`bad_source`; `not_calibrated` for a model without a calibration), InputError
        (`no_such_source`), ModelError if weights for liveness are missing, Refused for an unknown claim.
        """
        return watching.watch(
            self.services,
            source,
            claim,
            target,
            liveness=liveness,
            realtime=realtime,
            until=until,
            max_fps=max_fps,
            least_looks=least_looks,
        )

    # -- enrolment ---------------------------------------------------------------------------------------------

    def enroll(
        self,
        name: str,
        images: Iterable[ImageLike] | ImageLike,
        rules: EnrolmentRules | None = None,
        *,
        subject: SubjectRule | None = None,
        store_crops: bool = False,
    ) -> list[EnrollResult]:
        """Store the templates of one person's images; returns one result for each image, in their order.

        An image that cannot be used gives a result with a reason, not an error. `rules` decide which images are
        enrolled, and `subject`, if given, replaces theirs. `store_crops` keeps the part of each image around the face
        in the gallery, for a later re-embedding.
        """
        single = isinstance(images, (str, Path)) or hasattr(images, "shape")
        listed = cast("Iterable[ImageLike]", [images] if single else images)
        name = clean_name(name)
        if subject is not None:
            rules = replace(rules or EnrolmentRules(), subject=subject)
        sources = (source_of(image) for image in listed)
        photos = (Photo(source.source, name, source.load) for source in sources)

        def enrolled(request: Request, waiting: Iterator[Photo]) -> Iterator[EnrollResult]:
            return self._enrolment(request, rules, store_crops=store_crops).run(waiting)

        return list(self.services.answer_each(photos, enrolled, create=True))

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
        """`enroll` for photos of many people (see `faceid.sources`); yields each result as soon as it is stored.

        Consecutive photos of one person are decided together. `attributes` by name are stored with each person who has
        an enrolled photo. `ask` is called with questions if the rules require it. `warn` is called with people who seem
        to be enrolled under another name already (default: `notify`). A repeated run continues an interrupted one. A
        re-embedding interrupts a run with GalleryError (`model_mismatch`).
        """
        with self.services.request(create=True) as request:
            # Checked now and not at the first result: the caller must learn at once that no enrolment is possible.
            assert request.model.pipeline
        return self._enrolled_each(photos, rules, attributes, store_crops, ask, warn)

    def remove(self, name: str) -> RemoveResult:
        """Delete a person with all templates; see `People.remove`."""
        return self.people.remove(name)

    def _enrolled_each(
        self,
        photos: Iterable[Photo],
        rules: EnrolmentRules | None,
        attributes: Mapping[str, Mapping[str, str]] | None,
        store_crops: bool,
        ask: Callable[[str], bool] | None,
        warn: Callable[[AlreadyEnrolled], None] | None,
    ) -> Iterator[EnrollResult]:
        with self.services.request(create=True) as request:
            enrolment = self._enrolment(request, rules, store_crops=store_crops, ask=ask, warn=warn)
            yield from enrolment.run(photos, attributes)

    def _enrolment(
        self,
        request: Request,
        rules: EnrolmentRules | None,
        *,
        store_crops: bool,
        ask: Callable[[str], bool] | None = None,
        warn: Callable[[AlreadyEnrolled], None] | None = None,
    ) -> Enrolment:
        model = request.model
        return Enrolment(
            request.gallery,
            model.pipeline,
            request.calibration,
            rules or EnrolmentRules(),
            min_face=model.min_face,
            look_closer=model.look_closer,
            store_crops=store_crops,
            ask=ask or (lambda question: False),
            warn=warn or (lambda warning: self.services.notify(str(warning))),
            note=self.services.notify,
        )
