"""The check of a card's rates on the people of a gallery, kept until enough of them have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceid.decision.population import Population, population_of, raised
from faceid.gallery.gallery import Gallery
from faceid.networks.calibration import Calibration
from faceid.results import GalleryRates
from faceid.types import ModelKey

if TYPE_CHECKING:
    from enrollment_db.records import GallerySize

MOST_PEOPLE = 1000
"""The most people that are compared: a sample of a larger gallery, which takes about as long at any size."""

SMALL = 200
"""Up to this number of people, every change is followed at once."""

CHANGED = 0.02
"""In larger galleries, the changes that are awaited before the next check, as a share of the people."""


class RatesCheck:
    """The calibration of a card, raised to the rates that the people of a gallery show. Threads may share it."""

    def __init__(self, gallery: Gallery, model: ModelKey, card: Calibration) -> None:
        self._gallery = gallery
        self._model = model
        self._card = card
        self._known: tuple[GallerySize, Population | None, Calibration] | None = None

    def population(self) -> Population | None:
        """What the people show; None if they are too few. Raises GalleryError."""
        return self._now()[1]

    def calibration(self) -> Calibration:
        """The card's calibration itself where no rate is raised. Raises GalleryError."""
        return self._now()[2]

    def _now(self) -> tuple[GallerySize, Population | None, Calibration]:
        size = self._gallery.size()
        known = self._known
        if known is None or _changed(known[0], size):
            people = self._gallery.sample_of_people(self._model, MOST_PEOPLE)
            population = population_of(people, self._card, self._model.metric)
            known = self._known = size, population, raised(self._card, population)
        return known


def rates_of(population: Population | None) -> GalleryRates | None:
    """The check in the form of a result."""
    if population is None:
        return None
    return GalleryRates(
        people=population.people,
        comparisons=population.comparisons,
        set_aside=population.set_aside,
        stated=population.stated,
        observed=population.observed,
        low=population.low,
        raises=population.raises,
    )


def _changed(before: GallerySize, now: GallerySize) -> bool:
    if before.model_id != now.model_id or now.seq < before.seq:
        return True
    awaited = 0.0 if now.identities <= SMALL else CHANGED * now.identities
    return now.seq - before.seq > awaited
