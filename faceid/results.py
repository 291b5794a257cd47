"""What faceid answers: the frozen dataclasses that the command line's JSON is made from, field for field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Literal, TypeAlias

from faceid.errors import FaceIDError
from faceid.types import Box, Candidate

Reason: TypeAlias = Literal[
    "unreadable", "no_face", "multiple_faces", "face_too_small", "low_quality", "identity_conflict"
]
ReembedReason: TypeAlias = Literal["source_gone", "source_changed", "unreadable", "no_face", "multiple_faces"]
Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something could not be done.

    `code` is a stable word for programs, `message` one sentence, `remedy` the key under which an interface finds what
    to do. `facts` and `path` are the values that its words may quote.
    """

    code: str
    message: str
    _: KW_ONLY
    remedy: str | None = None
    path: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    hint: str | None = None

    @classmethod
    def of(cls, error: FaceIDError) -> Problem:
        """What `error` says."""
        return cls(
            error.code,
            str(error),
            remedy=error.remedy,
            path=error.path,
            facts=error.facts,
            hint=error.hint,
        )


@dataclass(frozen=True, slots=True)
class EnrollResult:
    """What became of one photo. `reason` and `problem` are set where it was rejected.

    `quality` is 0..1 and `quality_factors` what it is made of; both None where no face was assessed. `faces` counts
    those that were found, None where nobody looked.
    """

    path: str
    status: Literal["enrolled", "duplicate", "rejected"]
    reason: Reason | None = None
    template_id: int | None = None
    box: Box | None = None
    quality: float | None = None
    quality_factors: dict[str, float] | None = None
    faces: int | None = None
    name: str | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class AlreadyEnrolled:
    """Somebody whose photos match, taken together, another identity of the gallery: `candidate`.

    `distance` is between the two, `fmr` the share of strangers that comes as close and `llr` log10 of the likelihood
    ratio, both None where nobody measured. So many `matches` of the new `photos` with a face match by themselves.
    """

    name: str
    candidate: str
    distance: float
    fmr: float | None
    llr: float | None
    matches: int
    photos: int

    def __str__(self) -> str:
        return (
            f"{self.name} may be enrolled already, as {self.candidate}: {self.matches} of {self.photos} photos match"
            f" (distance {self.distance:.3f} together)"
        )


@dataclass(frozen=True, slots=True)
class EnrollSummary:
    """Totals of one enrolment: photos by outcome, and the identity's templates afterwards.

    `skipped` counts duplicates, and photos that add nothing to the templates that are kept; `failed` rejected photos.
    `name` is None where several identities were enrolled.
    """

    name: str | None
    enrolled: int
    skipped: int
    failed: int
    templates: int
    already_enrolled: tuple[AlreadyEnrolled, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyState:
    """What a threshold was chosen for, by whom, and what it gives here and now.

    `source`: `asked` by the call, `gallery` for the stored policy `policy_id`, or `default`. `kind` and `target`: `fmr`
    or `fpir` with a rate, or `threshold` with a distance. `identities` that are searched, None for a comparison with
    one. `fmr`, and `fpir` for a search, are those of the threshold; `miss_rate` is how often a photo of somebody with
    one template is missed. They are None where nobody measured. `held` is false where the calibration does not reach
    far enough down to keep the target.
    """

    source: Literal["asked", "gallery", "default"]
    policy_id: int | None
    kind: Literal["fmr", "fpir", "threshold"]
    target: float
    threshold: float
    identities: int | None
    fmr: float | None
    fpir: float | None
    miss_rate: float | None
    held: bool


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """What decides for a command at present, and what that rests on.

    `fmr_low`..`fmr_high` is the 95 % interval of `policy.fmr`. `data`, with so many `mated` and `non_mated`
    comparisons, was measured on day `measured_at` with `software`; all None without a calibration. `since` is when the
    stored policy was put in force, None where none is. Where there is no threshold, `policy` is None and `problem` says
    why: nobody measured, or not far enough down for the default.
    """

    decides: Literal["verify", "identify"]
    policy: PolicyState | None
    fmr_low: float | None
    fmr_high: float | None
    data: str | None
    mated: int | None
    non_mated: int | None
    measured_at: str | None
    software: str | None
    since: str | None
    model: str
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A stored policy, in force or not. `threshold` is as of when it was put, as are `low`..`high`.

    A policy with `own_calibration` was measured by the gallery's owner, else it is by the model's card.
    """

    policy_id: int
    decides: Literal["verify", "identify"]
    kind: Literal["fmr", "fpir", "threshold"]
    target: float
    threshold: float
    low: float
    high: float
    data: str
    mated: int
    non_mated: int
    own_calibration: bool
    model: str
    created_at: str
    in_force: bool
    since: str


@dataclass(frozen=True, slots=True)
class PolicyTransfer:
    """Policies brought in from or written to a file; `policies` counts them."""

    status: Literal["imported", "exported"]
    path: str
    policies: int
    model: str


@dataclass(frozen=True, slots=True)
class FaceResult:
    """One face of an identified picture, with the decision and all that is needed to answer for it.

    `fmr` is the chance that one stranger comes as close; `llr` what that is worth as evidence, log10 of the likelihood
    ratio of one person against two. Both are None without a calibration.
    """

    box: Box
    landmarks: tuple[Point, ...]
    detection_score: float
    quality: float
    decision: Literal["match", "unknown", "ambiguous"]
    name: str | None
    distance: float | None
    similarity: float | None
    threshold: float
    fmr: float | None
    llr: float | None
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class IdentifyResult:
    """One picture: its faces from left to right. `timing_ms` has `read`, `detect`, `embed`, `search`, `total`.

    Pictures that were worked on together share the batch's time evenly. `policy` is what decided.
    """

    path: str
    status: Literal["ok", "no_face", "unreadable"]
    faces: tuple[FaceResult, ...]
    timing_ms: dict[str, float]
    problem: Problem | None = None
    policy: PolicyState | None = None


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """Whether one picture shows the person it is said to show. `llr` as in FaceResult; `policy` is what decided."""

    path: str
    name: str
    decision: Literal["match", "no_match"]
    verified: bool
    distance: float
    similarity: float
    threshold: float
    fmr: float | None
    llr: float | None
    policy: PolicyState


@dataclass(frozen=True, slots=True)
class CompareResult:
    """Whether two pictures show one person. `llr` as in FaceResult; `policy` is what decided."""

    paths: tuple[str, str]
    decision: Literal["match", "no_match"]
    verified: bool
    distance: float
    similarity: float
    threshold: float
    fmr: float | None
    llr: float | None
    policy: PolicyState


@dataclass(frozen=True, slots=True)
class IdentityInfo:
    """An enrolled identity; `attributes` are what a table said of the person when enrolling."""

    name: str
    templates: int
    created_at: str
    attributes: dict[str, str]


@dataclass(frozen=True, slots=True)
class TemplateInfo:
    """A stored template: where it came from and what it was made with."""

    template_id: int
    source: str | None
    sha256: str
    quality: float | None
    model: str
    created_at: str


@dataclass(frozen=True, slots=True)
class RemoveResult:
    """What was removed: `identities` and `templates` are counts."""

    status: Literal["removed"]
    name: str
    identities: int
    templates: int


@dataclass(frozen=True, slots=True)
class RenameResult:
    """An identity's new name."""

    status: Literal["renamed"]
    old: str
    new: str
    templates: int


@dataclass(frozen=True, slots=True)
class TransferResult:
    """Templates brought in from or written to an .npz file; `skipped` were there already, `nameless` are nobody's."""

    status: Literal["imported", "exported"]
    path: str
    identities: int
    templates: int
    skipped: int
    model: str
    nameless: int = 0


@dataclass(frozen=True, slots=True)
class ReembedFailure:
    """A template that could not be computed again for another model. It stays as it is."""

    template_id: int
    name: str
    source: str | None
    reason: ReembedReason
    problem: Problem


@dataclass(frozen=True, slots=True)
class ReembedResult:
    """What became of a gallery's move to `new_model`.

    `status`: `switched`; `current`, where the gallery was of that model before; `incomplete`, where nothing was
    switched because templates are missing. `re_embedded` templates were computed, `already` many were there,
    `failed` could not be, `dropped` old ones were removed. Nobody finds the `unfindable` identities: they have
    only templates of other models.
    """

    status: Literal["switched", "current", "incomplete"]
    old_model: str
    new_model: str
    re_embedded: int
    already: int
    failed: int
    dropped: int
    unfindable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What came of a training from the network `start`.

    `status`: `made`, and then `card` is the path of the model card of `name`; `no_gain`, where no step did better than
    the start. Of `photos`, `lost` counts those without a usable face by reason; `duplicates` lie there more than once.
    People: `trained_on`, `validated_on`, `calibrated_on`, and `alone`, who have one photo only and were left out.
    `steps` were made, the best was `best_step`, and `ended` says why no more (`steps`, `patience`). TMR at FMR 1e-3 on
    the people of the validation: `start_tmr` of the start, `best_tmr` of the best step. On those of the calibration,
    whom nothing was chosen by: `tmr`, None where nothing was made, and `tmr_before` of the start, None from scratch.
    The calibration reaches down to `least_fmr`: there is no threshold for a lower rate.
    """

    status: Literal["made", "no_gain"]
    name: str
    card: str | None
    start: str
    photos: int
    lost: Mapping[str, int]
    duplicates: int
    trained_on: int
    validated_on: int
    calibrated_on: int
    alone: int
    steps: int
    best_step: int
    ended: str
    start_tmr: float
    best_tmr: float
    tmr: float | None
    tmr_before: float | None
    least_fmr: float | None


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A network that has a card; one for liveness makes no templates, and so has neither `dim` nor `metric`."""

    name: str
    dim: int | None
    metric: str | None
    input_size: int
    weights: Literal["installed", "available", "missing"]
    licence: str
    source: str
    sha256: str | None
    default: bool
    kind: Literal["recognition", "liveness"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that `doctor` looked at. `problem` says what is wrong, or what has still to be done."""

    check: str
    ok: bool
    detail: str
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A snapshot of the index, as it says of itself.

    `rows` counts what it holds, `bytes` what it takes on the disk, and `behind` the additions and removals since.
    """

    path: str
    index: str
    model: str
    rows: int
    bytes: int
    written_at: str
    behind: int


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """Which index a search would use, and why; `changes` were made to the gallery since it was created."""

    kind: str
    index: str
    model: str | None
    templates: int
    changes: int
    snapshot: SnapshotInfo | None


@dataclass(frozen=True, slots=True)
class IndexResult:
    """The index after it was rebuilt or compacted; `snapshot` is None where the gallery is too small for one."""

    status: str
    kind: str
    index: str
    templates: int
    snapshot: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class IndexDifference:
    """A template that is not the same in the index and in the database.

    `missing` from the index, `extra` in it, `different` vectors, or `unreachable`: held, but no search finds it.
    """

    template_id: int
    difference: Literal["missing", "extra", "different", "unreachable"]


@dataclass(frozen=True, slots=True)
class IndexVerification:
    """What comparing the index with the database has shown; `compared` templates are in both."""

    status: Literal["equal", "differs"]
    kind: str
    index: str
    compared: int
    differences: tuple[IndexDifference, ...]
