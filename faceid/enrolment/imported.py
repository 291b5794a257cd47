"""Templates of an archive pass the guards of photos: which of them are stored, and in which state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from faceid.enrolment.admission import Admission
from faceid.enrolment.cases import Case, SeenFace, SeenPhoto
from faceid.enrolment.rules import EnrolmentRules
from faceid.errors import UsageError
from faceid.gallery.gallery import Gallery, clean_name
from faceid.results import ImportRefusal
from faceid.types import Embedding, Face, ModelKey, Quality

if TYPE_CHECKING:
    from enrollment_db.records import Part, TemplateState
    from faceid.networks.registry import Calibration

TOGETHER = 256
"""Templates of one person that are decided on together, at most."""

# An archive has no picture of the face: quality and place are unknown, and no rule of an import asks for them.
_QUALITY = Quality(1.0, {})
_FACE = Face((0.0, 0.0, 0.0, 0.0), np.zeros((5, 2), np.float32), 1.0)


@dataclass(slots=True)
class ImportGuard:
    """Decides on the templates of an archive, part by part, before any of them is stored.

    The templates of one person in a part are decided together, against the gallery as it is. `refused` lists those
    that are not stored. `confirmed` are the ids of the gallery's unconfirmed templates that the archive confirms.
    """

    gallery: Gallery
    model: ModelKey
    calibration: Calibration | None
    refused: list[ImportRefusal] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)

    def judge(self, part: Part) -> list[TemplateState | None]:
        """The state of each template of the part; None for one that is refused. Raises GalleryError."""
        rules = EnrolmentRules(min_quality=0.0)
        admission = Admission(self.gallery, self.model, self.calibration, rules, hashed=False)
        people: defaultdict[str, list[int]] = defaultdict(list)
        for place, name in enumerate(part.names):
            people[_cleaned(name)].append(place)
        empty = self.gallery.model is None
        states: list[TemplateState | None] = ["confirmed"] * len(part.names)
        for name, places in people.items():
            # An invalid name is the archive's error, which its import reports. A single template of a new person in an
            # empty gallery has nothing to disagree with.
            if name and not (empty and len(places) == 1):
                for start in range(0, len(places), TOGETHER):
                    self._decide(admission, name, places[start : start + TOGETHER], part, states)
        return states

    def _decide(
        self,
        admission: Admission,
        name: str,
        places: Sequence[int],
        part: Part,
        states: list[TemplateState | None],
    ) -> None:
        cases = [self._case(part, place) for place in places]
        decided = admission.decide(name, cases)
        self.confirmed += decided.confirmed
        for place, case in zip(places, cases, strict=True):
            first = case if case.copy_of is None else case.copy_of
            result = first.result
            if first.doubt is not None or (result is not None and result.status == "unconfirmed"):
                states[place] = "unconfirmed"
            elif result is not None and result.status == "rejected":
                assert result.problem is not None
                states[place] = None
                self.refused.append(ImportRefusal(name, part.sources[place], result.problem))

    def _case(self, part: Part, place: int) -> Case:
        face = SeenFace(_FACE, _QUALITY, Embedding(part.vectors[place], self.model), None)
        source = part.sources[place] or part.digests[place]
        return Case(SeenPhoto(source, part.digests[place], None, 1, (face,), False, True))


def _cleaned(name: str) -> str:
    try:
        return clean_name(name)
    except UsageError:
        return ""
