"""`FaceID`: the whole system without the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
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
from faceid.results import (
    AlreadyEnrolled,
    CompareResult,
    EnrollResult,
    IdentifyResult,
    RemoveResult,
    VerifyResult,
)
from faceid.sources import Photo

if TYPE_CHECKING:
    from typing_extensions import Self


class FaceID:
    """Enrol, identify, verify and compare faces against one gallery.

    Eight methods do the daily work: enroll, enroll_each, identify, identify_each, verify, compare, watch and remove.
    The rest is in parts: `people`, `policies`, `index` and `transfer`. `services` gives what they all work with, for
    programs that need the network, the pipeline or the open gallery itself.

    Networks, the gallery and the index are loaded when they are first needed, once. Threads may share an object: many
    may ask while one enrols, removes or moves the gallery to another model. Use it as a context manager. Methods raise
    the errors of `faceid.errors`.
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
        settings: Settings | None = None,
    ) -> None:
        """Open nothing yet. `Settings.load` says what `db`, `model` and `device` may be and which defaults they have.

        `min_face` is the smallest face to look for, pixels (None: by the size of the image). `detector` is a name of
        the detector registry (None: the one that goes with the model); a calibration holds for the detector that it was
        made with. `notify` is called with one-line notes, such as the chosen device, from any thread. `settings` take
        the place of `db`, `model` and `device`.
        """
        self.services = Services(
            Settings.load(db=db, model=model, device=device) if settings is None else settings,
            min_face=min_face,
            detector=detector,
            notify=notify,
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
        """Close the gallery. Running requests finish first: the last of them closes it, and this does not wait.

        May be called again. A later request opens the gallery again.
        """
        self.services.close()

    # -- decisions ---------------------------------------------------------------------------------------------

    def identify(self, image: ImageLike, target: Target | None = None, *, top: int = 5) -> IdentifyResult:
        """Who is in this image? `top` candidates are listed for each face.

        `target` defaults to the gallery's policy for searches, else to FPIR 1 %.
        """
        return next(iter(self.identify_each([image], target, top=top)))

    def identify_each(
        self, images: Iterable[ImageLike], target: Target | None = None, *, top: int = 5
    ) -> Iterator[IdentifyResult]:
        """`identify` for many images, in order, each as soon as it is known.

        Images are embedded in batches, and those that are ready at the same time are searched for in one call.
        """
        return (result for _, result in matching.search(self.services, images, target, top=top))

    def verify(self, name: str, image: ImageLike, target: Target | None = None) -> VerifyResult:
        """Does this image show the enrolled person `name`?

        `target` defaults to the gallery's policy for comparisons, else to FMR 1e-4.

        Raises InputError where the image cannot be read or does not show exactly one face, Refused for an unknown name.
        """
        return matching.verify(self.services, name, image, target)

    def compare(self, first: ImageLike, second: ImageLike, target: Target | None = None) -> CompareResult:
        """Do two images show one person? Needs no gallery.

        `target` defaults to the policy for comparisons of the gallery, where there is one, else to FMR 1e-4.

        Raises InputError as `verify` does.
        """
        return matching.compare(self.services, first, second, target)

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

        Iterate over the result, and close it or use it as a context manager. Faces are searched for in the gallery, or
        compared with the one person `claim`. `target` is as for `identify` and, with a claim, as for `verify`. With
        `liveness` only a live face gets a name: `passive` judges by single images, `challenge` asks for a few movements
        too. A decision takes `least_looks` embedded frames at least. Files are read as fast as they can be processed,
        with `realtime` at their own pace.

        Raises UsageError (`bad_source`; `not_calibrated` for a model without a calibration), InputError
        (`no_such_source`), ModelError where weights for liveness are missing, Refused for an unknown claim.
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
        store_crops: bool = False,
    ) -> list[EnrollResult]:
        """Store the templates of one person's images; one result an image, in their order.

        An image that cannot be used gives a result with a reason, not an error. `rules` say which images are enrolled.
        `store_crops` keeps the part of each image around the face in the gallery, for a later re-embedding.
        """
        single = isinstance(images, (str, Path)) or hasattr(images, "shape")
        listed = cast("Iterable[ImageLike]", [images] if single else images)
        name = clean_name(name)
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
        """`enroll` for photos of many people (see `faceid.sources`), each result as soon as it is stored.

        Consecutive photos of one person are decided on together. `attributes` by name are stored with people of whom a
        photo is enrolled. `ask` answers questions where the rules require it. `warn` is told of people who seem to be
        enrolled under another name already (default: `notify` is told). Repeat a run that was interrupted: it goes on
        where it stopped. A re-embedding interrupts it with GalleryError (`model_mismatch`).
        """
        with self.services.request(create=True) as request:
            # Now and not with the first result: what prevents any enrolment is the caller's to know at once.
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
            model.calibration,
            rules or EnrolmentRules(),
            min_face=model.min_face,
            look_closer=model.look_closer,
            store_crops=store_crops,
            ask=ask or (lambda question: False),
            warn=warn or (lambda warning: self.services.notify(str(warning))),
        )
