"""Three separate groups of people: for training, for choosing the best step, and for calibration."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faceid.errors import InputError
from faceid.networks.mining.splits import split
from faceid.networks.training.samples import Samples
from faceid.networks.training.seen import marks
from faceid.networks.training.settings import TrainSettings
from faceid.training.crops import Portraits

LEAST = 2
"""Identities with two photos that each group needs at least: fewer cannot be compared."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Crops by purpose. `alone` counts people for training with one photo: they teach nothing.

    `seen` are the photos of training and validation (`faceid.networks.training.seen`), with those that the start of the
    training has seen; none of them is of a person for calibration. `known` counts people whom the start has seen.
    """

    training: Samples
    validation: Samples
    calibration: Samples
    alone: int
    seen: frozenset[str] = frozenset()
    known: int = 0

    def identities(self, part: str) -> int:
        """The number of people of a group."""
        return len(np.unique(getattr(self, part).labels))


def parted(portraits: Portraits, settings: TrainSettings, seen: frozenset[str] = frozenset()) -> People:
    """Groups of identities by a hash of name and seed, so that more photos move no identity to another group
    (`faceid.networks.mining.splits`).

    Names that may be one person (`Portraits.linked`) are in one group. People of whom the start of the training has
    `seen` a photo are not for calibration. With few people a group may be too small: then some of the largest group
    move to it. Raises InputError (`too_few`, `one_photo_each`) for fewer than three times LEAST identities with two
    photos.
    """
    counts = Counter(portraits.names)
    several = {name for name, count in counts.items() if count > 1}
    if counts and not several:
        raise InputError(
            f"each of the {len(counts):,} identities has one photo only: nothing shows what stays the same",
            code="one_photo_each",
        )
    names_of: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(counts):
        names_of[portraits.linked.get(name, name)].append(name)
    rich = {person for person, names in names_of.items() if several.intersection(names)}
    if len(rich) < 3 * LEAST:
        raise InputError(
            f"{len(rich)} people have two photos, and training, validation and calibration need {LEAST} each",
            code="too_few",
            remedy="more_people_to_train_on",
        )
    seen_names = {
        name
        for name, digest in zip(portraits.names, portraits.digests, strict=True)
        if seen and not marks([digest]).isdisjoint(seen)
    }
    known = {person for person, names in names_of.items() if seen_names.intersection(names)}
    groups = _groups(list(names_of), settings, known)
    _fill_up(groups, rich, known)
    drawn = [sorted(name for person in group for name in names_of[person]) for group in groups]
    training, validation, calibration = drawn
    learning = [name for name in training if name in several]
    took_part = {*learning, *validation}
    return People(
        training=_samples(portraits, learning),
        validation=_samples(portraits, validation),
        calibration=_samples(portraits, calibration),
        alone=len(training) - len(learning),
        seen=seen
        | marks(
            digest
            for name, digest in zip(portraits.names, portraits.digests, strict=True)
            if name in took_part
        ),
        known=len(known),
    )


def _groups(people: Sequence[str], settings: TrainSettings, known: set[str]) -> list[list[str]]:
    """Training, validation and calibration; of the last, people `known` to the start go to the first."""
    shares = settings.split
    drawn = split(people, seed=settings.seed, validation=shares.validation, test=shares.calibration)
    return [
        [*drawn.train, *(person for person in drawn.test if person in known)],
        list(drawn.validation),
        [person for person in drawn.test if person not in known],
    ]


def _fill_up(groups: list[list[str]], rich: set[str], known: set[str]) -> None:
    """Give each group LEAST people of `rich`, those with two photos. Raises InputError (`too_few`)."""
    while True:
        by_wealth = sorted(groups, key=lambda group: len(rich.intersection(group)))
        poor = by_wealth[0]
        if len(rich.intersection(poor)) >= LEAST:
            return
        for group in reversed(by_wealth):
            movable = rich.intersection(group) - (known if poor is groups[-1] else set())
            if len(rich.intersection(group)) > LEAST and movable:
                break
        else:
            raise InputError(
                f"the network has seen {len(known):,} of these people already, and too few others have two photos",
                code="too_few",
                remedy="more_people_not_seen",
            )
        moving = max(movable)
        group.remove(moving)
        poor.append(moving)


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
