"""Which photos of a person are let in, and why the others are not: decided for a group of photos at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

import numpy as np

from faceid.decide import Policy, Target, decide_identity, identity_similarity, policy_for
from faceid.errors import InputError, PhotoRefused, UnreadableImage, UsageError, not_one_face
from faceid.gallery import Gallery
from faceid.results import EnrollResult, Problem, Reason
from faceid.types import Candidate, Embedding, Face, ModelKey, Quality

if TYPE_CHECKING:
    from enrollment_db.records import FaceCrop
    from models.registry import Calibration

MIN_QUALITY = 0.4
"""Photos of less quality are refused where nothing else is asked for.

Of sharp frontal photos it refuses under 0.5 % (LFW) and 1 % (CelebA); of the same photos made dark 99 %, overexposed
66 %, reduced to 27 pixels 71 %, blurred by 3 pixels 100 % and by 2 pixels 35 %; of three-quarter views 12 to 27 %.
"""


STRICT_QUALITY = 0.7


CONFLICT_FPIR, CONFLICT_FMR = 1e-3, 1e-4
"""A photo is somebody else's where it matches that person under both: one honest photo in a thousand is refused.

The search for a probe may be laxer: there a false name costs more than a missed one, here it is the other way round.
"""

CONFLICT_HINT = "check whose face it is; --on-conflict accept where they truly are two people"

OnConflict: TypeAlias = Literal["refuse", "accept"]


def quality_from(level: str) -> float:
    """The least quality that `off`, `standard`, `strict` or a number 0..1 stands for. Raises UsageError."""
    levels = {"off": 0.0, "standard": MIN_QUALITY, "strict": STRICT_QUALITY}
    if level in levels:
        return levels[level]
    try:
        least = float(level)
    except ValueError:
        least = -1.0
    if not 0.0 <= least <= 1.0:
        raise UsageError(
            f"unknown quality {level!r}", hint="choose off, standard, strict or a number from 0 to 1"
        )
    return least


@dataclass(frozen=True, slots=True)
class Rules:
    """What is let in: photos of at least `min_quality`, 0..1, and those that conflict with other people, or not."""

    min_quality: float = MIN_QUALITY
    on_conflict: OnConflict = "refuse"


@dataclass(frozen=True, slots=True, eq=False)
class SeenFace:
    """A face of a photo, without the photo."""

    face: Face
    quality: Quality
    embedding: Embedding
    crop: FaceCrop | None


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was seen on a photo, without its pixels: a whole group of these is held.

    `sha256` is None where nothing could be read. `too_small` says that there is a face, and why it is not in `faces`.
    Nobody `looked` at a photo whose bytes are known.
    """

    source: str
    sha256: str | None
    error: InputError | None
    faces: tuple[SeenFace, ...]
    too_small: bool
    looked: bool


@dataclass(slots=True, eq=False)
class Case:
    """A photo and what is decided about it: the `face` that is to be stored, or a `result` without one.

    `copy_of` is an earlier photo of the group with the same bytes, which decides for both.
    """

    seen: Seen
    face: SeenFace | None = None
    result: EnrollResult | None = None
    copy_of: Case | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """The rules applied to the photos of one person after the other.

    Without `calibration` of the model nobody's photo is taken for somebody else's, but for one that is enrolled
    already.
    """

    gallery: Gallery
    model: ModelKey
    calibration: Calibration | None
    rules: Rules = field(default_factory=Rules)

    def decide(self, name: str, cases: Sequence[Case]) -> None:
        """Decide the cases of `name` that have no result: afterwards they have one, or a `face`, which is let in."""
        self._find_copies(name, cases)
        self._each(name, cases, self._choose_face)
        if self.rules.on_conflict == "refuse":
            self._each(name, cases, self._check_holders)
            self._refuse_conflicts(name, _admitted(cases))

    def _each(self, name: str, cases: Iterable[Case], check: Callable[[str, Case], None]) -> None:
        """Apply a check to the cases that are open: those that it raises InputError for are rejected."""
        for case in cases:
            if case.result is None and case.copy_of is None:
                try:
                    check(name, case)
                except InputError as error:
                    _reject(name, case, error)

    def _find_copies(self, name: str, cases: Sequence[Case]) -> None:
        first: dict[str, Case] = {}
        for case in cases:
            digest = case.seen.sha256
            if digest is None or case.result is not None:
                continue
            template_id = self.gallery.holders_of(digest, self.model).get(name)
            # What nobody looked at and nobody holds any more was held when it was read.
            if template_id is not None or not case.seen.looked:
                case.result = EnrollResult(case.seen.source, "duplicate", template_id=template_id, name=name)
            elif first.setdefault(digest, case) is not case:
                case.copy_of = first[digest]

    def _choose_face(self, name: str, case: Case) -> None:
        """The only face of the photo, if it is good enough."""
        seen = case.seen
        if seen.error is not None:
            raise seen.error
        if not seen.faces and seen.too_small:
            raise PhotoRefused(
                "the face is too small",
                code="face_too_small",
                hint="use a photo where the face is larger, or --min-face",
                path=seen.source,
            )
        if len(seen.faces) != 1:
            raise not_one_face(len(seen.faces), seen.source)
        (case.face,) = seen.faces
        quality, least = case.face.quality, self.rules.min_quality
        if quality.score < least:
            raise PhotoRefused(
                f"quality {quality.score:.2f} is below {least:.2f}, mostly for {quality.worst}"
                f" ({quality.factors[quality.worst]:.2f})",
                hint="take a sharp, evenly lit photo from the front, or lower --quality",
                path=seen.source,
            )

    def _check_holders(self, name: str, case: Case) -> None:
        assert case.seen.sha256 is not None
        holders = self.gallery.holders_of(case.seen.sha256, self.model)
        if holders:
            raise PhotoRefused(
                f"the same photo is enrolled as {', '.join(holders)}",
                code="identity_conflict",
                hint=CONFLICT_HINT,
                path=case.seen.source,
            )

    def _refuse_conflicts(self, name: str, cases: Sequence[Case]) -> None:
        """Refuse faces that the gallery takes for somebody else, unless they are more like the person's other ones.

        Those are the stored ones and the photos of the group that nobody else lays claim to.
        """
        if self.calibration is None or not cases:
            return
        policy = policy_for(
            Target(fpir=CONFLICT_FPIR),
            self.calibration,
            identities=max(self.gallery.identity_count(), round(CONFLICT_FPIR / CONFLICT_FMR)),
        )
        found = self.gallery.search([_face(case).embedding for case in cases], top=3)
        rivals = [_rival(name, candidates, policy) for candidates in found]
        unclaimed = [
            _face(case).embedding.vector for case, rival in zip(cases, rivals, strict=True) if rival is None
        ]
        own = np.array([*self.gallery.vectors_of(name, self.model), *unclaimed], np.float32)
        for case, rival in zip(cases, rivals, strict=True):
            if rival is None:
                continue
            if not len(own) or identity_similarity(_face(case).embedding.vector, own) <= rival.similarity:
                refusal = PhotoRefused(
                    f"the face matches {rival.name} (distance {rival.distance:.3f},"
                    f" threshold {policy.threshold:.3f})",
                    code="identity_conflict",
                    hint=CONFLICT_HINT,
                    path=case.seen.source,
                )
                _reject(name, case, refusal)


def _rival(name: str, candidates: Sequence[Candidate], policy: Policy) -> Candidate | None:
    """The nearest other identity, if the gallery would take the face for it."""
    others = [candidate for candidate in candidates if candidate.name != name]
    return others[0] if others and decide_identity(others, policy).verdict != "unknown" else None


def _admitted(cases: Iterable[Case]) -> list[Case]:
    return [case for case in cases if case.face is not None]


def _face(case: Case) -> SeenFace:
    assert case.face is not None
    return case.face


def _reject(name: str, case: Case, error: InputError) -> None:
    """Close a case. A photo that was seen keeps its box and quality: they show what to change."""
    face = case.face or (case.seen.faces[0] if len(case.seen.faces) == 1 else None)
    case.face = None
    case.result = EnrollResult(
        case.seen.source,
        "rejected",
        reason="unreadable" if isinstance(error, UnreadableImage) else cast("Reason", error.code),
        box=face.face.box if face else None,
        quality=face.quality.score if face else None,
        quality_factors=dict(face.quality.factors) if face else None,
        faces=len(case.seen.faces) if case.seen.looked and case.seen.error is None else None,
        name=name or None,
        problem=Problem(error.code, str(error), error.hint),
    )
