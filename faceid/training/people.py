"""Three separate groups of people: for training, for choosing the best step, and for calibration."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from faceid.errors import InputError
from faceid.networks.mining.splits import split
from faceid.networks.training.samples import Samples
from faceid.networks.training.settings import TrainSettings
from faceid.training.crops import Portraits

LEAST = 2
"""Identities with two photos that each group needs at least: fewer cannot be compared."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Crops by purpose. `alone` counts people for training with one photo: they teach nothing."""

    training: Samples
    validation: Samples
    calibration: Samples
    alone: int

    def identities(self, part: str) -> int:
        """The number of people of a group."""
        return len(np.unique(getattr(self, part).labels))


def parted(portraits: Portraits, settings: TrainSettings) -> People:
    """Groups of identities by a hash of name and seed, so that more photos move no identity to another group
    (`faceid.networks.mining.splits`).

    With few people a group may be too small: then some of the largest group move to it. Raises InputError (`too_few`,
    `one_photo_each`) for fewer than three times LEAST identities with two photos.
    """
    counts = Counter(portraits.names)
    several = {name for name, count in counts.items() if count > 1}
    if counts and not several:
        raise InputError(
            f"each of the {len(counts):,} identities has one photo only: nothing shows what stays the same",
            code="one_photo_each",
        )
    if len(several) < 3 * LEAST:
        raise InputError(
            f"{len(several)} people have two photos, and training, validation and calibration need {LEAST} each",
            code="too_few",
            remedy="more_people_to_train_on",
        )
    shares = settings.split
    drawn = split(counts, seed=settings.seed, validation=shares.validation, test=shares.calibration)
    trained = [name for name in drawn.train if name in several]
    parts = [trained, list(drawn.validation), list(drawn.test)]
    while True:
        parts_by_use = sorted(parts, key=lambda part: len(several.intersection(part)))
        poor, rich = parts_by_use[0], parts_by_use[-1]
        if len(several.intersection(poor)) >= LEAST:
            break
        moving = max(several.intersection(rich))
        rich.remove(moving)
        poor.append(moving)
    training, validation, calibration = (_samples(portraits, sorted(part)) for part in parts)
    return People(training, validation, calibration, alone=len(set(drawn.train) - several))


def _samples(portraits: Portraits, names: list[str]) -> Samples:
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
