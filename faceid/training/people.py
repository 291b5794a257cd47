"""Who is trained on, who chooses the best step, and by whom the result is calibrated: nobody does two of these."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from faceid.errors import InputError
from faceid.training.crops import Portraits
from models.mining.splits import split
from models.training.samples import Samples
from models.training.settings import TrainSettings

LEAST = 2
"""Identities with two photos that each part needs: below, there is nothing to tell apart."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Crops by what they are for. `alone` counts those for training who have one photo: they teach nothing."""

    training: Samples
    validation: Samples
    calibration: Samples
    alone: int

    def identities(self, part: str) -> int:
        """How many people a part has."""
        return len(np.unique(getattr(self, part).labels))


def parted(portraits: Portraits, settings: TrainSettings) -> People:
    """Identities by a hash of their name and the seed, so that more photos move nobody (`models.mining.splits`).

    Raises InputError (`too_few`, `one_photo_each`) where a part has too few identities with two photos.
    """
    counts = Counter(portraits.names)
    several = {name for name, count in counts.items() if count > 1}
    if counts and not several:
        raise InputError(
            f"each of the {len(counts):,} identities has one photo only: nothing shows what stays the same",
            code="one_photo_each",
            hint="add photos: two of each at least, better five",
        )
    parts = split(
        counts, seed=settings.seed, validation=settings.split.validation, test=settings.split.calibration
    )
    trained = [name for name in parts.train if name in several]
    found = {"training": trained, "validation": parts.validation, "calibration": parts.test}
    for what, names in found.items():
        usable = len(several.intersection(names))
        if usable < LEAST:
            raise InputError(
                f"{usable} of {len(several):,} identities with two photos are for {what}, and {LEAST} are needed",
                code="too_few",
                hint="add people, or change [split] or the seed in the settings",
            )
    return People(
        training=_samples(portraits, trained),
        validation=_samples(portraits, parts.validation),
        calibration=_samples(portraits, parts.test),
        alone=len(parts.train) - len(trained),
    )


def _samples(portraits: Portraits, names: tuple[str, ...] | list[str]) -> Samples:
    labels = {name: label for label, name in enumerate(names)}
    chosen = [row for row, name in enumerate(portraits.names) if name in labels]
    # In an order that does not hang on how the photos were found.
    chosen.sort(key=lambda row: (labels[portraits.names[row]], portraits.digests[row]))
    places = [portraits.places[row] for row in chosen]
    files = sorted({place.file for place in places})
    numbers = {file: number for number, file in enumerate(files)}
    return Samples(
        files=tuple(files),
        file_of=np.array([numbers[place.file] for place in places], dtype=np.int64),
        rows=np.array([place.row for place in places], dtype=np.int64),
        labels=np.array([labels[portraits.names[row]] for row in chosen], dtype=np.int64),
    )
