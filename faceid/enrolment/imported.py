"""Templates of an archive pass the guards of photos: which of them are stored, and in which state."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faceid.enrolment.admission import Admission
from faceid.enrolment.cases import Case, SeenFace, SeenPhoto
from faceid.enrolment.checks.levels import MAX_TEMPLATES
from faceid.enrolment.rules import EnrolmentRules
from faceid.errors import UsageError
from faceid.gallery.gallery import Gallery, clean_name
from faceid.results import ImportRefusal, Problem
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

    The templates of one person in a part are decided together, against the gallery as it is and the templates of the
    person that were confirmed before. `refused` lists those that are not stored. `confirmed` are the ids of the
    gallery's unconfirmed templates that the archive confirms.
    """

    gallery: Gallery
    model: ModelKey
    calibration: Calibration | None
    refused: list[ImportRefusal] = field(default_factory=list)
    confirmed: list[int] = field(default_factory=list)
    _spread: set[str] = field(default_factory=set)
    _earlier: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)
    _owners: dict[bytes, str] = field(default_factory=dict)

    def expect(self, names: Iterator[Sequence[str]]) -> None:
        """Begin, and learn which people have templates in several parts: only for these are templates remembered."""
        for memory in (self.refused, self.confirmed, self._spread, self._earlier, self._owners):
            memory.clear()
        first: dict[str, int] = {}
        for number, part in enumerate(names):
            for name in {_cleaned(one) for one in set(part)}:
                if first.setdefault(name, number) != number:
                    self._spread.add(name)

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
            places = self._without_copies(name, places, part, states)
            if name and not (empty and len(places) == 1 and name not in self._spread):
                for start in range(0, len(places), TOGETHER):
                    self._decide(admission, name, places[start : start + TOGETHER], part, states)
        self._earlier = {name: own for name, own in self._earlier.items() if name in self._spread}
        return states

    def _without_copies(
        self, name: str, places: Sequence[int], part: Part, states: list[TemplateState | None]
    ) -> list[int]:
        """The places of templates that the archive does not give to another person as well; refuses the others."""
        own = []
        for place in places:
            owner = self._owners.setdefault(hashlib.sha256(part.vectors[place].tobytes()).digest(), name)
            if owner == name:
                own.append(place)
                continue
            states[place] = None
            why = Problem("identity_conflict", f"the archive has the same template for {owner}")
            self.refused.append(ImportRefusal(name, part.sources[place], why))
        return own

    def _decide(
        self,
        admission: Admission,
        name: str,
        places: Sequence[int],
        part: Part,
        states: list[TemplateState | None],
    ) -> None:
        cases = [self._case(part, place) for place in places]
        earlier = self._earlier.setdefault(name, [])
        decided = admission.decide(name, cases, earlier)
        self.confirmed += decided.confirmed
        fresh = [case.face.embedding.vector for case in cases if case.face is not None and case.doubt is None]
        earlier += fresh[: MAX_TEMPLATES - len(earlier)]
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
        face = SeenFace(_FACE, _FACE, _QUALITY, Embedding(part.vectors[place], self.model), None)
        source = part.sources[place] or part.digests[place]
        return Case(SeenPhoto(source, part.digests[place], None, 1, (face,), False, True))


def _cleaned(name: str) -> str:
    try:
        return clean_name(name)
    except UsageError:
        return ""
