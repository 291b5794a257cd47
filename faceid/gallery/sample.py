"""A sample of the people of a gallery that stays the same while others are enrolled or removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from enrollment_db.errors import Corrupt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from enrollment_db.records import GallerySize, ModelKey
    from faceid.ports.storage import TemplateRepository

_READ_AT_MOST = 64
"""Template ids that are looked up for each wanted person, where most templates have been removed."""

_SCATTER = np.uint64(0x9E3779B97F4A7C15)


def sample_of_people(
    templates: TemplateRepository, size: GallerySize, model: ModelKey, most: int
) -> NDArray[np.float32]:
    """One row for each of at most `most` people with templates of `model`: (n, d) float32.

    A row is the mean of the person's templates divided by the square root of its length, so that the product of two
    rows is the similarity of two people as in `faceid.decision.scores.identity_similarity`.

    A gallery of `size` up to `most` people is read completely. In a larger one, the people are those of every 2nd, 4th,
    8th ... template, so the cost does not grow with the gallery. People with a damaged template are left out: a sample
    decides about others, who must not be refused for it. Raises GalleryError.
    """
    chosen = _all(templates) if size.identities <= most else _some(templates, size, most)
    if chosen.size > most:
        # Multiplied by an odd number, ids are in an order that has nothing to do with that of enrolment.
        order = np.argsort(chosen.astype(np.uint64) * _SCATTER, kind="stable")
        chosen = np.sort(chosen[order[:most]])
    found = _readable(templates, chosen, model)
    if not found:
        return np.empty((0, model.dim), np.float32)
    counts = np.array([len(own) for own in found])
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    means = np.add.reduceat(np.concatenate(found), first, axis=0) / counts[:, None].astype(np.float32)
    lengths = np.sqrt(np.linalg.norm(means, axis=1, keepdims=True))
    rows: NDArray[np.float32] = (means / np.where(lengths > 0.0, lengths, 1.0)).astype(np.float32)
    return rows


def _readable(
    templates: TemplateRepository, people: NDArray[np.int64], model: ModelKey
) -> list[NDArray[np.float32]]:
    """The templates (k, d) of each of the people that has some, in the order of `people`, without damaged ones."""
    try:
        return [own for _, own in sorted(templates.vectors_of(people, model).items())]
    except Corrupt:
        if len(people) == 1:
            return []
        half = len(people) // 2
        return _readable(templates, people[:half], model) + _readable(templates, people[half:], model)


def _all(templates: TemplateRepository) -> NDArray[np.int64]:
    return np.array([who.id for who in templates.identities() if who.templates], dtype=np.int64)


def _some(templates: TemplateRepository, size: GallerySize, most: int) -> NDArray[np.int64]:
    # Each template has an entry in the log, so few ids are beyond its length; a sample can do without those.
    step = 1
    while size.seq // step > 2 * most:
        step *= 2
    while True:
        owners = templates.identity_ids_of(np.arange(step, size.seq + 1, step, dtype=np.int64))
        people = np.unique(owners[owners >= 0])
        if people.size >= most // 2 or step == 1 or 2 * size.seq // step > _READ_AT_MOST * most:
            return people
        step //= 2
