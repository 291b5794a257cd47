"""Finds templates and identities that an operator should check, with advice. Needs no photos.

- `outlier_template`: farther from the rest of its identity than the gallery's own mated distances make likely, and
  than `verify` would accept: usually the photo of another person. Far is a modified z-score above 3.5 (Iglewicz and
  Hoaglin 1993), by the median and the median absolute deviation, which the outliers themselves hardly move. On LFW
  View 1 this finds 404 of 405 photos that were put into a wrong identity of three and more, and names 1.2 % of the
  right ones.
- `look_alike`: two identities as close as about one non-mated pair in the whole gallery: likely one person under two
  names, or twins.
- `similar_people`: different people of the gallery match each other more often than the model's card says, beyond the
  interval over people (`faceid.decision.population`); its value is how many times as often. It names no people.
- `single_template`: nothing to compare it with, and one photo recognises a person less well than two.
- `low_quality`: below what enrolment asks for. Not a percentile: that names one template in twenty of any gallery.
- `unconfirmed`: a template that no search finds, until it is confirmed or removed.
- `stale`: enrolled long ago. Mated scores fall as people age, slowly at first (Best-Rowden and Jain 2018); five years
  are a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from faceid.decision.decide import VERIFY_FMR
from faceid.decision.population import raised
from faceid.decision.thresholds import threshold_at_fmr
from faceid.evaluation.data.people import GROUP, Ints, People, Person
from faceid.evaluation.findings import Health
from faceid.evaluation.protocols.look_alikes import LookAlikes
from faceid.evaluation.statistics.outliers import far_from, from_the_rest, peel
from faceid.gallery.gallery import Gallery
from faceid.policies.gallery_rates import rates_of

if TYPE_CHECKING:
    from faceid.decision.population import Population
    from faceid.networks.registry import Calibration
    from faceid.results import GalleryRates
    from faceid.types import ModelKey

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of finished templates, and the total."""

KINDS = (
    "outlier_template",
    "look_alike",
    "similar_people",
    "single_template",
    "low_quality",
    "stale",
    "unconfirmed",
)

STALE_DAYS = 1826
"""Five years."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The size of the gallery and the distances that decide; None if a distance is unknown.

    An outlier is farther than `outlier_beyond`. Look-alikes are at `look_alike_within` or closer, as about
    `look_alikes_by_chance` non-mated pairs in such a gallery are. `rates` is the check of the card's rates on the
    people of the gallery, None where it was not made.
    """

    identities: int
    templates: int
    outlier_beyond: float | None
    look_alike_within: float | None
    look_alikes_by_chance: float | None
    rates: GalleryRates | None = None


class Examination:
    """One pass over a gallery. An identity that is enrolled, removed or renamed during the pass may be left out."""

    def __init__(
        self,
        gallery: Gallery,
        calibration: Calibration | None,
        *,
        least_quality: float,
        stale_days: float = STALE_DAYS,
        now: datetime | None = None,
        population: Population | None = None,
    ) -> None:
        """Without `calibration` no look-alikes are found, and outliers only among ENOUGH mated distances.

        `population` is what the people of the gallery say about `calibration`. Where it raises the rates, look-alikes
        are nearer, since so are different people.

        Templates of a quality (0..1) below `least_quality` are poor, those of more than `stale_days` stale.
        """
        self._gallery = gallery
        self._calibration = calibration
        self._population = population
        self._least_quality = least_quality
        self._stale_days = stale_days
        self._now = now or datetime.now(timezone.utc)
        self.bounds = Bounds(0, 0, None, None, None)

    def run(self, progress: Progress | None = None) -> Iterator[Health]:
        """The findings: person by person, outliers, look-alikes, nearest first, then unconfirmed templates.

        `bounds` is complete when this ends. Raises GalleryError.
        """
        model = self._gallery.model
        if model is None:
            return
        people = People(self._gallery, model)
        bound, by_chance = self._look_alike_bound(people.identities.size)
        look_alikes = None if bound is None else LookAlikes(self._gallery, people, bound, model.metric)
        # For people with several templates: all distances, and each person's greatest.
        apart, company, farthest = [np.empty(0)], [], []
        done = 0
        for group in people.groups():
            for person in group.values():
                yield from self._of_one(person)
                if person.ids.size > 1:
                    own = from_the_rest(person.vectors, model.metric)
                    apart.append(own.astype(np.float32))
                    company.append(person.identity)
                    farthest.append(float(own.max()))
                done += person.ids.size
            if look_alikes is not None:
                look_alikes.add(group)
            if progress is not None:
                progress(done, people.templates)
        yield from self._similar()
        outlier = far_from(
            np.concatenate(apart),
            self._at_fmr(VERIFY_FMR),
        )
        self.bounds = Bounds(
            int(people.identities.size),
            people.templates,
            outlier,
            bound,
            by_chance,
            rates_of(self._population),
        )
        if outlier is not None:
            suspects = np.array(company, dtype=np.int64)[np.array(farthest) > outlier]
            yield from _outliers(people, suspects, outlier, model)
        if look_alikes is not None:
            yield from _alike(people, look_alikes.nearest_first())
        for name in self._gallery.unconfirmed_counts():
            yield from _unconfirmed(self._gallery, name, model)

    def _of_one(self, person: Person) -> Iterator[Health]:
        who = (person.name,)
        if person.ids.size == 1:
            yield Health(
                "single_template",
                who,
                (int(person.ids[0]),),
                None,
                "enrol one or two more photos of this person",
            )
        for template_id, quality, created_at in zip(
            person.ids.tolist(), person.qualities, person.created_at, strict=True
        ):
            remove = f"then remove template {template_id}"
            if quality is not None and quality < self._least_quality:
                yield Health("low_quality", who, (template_id,), quality, f"enrol a better photo, {remove}")
            created = datetime.fromisoformat(created_at.replace("Z", "+00:00"))
            days = (self._now - created).total_seconds() / 86_400
            if days > self._stale_days:
                yield Health("stale", who, (template_id,), round(days, 1), f"enrol a recent photo, {remove}")

    def _similar(self) -> Iterator[Health]:
        population = self._population
        if population is not None and population.raises:
            yield Health(
                "similar_people",
                (),
                (),
                population.observed / population.stated,
                "searches use a stricter threshold; calibrate on photos of these people for rates that are measured",
            )

    def _look_alike_bound(self, identities: int) -> tuple[float | None, float | None]:
        """The distance, and the expected number of non-mated pairs within it: about one if the calibration reaches."""
        if self._calibration is None:
            return None, None
        here = raised(self._calibration, self._population)
        pairs = identities * (identities - 1) / 2
        fmr = max(here.points[0].fmr, min(VERIFY_FMR, 1.0 / max(pairs, 1.0)))
        return threshold_at_fmr(here, fmr), pairs * fmr

    def _at_fmr(self, fmr: float) -> float | None:
        """The distance at `fmr`, or at the strictest rate that the calibration reaches."""
        if self._calibration is None:
            return None
        return threshold_at_fmr(self._calibration, max(fmr, self._calibration.points[0].fmr))


class Worst:
    """The worst findings of each kind, and how many there were of each."""

    def __init__(self, keep: int) -> None:
        self.counts = dict.fromkeys(KINDS, 0)
        self._keep = keep
        self._held: dict[str, list[Health]] = {kind: [] for kind in KINDS}

    def add(self, finding: Health) -> None:
        """Count a finding, and keep it while it is among the worst."""
        self.counts[finding.kind] += 1
        held = self._held[finding.kind]
        held.append(finding)
        if len(held) >= 2 * self._keep:
            self._held[finding.kind] = self._sorted(finding.kind)

    def kept(self) -> tuple[Health, ...]:
        """The worst of each kind, by kind, worst first."""
        return tuple(finding for kind in KINDS for finding in self._sorted(kind))

    def _sorted(self, kind: str) -> list[Health]:
        # Small distances between two people and small qualities are bad; all other values are bad if large.
        sign = 1.0 if kind in ("look_alike", "low_quality") else -1.0
        return sorted(self._held[kind], key=lambda finding: sign * (finding.value or 0.0))[: self._keep]


def _outliers(people: People, suspects: Ints, bound: float, model: ModelKey) -> Iterator[Health]:
    for group in people.groups(suspects):
        for person in group.values():
            for places, distance in peel(person.vectors, model.metric, bound):
                ids = tuple(int(person.ids[place]) for place in places)
                advice = (
                    f"look at the photo: if it shows another person, remove template {ids[0]}"
                    if len(ids) == 1
                    else "look at both photos: one probably shows another person, or is very poor"
                )
                yield Health("outlier_template", (person.name,), ids, distance, advice)


def _unconfirmed(gallery: Gallery, name: str, model: ModelKey) -> Iterator[Health]:
    found = gallery.unconfirmed(name, model)
    for template_id in [] if found is None else found.template_ids.tolist():
        advice = f"look at the photo: confirm template {template_id} if it shows the person, else remove it"
        yield Health("unconfirmed", (name,), (template_id,), None, advice)


def _alike(people: People, pairs: list[tuple[int, int, float]]) -> Iterator[Health]:
    for first in range(0, len(pairs), GROUP):
        part = pairs[first : first + GROUP]
        known = people.of(np.unique([pair[:2] for pair in part]))
        for one, other, distance in part:
            if one not in known or other not in known:
                continue
            a, b = known[one], known[other]
            closeness = a.vectors @ b.vectors.T
            i, j = np.unravel_index(int(closeness.argmax()), closeness.shape)
            yield Health(
                "look_alike",
                (a.name, b.name),
                (int(a.ids[i]), int(b.ids[j])),
                distance,
                "look at both: if they are one person, enrol the photos of one under the other's name and"
                " remove it; twins may stay: searches call them ambiguous",
            )
