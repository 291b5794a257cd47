"""Which photos of a group are enrolled, and why the others are rejected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from faceid.enrolment.cases import Case, SeenFace
from faceid.enrolment.checks.confirmation import ConfirmationBounds, confirmed
from faceid.enrolment.checks.group import Verdict, examine
from faceid.enrolment.checks.rival_identities import RivalIdentities
from faceid.enrolment.rules import EnrolmentRules
from faceid.errors import (
    NEARLY_BLACK,
    FaceCountError,
    InputError,
    PhotoRefused,
    UnreadableImage,
    UsageError,
    implausible_pose,
    not_one_face,
)
from faceid.gallery.gallery import Gallery
from faceid.recognition.subject import no_subject
from faceid.results import EnrollResult, Problem, Reason
from faceid.types import ModelKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.enrolment.checks.conflict import DuplicateEnrolment
    from faceid.networks.registry import Calibration


@dataclass(frozen=True, slots=True)
class Decided:
    """What the photos of a person tell beside their own decisions.

    `duplicate` is the enrolled identity that the person seems to be already, under another name; None for none.
    `confirmed` are the ids of the person's unconfirmed templates that the photos confirm. `limit` says what the guards
    cannot promise in a gallery of this size; None where they keep their rates.
    """

    duplicate: DuplicateEnrolment | None = None
    confirmed: tuple[int, ...] = ()
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """Applies the rules to the photos of one person after another.

    Without a `calibration` no distance has a meaning: then only a photo whose bytes are enrolled under another name is
    an identity conflict, and no photo is an outlier. `ask` receives a question about a photo that would be rejected
    and answers whether to accept it. `hashed` says that the hashes were computed from the photos here.
    """

    gallery: Gallery
    model: ModelKey
    calibration: Calibration | None
    rules: EnrolmentRules = field(default_factory=EnrolmentRules)
    ask: Callable[[str], bool] = lambda question: False
    hashed: bool = True

    def __post_init__(self) -> None:
        if self.rules.max_templates < 1:
            raise UsageError(f"at least one template has to be kept, not {self.rules.max_templates}")
        if self.rules.subject == "all" and self.calibration is None:
            raise UsageError(
                f"{self.model.name} has no calibration, so it cannot tell which of several faces is meant",
                code="no_calibration",
            )

    def decide(
        self, name: str, cases: Sequence[Case], earlier: Sequence[NDArray[np.float32]] = ()
    ) -> Decided:
        """Decide the open cases of `name`: afterwards each has a `face` to store, or a `result`.

        `earlier` are confirmed templates (d,) of the person that are not stored yet.
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
            return Decided()
        # A person whose confirmed templates were removed, or could not follow to this model, is no new person.
        lost = not earlier and self._has_lost_templates(name)
        if lost and self.hashed:
            self._vouch_for_confirmed_photos(name, in_question)
        alone = [case.candidates[0].embedding for case in in_question if _single(case)]
        rivals = RivalIdentities.of(
            self.gallery,
            name,
            self.calibration,
            self.model,
            [face.embedding for case in in_question for face in case.candidates],
            alone,
        )
        if earlier:
            rivals = replace(rivals, own=np.concatenate([rivals.own, np.stack(earlier)]))
        duplicate = rivals.duplicate(alone)
        bounds = self._bounds()
        self._refuse_morphs(name, in_question, rivals)
        self._refuse_conflicts(name, [case for case in in_question if case.is_open], rivals, bounds)
        waiting = self.gallery.unconfirmed(name, self.model)
        held = rivals.own[:0] if waiting is None else waiting.vectors
        known = rivals.own if lost or len(rivals.own) else held
        self._refuse_outliers(name, [case for case in in_question if case.is_open], known)
        later = self._confirm(
            name, [case for case in in_question if case.face is not None], rivals.own, held, bounds, lost
        )
        ids = () if waiting is None else tuple(int(id_) for id_ in waiting.template_ids[later])
        return Decided(duplicate, ids, rivals.limit())

    def _bounds(self) -> ConfirmationBounds | None:
        policy = self.gallery.active_policy(self.model, "fmr")
        threshold = None if policy is None else policy.threshold
        if self.calibration is not None:
            return ConfirmationBounds.of(self.calibration, self.model.metric, threshold)
        return None if threshold is None else ConfirmationBounds.by_hand(threshold, self.model.metric)

    def _has_lost_templates(self, name: str) -> bool:
        return not len(self.gallery.vectors_of(name, self.model)) and self.gallery.was_confirmed(name)

    def _vouch_for_confirmed_photos(self, name: str, cases: Sequence[Case]) -> None:
        """Accept photos of one face whose template under another model is confirmed: the bytes are the same."""
        confirmed = {one.sha256 for one in self.gallery.templates(name) if one.state == "confirmed"}
        for case in cases:
            case.vouched = case.seen.found == 1 and case.seen.sha256 in confirmed

    def _find_copies(self, name: str, cases: Sequence[Case]) -> None:
        first: dict[str, Case] = {}
        kept = self.gallery.unconfirmed(name, self.model) if name else None
        unconfirmed = set() if kept is None else set(kept.template_ids.tolist())
        for case in cases:
            digest = case.seen.sha256
            if digest is None or case.result is not None:
                continue
            template_id = self.gallery.holders_of(digest, self.model).get(name)
            if template_id in unconfirmed:
                case.result = EnrollResult(
                    case.seen.source,
                    "unconfirmed",
                    template_id=template_id,
                    name=name,
                    problem=Problem(
                        "unconfirmed",
                        f"an earlier enrolment kept this photo of {name} unconfirmed",
                        remedy="confirm_or_remove",
                        facts={"name": name},
                    ),
                )
                continue
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
        if seen.too_dark:
            raise PhotoRefused(NEARLY_BLACK, code="too_dark", path=seen.source)
        if not seen.found:
            raise not_one_face(0, seen.source)
        if not seen.faces:
            raise no_subject(seen.found, seen.source, self.rules.subject)
        comparable = [face for face in seen.faces if face.comparable]
        if not comparable:
            raise implausible_pose(seen.source)
        case.candidates = [face for face in comparable if face.quality.score >= self.rules.min_quality]
        if not case.candidates:
            best = max(comparable, key=lambda face: face.quality.score)
            quality = best.quality
            raise PhotoRefused(
                f"quality {quality.score:.2f} is below {self.rules.min_quality:.2f}, mostly for {quality.worst}"
                f" ({quality.factors[quality.worst]:.2f})",
                code="too_dark" if best.dark else "low_quality",
                path=seen.source,
            )

    def _refuse_morphs(self, name: str, cases: Sequence[Case], rivals: RivalIdentities) -> None:
        """Reject faces that lie near several people at once who are not alike."""
        if self.rules.on_conflict == "accept":
            return
        for case in cases:
            for face in list(case.candidates):
                people = rivals.between.get(id(face.embedding), ())
                if people and not case.vouched:
                    refusal = PhotoRefused(
                        f"the face lies near {', '.join(people[:-1])} and {people[-1]} at once, who are not alike",
                        code="morph_suspected" if len(people) == 2 else "atypical",
                        path=case.seen.source,
                    )
                    case.candidates = self._refuse(name, case, [face], refusal)

    def _refuse_conflicts(
        self, name: str, cases: Sequence[Case], rivals: RivalIdentities, bounds: ConfirmationBounds | None
    ) -> None:
        """Reject faces that the gallery clearly takes for another identity; doubt those that it may take for one.

        The person's own templates are the stored ones and the photos of the group without such a conflict.
        """
        if self.rules.on_conflict == "accept":
            return
        for case in cases:
            # A photo of several people may well be enrolled under several names.
            # A photo that waits unconfirmed under another name does not keep it from its own person.
            if (
                not case.vouched
                and case.seen.found == 1
                and (self.hashed or self.calibration is None)
                and (holders := self.gallery.holders_of(_digest(case), self.model, state="confirmed"))
            ):
                refusal = _conflict(case, f"the same photo is enrolled as {', '.join(holders)}")
                case.candidates = self._refuse(name, case, case.candidates, refusal)
        faces = [
            (case, face) for case in cases if case.is_open and not case.vouched for face in case.candidates
        ]
        without_conflict = [
            face.embedding
            for case, face in faces
            if _single(case) and rivals.rival(face.embedding, []) is None
        ]
        for case, face in faces:
            rival = rivals.rival(face.embedding, without_conflict)
            if rival is None:
                continue
            if bounds is None or not _single(case) or rival.similarity >= bounds.enrolled:
                case.candidates = self._refuse(name, case, [face], _conflict(case, rivals.reason(rival)))
            else:
                case.doubt = _doubt(name, rivals.reason(rival))

    def _refuse_outliers(self, name: str, cases: Sequence[Case], own: NDArray[np.float32]) -> None:
        """Choose the face of each photo that agrees with the person's other photos, and reject the rest.

        `own` (n, d) are the person's stored templates. Photos that disagree, where none is clearly the wrong one, and a
        face that is not clearly another person's, are left in doubt.
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
                if verdict.doubtful:
                    case.doubt = _doubt(name, _unlike_the_others(verdict))
            elif verdict.refusal == "undecided" and _single(case) and self.rules.on_conflict == "refuse":
                case.face = case.candidates[0]
                case.doubt = _doubt(name, _unlike_the_others(verdict))
            elif not _single(case):
                _reject(name, case, _no_one_of_many(case, verdict))
            elif self.rules.on_conflict == "accept" or self._refuse(
                name, case, case.candidates, _conflict(case, _unlike_the_others(verdict))
            ):
                case.face = case.candidates[0]

    def _confirm(
        self,
        name: str,
        cases: Sequence[Case],
        own: NDArray[np.float32],
        waiting: NDArray[np.float32],
        bounds: ConfirmationBounds | None,
        lost: bool,
    ) -> NDArray[np.bool_]:
        """Doubt the faces that nothing confirms; returns which of the `waiting` templates (w, d) they confirm.

        `own` (n, d) are the person's confirmed templates. `lost` means that there were some, and none is left.
        """
        if bounds is None or self.rules.on_conflict == "accept":
            for case in cases:
                case.doubt = None
            return np.zeros(len(waiting), dtype=bool)
        vouched = [case.face.embedding.vector for case in cases if case.vouched and case.face is not None]
        offered = [(case, case.face) for case in cases if not case.vouched and case.face is not None]
        templates = np.array([*own, *vouched], np.float32).reshape(-1, self.model.dim)
        if lost and not len(templates):
            for case, _ in offered:
                case.doubt = case.doubt or _doubt(
                    name, "no confirmed photo of the person is left to compare with"
                )
            return np.zeros(len(waiting), dtype=bool)
        taken, later = confirmed(
            np.array([face.embedding.vector for _, face in offered], np.float32).reshape(-1, self.model.dim),
            [face.quality.score for _, face in offered],
            np.array([case.doubt is not None for case, _ in offered], dtype=bool),
            templates,
            waiting,
            bounds,
        )
        for (case, _), is_confirmed in zip(offered, taken, strict=True):
            if not is_confirmed and case.doubt is None:
                case.doubt = _doubt(name, "the face is too far from the person's confirmed photos to be sure")
        return later

    def _refuse(
        self,
        name: str,
        case: Case,
        faces: Sequence[SeenFace],
        refusal: PhotoRefused,
    ) -> list[SeenFace]:
        """The candidates of a case without `faces`; all of them where the operator accepts them."""
        if self.rules.on_conflict == "ask" and self.ask(
            f"{case.seen.source}: {refusal}. Enrol it as {name}?"
        ):
            case.vouched = _single(case)
            case.doubt = None if case.vouched else case.doubt
            return case.candidates
        left = [face for face in case.candidates if face not in faces]
        if not left:
            _reject(name, case, refusal)
        return left


def _single(case: Case) -> bool:
    return len(case.candidates) == 1


def _digest(case: Case) -> str:
    assert case.seen.sha256 is not None
    return case.seen.sha256


def _conflict(case: Case, why: str) -> PhotoRefused:
    return PhotoRefused(why, code="identity_conflict", path=case.seen.source)


def _doubt(name: str, why: str) -> Problem:
    return Problem("unconfirmed", why, remedy="confirm_or_remove", facts={"name": name})


def _unlike_the_others(verdict: Verdict) -> str:
    if verdict.refusal == "undecided":
        return "the photos disagree, and no person is on more of them than another"
    near = "" if verdict.distance is None else f", at distance {verdict.distance:.3f} from them"
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
        turned=case.seen.turned,
    )
