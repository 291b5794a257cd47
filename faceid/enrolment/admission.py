"""Which photos of a group are enrolled, and why the others are rejected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np

from faceid.enrolment.checks.group import Verdict, examine
from faceid.enrolment.checks.rival_identities import RivalIdentities
from faceid.enrolment.rules import EnrolmentRules
from faceid.errors import FaceCountError, InputError, PhotoRefused, UnreadableImage, UsageError, not_one_face
from faceid.gallery.gallery import Gallery
from faceid.recognition.subject import no_subject
from faceid.results import EnrollResult, Problem, Reason
from faceid.types import Embedding, Face, ModelKey, Quality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from enrollment_db.records import FaceCrop
    from faceid.enrolment.checks.conflict import DuplicateEnrolment
    from faceid.networks.registry import Calibration


@dataclass(frozen=True, slots=True, eq=False)
class SeenFace:
    """A face of a photo, without the photo."""

    face: Face
    quality: Quality
    embedding: Embedding
    crop: FaceCrop | None


@dataclass(frozen=True, slots=True, eq=False)
class SeenPhoto:
    """What was found on a photo, without its pixels: memory holds a whole group of these.

    `found` counts the detected faces; `faces` are those that the rules do not exclude at once. `sha256` is None where
    the photo could not be read. `too_small` means that a face is there and is smaller than the rules allow. `looked` is
    False for a photo that was not decoded because its bytes are known.
    """

    source: str
    sha256: str | None
    error: InputError | None
    found: int
    faces: tuple[SeenFace, ...]
    too_small: bool
    looked: bool


@dataclass(slots=True, eq=False)
class Case:
    """A photo and its decision: the `face` to store, or a `result` without one.

    `candidates` are the faces that may still be the person's. `vouched` means that the operator accepted the only one.
    `copy_of` is an earlier photo of the group with the same bytes; its decision holds for both.
    """

    seen: SeenPhoto
    candidates: list[SeenFace] = field(default_factory=list)
    vouched: bool = False
    face: SeenFace | None = None
    result: EnrollResult | None = None
    copy_of: Case | None = None

    @property
    def is_open(self) -> bool:
        """Whether the photo is still undecided."""
        return self.result is None and self.copy_of is None


@dataclass(frozen=True, slots=True)
class Admission:
    """Applies the rules to the photos of one person after another.

    Without a `calibration` no distance has a meaning: then only a photo whose bytes are enrolled under another name is
    an identity conflict, and no photo is an outlier. `ask` receives a question about a photo that would be rejected
    and answers whether to accept it.
    """

    gallery: Gallery
    model: ModelKey
    calibration: Calibration | None
    rules: EnrolmentRules = field(default_factory=EnrolmentRules)
    ask: Callable[[str], bool] = lambda question: False

    def __post_init__(self) -> None:
        if self.rules.max_templates < 1:
            raise UsageError(f"at least one template has to be kept, not {self.rules.max_templates}")
        if self.rules.subject == "all" and self.calibration is None:
            raise UsageError(
                f"{self.model.name} has no calibration, so it cannot tell which of several faces is meant",
                code="no_calibration",
            )

    def decide(self, name: str, cases: Sequence[Case]) -> DuplicateEnrolment | None:
        """Decide the open cases of `name`: afterwards each has a `face` to store, or a `result`.

        Returns the enrolled identity that the person seems to be already, under another name; None for none.
        """
        self._find_copies(name, cases)
        for case in cases:
            if case.is_open:
                try:
                    self._find_candidates(case)
                except InputError as error:
                    _reject(name, case, error)
        in_question = [case for case in cases if case.is_open]
        if not in_question:
            return None
        rivals = RivalIdentities.of(
            self.gallery,
            name,
            self.calibration,
            self.model,
            [face.embedding for case in in_question for face in case.candidates],
        )
        duplicate = rivals.duplicate([case.candidates[0].embedding for case in in_question if _single(case)])
        self._refuse_conflicts(name, in_question, rivals)
        self._refuse_outliers(name, [case for case in in_question if case.is_open], rivals.own)
        return duplicate

    def _find_copies(self, name: str, cases: Sequence[Case]) -> None:
        first: dict[str, Case] = {}
        for case in cases:
            digest = case.seen.sha256
            if digest is None or case.result is not None:
                continue
            template_id = self.gallery.holders_of(digest, self.model).get(name)
            # A photo that was not decoded was a duplicate when its bytes were read, even if its template is gone now.
            if template_id is not None or not case.seen.looked:
                case.result = EnrollResult(case.seen.source, "duplicate", template_id=template_id, name=name)
            elif first.setdefault(digest, case) is not case:
                case.copy_of = first[digest]

    def _find_candidates(self, case: Case) -> None:
        """Find the faces of the photo that the rules allow. Raises InputError where there is none."""
        seen = case.seen
        if seen.error is not None:
            raise seen.error
        if seen.too_small:
            raise PhotoRefused(
                "the face is too small",
                code="face_too_small",
                path=seen.source,
            )
        if not seen.found:
            raise not_one_face(0, seen.source)
        if not seen.faces:
            raise no_subject(seen.found, seen.source, self.rules.subject)
        case.candidates = [face for face in seen.faces if face.quality.score >= self.rules.min_quality]
        if not case.candidates:
            quality = max((face.quality for face in seen.faces), key=lambda quality: quality.score)
            raise PhotoRefused(
                f"quality {quality.score:.2f} is below {self.rules.min_quality:.2f}, mostly for {quality.worst}"
                f" ({quality.factors[quality.worst]:.2f})",
                path=seen.source,
            )

    def _refuse_conflicts(self, name: str, cases: Sequence[Case], rivals: RivalIdentities) -> None:
        """Reject faces that the gallery takes for another identity.

        The person's own templates are the stored ones and the photos of the group without such a conflict.
        """
        if self.rules.on_conflict == "accept":
            return
        for case in cases:
            # A photo of several people may well be enrolled under several names.
            if case.seen.found == 1 and (holders := self.gallery.holders_of(_digest(case), self.model)):
                case.candidates = self._refuse(
                    name, case, case.candidates, f"the same photo is enrolled as {', '.join(holders)}"
                )
        faces = [(case, face) for case in cases if case.is_open for face in case.candidates]
        without_conflict = [
            face.embedding
            for case, face in faces
            if _single(case) and rivals.rival(face.embedding, []) is None
        ]
        for case, face in faces:
            rival = rivals.rival(face.embedding, without_conflict)
            if rival is not None:
                case.candidates = self._refuse(name, case, [face], rivals.reason(rival))

    def _refuse_outliers(self, name: str, cases: Sequence[Case], own: NDArray[np.float32]) -> None:
        """Choose the face of each photo that agrees with the person's other photos, and reject the rest.

        `own` (n, d) are the person's stored templates.
        """
        for case in cases:
            if case.vouched:
                case.face = case.candidates[0]
        vouched = [case.face.embedding.vector for case in cases if case.face is not None]
        cases = [case for case in cases if case.face is None]
        if self.calibration is None or (
            self.rules.on_conflict == "accept" and all(_single(case) for case in cases)
        ):
            verdicts = [Verdict(0, None) for _ in cases]
        else:
            vectors = [np.stack([face.embedding.vector for face in case.candidates]) for case in cases]
            known = [*own, *vouched]
            enrolled = np.array(known, np.float32).reshape(-1, self.model.dim)
            verdicts = examine(vectors, enrolled, self.calibration, self.model.metric)
        for case, verdict in zip(cases, verdicts, strict=True):
            if verdict.face is not None:
                case.face = case.candidates[verdict.face]
            elif not _single(case):
                _reject(name, case, _no_one_of_many(case, verdict))
            elif self.rules.on_conflict == "accept" or self._refuse(
                name, case, case.candidates, _unlike_the_others(verdict)
            ):
                case.face = case.candidates[0]

    def _refuse(self, name: str, case: Case, faces: Sequence[SeenFace], why: str) -> list[SeenFace]:
        """The candidates of a case without `faces`; all of them where the operator accepts them."""
        if self.rules.on_conflict == "ask" and self.ask(f"{case.seen.source}: {why}. Enrol it as {name}?"):
            case.vouched = _single(case)
            return case.candidates
        left = [face for face in case.candidates if face not in faces]
        if not left:
            error = PhotoRefused(why, code="identity_conflict", path=case.seen.source)
            _reject(name, case, error)
        return left


def _single(case: Case) -> bool:
    return len(case.candidates) == 1


def _digest(case: Case) -> str:
    assert case.seen.sha256 is not None
    return case.seen.sha256


def _unlike_the_others(verdict: Verdict) -> str:
    if verdict.refusal == "undecided":
        return "the photos disagree, and no person is on more of them than another"
    near = "" if verdict.distance is None else f" (distance {verdict.distance:.3f} to them)"
    return f"the face is not the one of the person's other photos{near}"


def _no_one_of_many(case: Case, verdict: Verdict) -> InputError:
    why = {
        "no_face_agrees": "none of them is the one of the person's other photos",
        "faces_too_alike": "two of them are like the person's other photos",
    }.get(verdict.refusal or "", "nothing tells which of them is meant")
    return FaceCountError(
        f"{case.seen.found} faces, and {why}",
        code="multiple_faces",
        path=case.seen.source,
    )


def _reject(name: str, case: Case, error: InputError) -> None:
    """Close a case with a rejection. The result keeps box and quality: they show what to change."""
    face = case.seen.faces[0] if case.seen.found == 1 else None
    case.candidates = []
    case.result = EnrollResult(
        case.seen.source,
        "rejected",
        reason="unreadable" if isinstance(error, UnreadableImage) else cast("Reason", error.code),
        box=face.face.box if face else None,
        quality=face.quality.score if face else None,
        quality_factors=dict(face.quality.factors) if face else None,
        faces=case.seen.found if case.seen.looked and case.seen.error is None else None,
        name=name or None,
        problem=Problem.of(error),
    )
