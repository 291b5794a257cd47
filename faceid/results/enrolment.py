"""The results of an enrolment: one for each photo, and totals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from faceid.results.problem import Problem, Reason
from faceid.types import Box


@dataclass(frozen=True, slots=True)
class EnrollResult:
    """The result for one photo. `reason` and `problem` are set if it was rejected.

    An `unconfirmed` photo has a template that no search finds; its `problem` says why. `quality` is 0..1 and
    `quality_factors` are its parts; both are None if no face was assessed. `faces` counts the detected faces, None if
    no detector ran. The photo was turned by `turned` degrees clockwise (0, 90, 180 or 270) to be upright, beyond what
    its file says; `box` is in pixels of the turned photo.
    """

    path: str
    status: Literal["enrolled", "duplicate", "rejected", "unconfirmed"]
    reason: Reason | None = None
    template_id: int | None = None
    box: Box | None = None
    quality: float | None = None
    quality_factors: dict[str, float] | None = None
    faces: int | None = None
    name: str | None = None
    problem: Problem | None = None
    turned: int = 0


@dataclass(frozen=True, slots=True)
class AlreadyEnrolled:
    """A person whose photos, taken together, match another identity of the gallery: `candidate`.

    `distance` is between the two, `fmr` the share of non-mated comparisons that are as close and `llr` log10 of the
    likelihood ratio, both None without a calibration. Of the new `photos` with a face, `matches` match by themselves.
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
            f" (their mean at distance {self.distance:.3f})"
        )


@dataclass(frozen=True, slots=True)
class EnrollSummary:
    """Totals of one enrolment: photos by outcome, and the identity's templates afterwards.

    `skipped` counts duplicates, and photos that add nothing to the kept templates; `failed` counts rejected photos,
    `unconfirmed` those whose template no search finds yet. `templates` counts those that searches find.
    `name` is None if several identities were enrolled.

    `people_enrolled` counts the people of these photos who have a template now, new or from before.
    `people_without_template` names the others, and `reasons_without_template` counts them by the reason of most of
    their photos. `loose_photos` counts the photos beside the people's folders, in no person's; None without folders.
    """

    name: str | None
    enrolled: int
    skipped: int
    failed: int
    templates: int
    already_enrolled: tuple[AlreadyEnrolled, ...] = ()
    unconfirmed: int = 0
    people_enrolled: int = 0
    people_without_template: tuple[str, ...] = ()
    reasons_without_template: dict[str, int] = field(default_factory=dict)
    loose_photos: int | None = None
