"""`FaceID`: the whole system without the command line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, TypeAlias, Union

from faceid import backends, maintenance
from faceid.config import Settings
from faceid.decide import Policy, Target, decide_claim, decide_identity
from faceid.enrolment import MIN_QUALITY, Enrolment, not_one_face
from faceid.gallery import Gallery, clean_name, other_model
from faceid.imaging import from_array, read
from faceid.in_force import Policies
from faceid.pipeline import Look, Observation, Pipeline, Source
from faceid.policy import history, rollback, state_of
from faceid.results import (
    CompareResult,
    EnrollResult,
    FaceResult,
    IdentifyResult,
    IdentityInfo,
    IndexResult,
    IndexStatus,
    IndexVerification,
    PolicyReport,
    PolicyRow,
    PolicyTransfer,
    Problem,
    ReembedFailure,
    ReembedResult,
    RemoveResult,
    RenameResult,
    TemplateInfo,
    TransferResult,
    VerifyResult,
)
from faceid.types import ClaimDecision, Decision, Embedding, Image, ModelKey

if TYPE_CHECKING:
    from faceid.calibrate.health import Examination
    from faceid.ports import Embedder
    from faceid.types import Pixels
    from models.registry import Calibration

ImageLike: TypeAlias = Union[str, Path, "Pixels"]
"""A path, or RGB pixels (H, W, 3) uint8."""


class FaceID:
    """Enrol, identify, verify and compare faces against one gallery.

    Everything heavy is loaded when first needed. Use it as a context manager, from one thread. Methods raise
    the errors of `faceid.errors`.
    """

    def __init__(
        self,
        db: str | Path | None = None,
        model: str | None = None,
        device: str = "auto",
        *,
        min_face: float | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        """Open nothing yet: see `Settings.load` for `db`, `faceid models` for `model`.

        `min_face` is the smallest face to look for, pixels (None: by the size of the picture). `notify` is
        called with one-line notes, such as the device that was chosen.
        """
        self._prepare(Settings.load(db=db, model=model, device=device), min_face, notify)

    @classmethod
    def from_settings(
        cls, settings: Settings, *, min_face: float | None = None, notify: Callable[[str], None] | None = None
    ) -> FaceID:
        """The same from settings that are at hand already."""
        system = cls.__new__(cls)
        system._prepare(settings, min_face, notify)
        return system

    def _prepare(
        self, settings: Settings, min_face: float | None, notify: Callable[[str], None] | None
    ) -> None:
        self.settings = settings
        self._min_face = min_face
        self._notify = notify or (lambda message: None)
        self._gallery: Gallery | None = None

    def __enter__(self) -> FaceID:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the gallery back."""
        if self._gallery is not None:
            self._gallery.close()
            self._gallery = None

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
    ) -> Iterator[tuple[Look, IdentifyResult]]:
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
            yield look, _identified(look, decisions, policy, timing, top)

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
        return VerifyResult(path, name, *_said(decision), state_of(policy))

    def compare(self, first: ImageLike, second: ImageLike, target: Target | None = None) -> CompareResult:
        """Do two pictures show one person? Needs no gallery.

        `target` defaults to the policy for comparisons of the gallery, where there is one, else to FMR 1e-4.
        """
        policy = self.policies.for_claim(target)
        (path, probe), (other_path, other) = self._one_face(first), self._one_face(second)
        similarity = float(probe.vector @ other.vector)
        decision = decide_claim(similarity, probe.model.metric, policy)
        return CompareResult((path, other_path), *_said(decision), state_of(policy))

    # -- enrolment ---------------------------------------------------------------------------------------------

    def enroll(
        self,
        name: str,
        images: Iterable[ImageLike] | ImageLike,
        *,
        min_quality: float | None = None,
        accept_conflicts: bool = False,
        store_crops: bool = False,
    ) -> list[EnrollResult]:
        """Store the templates of a person's photos, one face a photo; what became of each, in order.

        Photos that cannot be used are results with a reason, not errors. `min_quality` (0..1) refuses poorer
        photos; `accept_conflicts` takes photos that match somebody else better than `name`. `store_crops` keeps the
        part of each photo around the face in the gallery, for a later `reembed`.
        """
        single = isinstance(images, (str, Path)) or hasattr(images, "shape")
        photos = [images] if single else images
        return list(
            self.enroll_each(
                name,
                photos,  # type: ignore[arg-type]
                min_quality=min_quality,
                accept_conflicts=accept_conflicts,
                store_crops=store_crops,
            )
        )

    def enroll_each(
        self,
        name: str,
        images: Iterable[ImageLike],
        *,
        min_quality: float | None = None,
        accept_conflicts: bool = False,
        store_crops: bool = False,
    ) -> Iterator[EnrollResult]:
        """`enroll`, each result as soon as it is stored: what was yielded is on disk."""
        name = clean_name(name)
        gallery = self.gallery(create=True)
        self._check_model_name(gallery)
        enrolment = Enrolment(
            gallery,
            self.pipeline,
            calibration=self.calibration,
            look_closer=None if self._min_face is not None else self._look_closer,
            min_quality=min_quality,
            accept_conflicts=accept_conflicts,
            store_crops=store_crops,
        )
        return enrolment.run(name, (_source(image) for image in images))

    # -- the gallery -------------------------------------------------------------------------------------------

    def identities(self) -> list[IdentityInfo]:
        """The enrolled identities by name."""
        return self.gallery().identities()

    def templates(self, name: str) -> list[TemplateInfo]:
        """The templates of one identity, oldest first."""
        return self.gallery().templates(name)

    def rename(self, old: str, new: str) -> RenameResult:
        """Give an identity another name."""
        return self.gallery().rename(old, new)

    def remove(self, name: str) -> RemoveResult:
        """Forget an identity with all its templates. There is no way back."""
        return self.gallery().remove(name)

    def remove_template(self, template_id: int) -> RemoveResult:
        """Forget one template; its identity too, where it was the last."""
        return self.gallery().remove_template(template_id)

    def import_templates(
        self, path: str | Path, progress: Callable[[int, int], None] | None = None
    ) -> TransferResult:
        """Bring in templates from an .npz archive, all of them or none (see `faceid.transfer`).

        `progress` is called with the templates that are done, and of how many.
        """
        from faceid.transfer import import_templates

        gallery = self.gallery(create=True)
        self._check_model_name(gallery)
        return import_templates(gallery, self.embedder.model, Path(path), progress)

    def export_templates(
        self, path: str | Path, progress: Callable[[int, int], None] | None = None
    ) -> TransferResult:
        """Write all templates to an .npz archive (see `faceid.transfer`); `progress` as in an import."""
        from faceid.transfer import export_templates

        return export_templates(self.gallery(), Path(path), progress)

    def policy(self) -> tuple[PolicyReport, PolicyReport]:
        """What decides for verify (and compare) and for identify at present, and what it gives."""
        self._check_model_name(self.gallery())
        return self.policies.reports()

    def set_policy(self, target: Target) -> list[int]:
        """Put `target` in force in the gallery; the ids of the new policies (see `faceid.policy.put`).

        Rates are read from the calibration of the policy in force, else from the model's. A gallery is created
        where there is none.
        """
        self._check_model_name(self.gallery(create=True))
        return self.policies.put(target)

    def policy_history(self) -> list[PolicyRow]:
        """All policies that were ever put, oldest first."""
        return history(self.gallery())

    def rollback_policy(self, policy_id: int | None = None) -> None:
        """Put a stored policy in force again, or take back the one that was put in force last."""
        self._check_model_name(self.gallery())
        rollback(self.gallery(), self._model_key, policy_id)

    def export_policies(self, path: str | Path) -> PolicyTransfer:
        """Write the policies in force to a JSON file (see `faceid.policy_file`)."""
        from faceid.policy_file import export_policies

        self._check_model_name(self.gallery())
        return export_policies(self.gallery(), self._model_key, Path(path))

    def import_policies(self, path: str | Path) -> PolicyTransfer:
        """Put the policies of a JSON file in force, all of them or none; those of another model are refused."""
        from faceid.policy_file import import_policies

        self._check_model_name(self.gallery(create=True))
        return import_policies(self.gallery(), self._model_key, Path(path))

    def index_status(self) -> IndexStatus:
        """Which index a search uses, why, and the snapshot of it that lies on the disk."""
        return maintenance.index_status(self.gallery())

    def rebuild_index(self) -> IndexResult:
        """Make the index from the database, whatever lies on the disk."""
        return maintenance.rebuild_index(self.gallery())

    def compact_index(self) -> IndexResult:
        """Give back the room of removed templates, and bring the snapshot up to date."""
        return maintenance.compact_index(self.gallery())

    def verify_index(self) -> IndexVerification:
        """Compare the index with the database, template by template. Writes nothing."""
        return maintenance.verify_index(self.gallery())

    def examination(self, *, stale_days: float | None = None) -> Examination:
        """A look for outliers, look-alikes and old, poor or lonely templates (see `faceid.calibrate.health`)."""
        from faceid.calibrate.health import STALE_DAYS, Examination

        gallery = self.gallery()
        self._check_model_name(gallery)
        return Examination(
            gallery,
            self.calibration,
            least_quality=MIN_QUALITY,
            stale_days=STALE_DAYS if stale_days is None else stale_days,
        )

    def reembed(
        self,
        to: str,
        *,
        allow_missing: bool = False,
        drop_old: bool = False,
        report: Callable[[ReembedFailure], None] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> ReembedResult:
        """Move the gallery to the model `to` while it is in use (see `faceid.reembed`), and go on with that.

        `report` is called with each template that cannot be computed, `progress` as in an import. With
        `allow_missing` they do not stand in the way; `drop_old` removes what the new templates replace.
        """
        from faceid.reembed import Reembedding

        gallery = self.gallery()
        self._check_model_name(gallery)
        detector = cache(
            lambda: backends.make_detector(to, self.device, self._min_face, runtime=self.settings.runtime)
        )
        result = Reembedding(
            gallery,
            backends.make_embedder(to, self.device, self.settings),
            detect=lambda image: detector().detect([image])[0],
            allow_missing=allow_missing,
            drop_old=drop_old,
        ).run(report, progress)
        if result.status != "incomplete":
            self.settings = replace(self.settings, model=None)
            for part in ("model_name", "embedder", "calibration", "pipeline", "_gallery_policies"):
                self.__dict__.pop(part, None)
        return result

    # -- parts, made when first needed -------------------------------------------------------------------------

    def gallery(self, *, create: bool = False) -> Gallery:
        """The open gallery. Raises GalleryError, where there is none too unless `create`."""
        if self._gallery is None:
            self._gallery = Gallery.open(
                self.settings.db,
                create=create,
                index_kind=self.settings.index,
                device=lambda: self.device,
            )
        return self._gallery

    @cached_property
    def model_name(self) -> str:
        """The model that was asked for, else the gallery's own, else the default of new galleries."""
        if self.settings.model is not None:
            return self.settings.model
        if self._gallery is None and not self.settings.db.exists():
            return self.settings.default_model
        pinned = self.gallery().model
        return self.settings.default_model if pinned is None else pinned.name

    @cached_property
    def device(self) -> str:
        """Where networks run, as torch names it."""
        device = backends.resolve_device(self.settings.device)
        if self.settings.device == "auto":
            self._notify(f"device: {device} (chosen automatically)")
        return device

    @cached_property
    def embedder(self) -> Embedder:
        """The network."""
        return backends.make_embedder(self.model_name, self.device, self.settings)

    @cached_property
    def calibration(self) -> Calibration | None:
        """What was measured of the model's non-mated comparisons."""
        return backends.calibration_of(self.model_name)

    @cached_property
    def pipeline(self) -> Pipeline:
        """Detector, aligner and network."""
        detector = backends.make_detector(
            self.model_name, self.device, self._min_face, runtime=self.settings.runtime
        )
        return Pipeline(detector, self.embedder)

    @property
    def policies(self) -> Policies:
        """Which policy counts: in the gallery, where there is one."""
        if self._gallery is None and not self.settings.db.exists():
            return Policies(None, None, self.calibration)
        return self._gallery_policies

    @cached_property
    def _gallery_policies(self) -> Policies:
        return Policies(self.gallery(), self._model_key, self.calibration, self._note)

    # ----------------------------------------------------------------------------------------------------------

    def _check_model_name(self, gallery: Gallery) -> None:
        """Refuse another model before its weights are loaded; the full guard follows when they are."""
        pinned = gallery.model
        if self.settings.model is not None and pinned is not None and pinned.name != self.settings.model:
            raise other_model(pinned, self.settings.model)

    @property
    def _model_key(self) -> ModelKey:
        """The model in use. The gallery's own is known before its weights are loaded."""
        pinned = self.gallery().model
        return pinned if pinned is not None and pinned.name == self.model_name else self.embedder.model

    def _note(self, message: str) -> None:
        self._notify(message)

    def _look_closer(self, image: Image) -> bool:
        """Whether there is a face of half the size that is looked for by default."""
        smallest = max(20.0, max(image.width, image.height) / 100)
        detector = backends.make_detector(
            self.model_name, self.device, smallest, runtime=self.settings.runtime
        )
        return any(detector.detect([image]))

    def _one_face(self, image: ImageLike) -> tuple[str, Embedding]:
        (look,) = self.pipeline.look([_source(image)])
        if look.error is not None:
            raise look.error
        if len(look.observations) != 1:
            raise not_one_face(len(look.observations), look.source)
        return look.source, look.embeddings[0]


def _said(
    decision: ClaimDecision,
) -> tuple[Literal["match", "no_match"], bool, float, float, float, float | None, float | None]:
    return (
        decision.verdict,
        decision.verified,
        decision.distance,
        decision.similarity,
        decision.threshold,
        decision.fmr,
        decision.llr,
    )


def _source(image: ImageLike) -> Source:
    if isinstance(image, (str, Path)):
        path = str(image)
        return path, lambda: read(path)
    return "array", lambda: from_array(image)


def _identified(
    look: Look, decisions: Sequence[Decision], policy: Policy, timing: dict[str, float], top: int
) -> IdentifyResult:
    state = state_of(policy)
    if look.error is not None:
        problem = Problem(look.error.code, str(look.error), look.error.hint)
        return IdentifyResult(look.source, "unreadable", (), timing, problem, state)
    if not look.observations:
        error = not_one_face(0, look.source)
        problem = Problem(error.code, str(error), error.hint)
        return IdentifyResult(look.source, "no_face", (), timing, problem, state)
    faces = tuple(
        _face_result(observation, decision, top)
        for observation, decision in zip(look.observations, decisions, strict=True)
    )
    return IdentifyResult(look.source, "ok", faces, timing, policy=state)


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
        llr=decision.llr,
        candidates=decision.candidates[:top],
    )
