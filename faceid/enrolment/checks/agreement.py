"""Which faces of a group of photos are one person: the largest set that agrees with itself.

A set starts from each face in turn. It grows by all faces within a bound of the set's mean, and each face is compared
with the set without itself, until nothing changes. The largest set wins. This is RANSAC (Fischler and Bolles 1981) with
every minimal sample tried. It is right as long as the person's photos outnumber those of any one other person. Two
faces of one photo are never in one set. Photos of one scene (near-duplicates: a burst, frames of a video) count as one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

_ROUNDS = 20
"""Sets that still change after so many rounds alternate between two states; either one serves."""

_SEEDS = 512
"""The greatest number of faces from which sets grow; faces of photos with few faces come first."""

_COMPANION = 0.5
"""A second person in more than this share of the same photos might be the one who is meant."""

_TIE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """The person that a group of n faces shows.

    `members` (n,) bool are the faces of the largest set. `similarity` (n,) float64, -1..1, is how much each face is
    like the members of other scenes (`faceid.decision.scores.identity_similarity`), NaN where there are none. `mean`
    (d,) float64 is the mean of the members and the enrolled templates, each scene counted once. `decided` is False
    where another set is as large.
    """

    members: Bools
    similarity: Floats
    mean: Floats
    decided: bool


def agreement(
    vectors: NDArray[np.float32],
    photo: Ints,
    enrolled: NDArray[np.float32],
    *,
    join: float,
    same_scene: float,
) -> Agreement:
    """The person shown by faces (n, d) of unit length, of which `photo` (n,) int64 says where each was found.

    The `enrolled` templates (m, d) determine the person: the set grows from those of them that agree. A face joins a
    set at a similarity of `join` or more. Two faces are of one scene at a similarity of `same_scene` or more.
    """
    stored = len(enrolled)
    together = np.concatenate([enrolled, vectors]).astype(np.float64)
    _, places = np.unique(photo, return_inverse=True)
    places = np.concatenate([np.arange(stored), places.reshape(-1) + stored])
    group = _Group(together, places, same_scene)
    if stored:
        held = np.zeros(len(together), dtype=bool)
        held[:stored] = True
        if stored > 1:
            own = agreement(enrolled, np.arange(stored), enrolled[:0], join=join, same_scene=same_scene)
            held[:stored] = own.members if own.decided else True
        start = held[None, :]
    else:
        held = np.zeros(len(together), dtype=bool)
        start = group.seeds()
    sets = group.grow(start, join, held)
    best, decided = group.largest(sets)
    similarity = group.similarity(sets[best][None, :])[0]
    mean = group.mean(sets[best])
    return Agreement(sets[best][stored:], similarity[stored:], mean, decided or bool(stored))


class _Group:
    """Faces (n, d) with the photo (n,) and the scene (n,) of each, numbered from 0."""

    def __init__(self, vectors: Floats, photo: Ints, same_scene: float) -> None:
        self._vectors = vectors
        self._gram = vectors @ vectors.T
        self._photo = photo
        near = self._gram >= same_scene
        np.fill_diagonal(near, True)
        self._burst = _components(near)
        shared = photo[:, None] == photo[None, :]
        self._scene = _components(shared | (self._burst[:, None] == self._burst[None, :]))
        self._same = self._scene[:, None] == self._scene[None, :]
        faces = np.bincount(photo)
        photos_of_scene = np.array(
            [np.unique(photo[self._scene == scene]).size for scene in range(self._scene.max(initial=-1) + 1)]
        )
        self._weight = 1.0 / photos_of_scene[self._scene]
        self._alone = faces[photo] == 1
        self._crowded = [np.flatnonzero(photo == place) for place in np.flatnonzero(faces > 1)]

    def seeds(self) -> Bools:
        """The sets to begin with: each face with its near-duplicates in other photos."""
        order = np.lexsort((np.arange(len(self._photo)), np.bincount(self._photo)[self._photo]))
        _, first = np.unique(self._burst[order], return_index=True)
        chosen = order[np.sort(first)[:_SEEDS]]
        return self._one_a_photo(
            self._burst[chosen][:, None] == self._burst[None, :],
            np.tile(self._gram.sum(axis=1), (len(chosen), 1)),
        )

    def grow(self, sets: Bools, join: float, held: Bools) -> Bools:
        """The sets (s, n) after nothing more joins or leaves them; `held` (n,) faces never leave."""
        for _ in range(_ROUNDS):
            similarity = self.similarity(sets)
            alone = np.isnan(similarity)
            grown = np.where(alone, sets, similarity >= join)
            grown = self._one_a_photo(grown, np.where(alone, 1.0, similarity)) | held
            if (grown == sets).all():
                break
            sets = grown
        return sets

    def similarity(self, sets: Bools) -> Floats:
        """How much each face is like the members in other scenes: (s, n), NaN where there are none.

        With r the sum of those members and w how many scenes they are worth: x . r / sqrt(w |r|).
        """
        share = sets * self._weight
        to_all, to_own = share @ self._gram, share @ (self._gram * self._same)
        scenes = np.eye(self._scene.max(initial=-1) + 1)[self._scene]
        squared = (
            (share * to_all).sum(axis=1, keepdims=True)
            - 2.0 * (share * to_all) @ scenes
            + (share * to_own) @ scenes
        )[:, self._scene]
        # Counted by scenes with other members, not by difference: rounding must not create members.
        occupied = share @ scenes
        others = (occupied.sum(axis=1, keepdims=True) - occupied)[:, self._scene]
        length = np.sqrt(np.maximum(squared, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            similarity = (to_all - to_own) / np.sqrt(others * length)
        similarity = np.where(length > _TIE, similarity, 0.0)
        return np.where(others > _TIE, similarity, np.nan)

    def mean(self, members: Bools) -> Floats:
        """The mean (d,) of the members (n,), each scene counted once."""
        share = members * self._weight
        return share @ self._vectors / max(float(share.sum()), _TIE)

    def largest(self, sets: Bools) -> tuple[int, bool]:
        """The index of the largest set, and whether no other set is as large."""
        size = (sets * self._weight).sum(axis=1)
        inner = np.nan_to_num(self.similarity(sets), nan=0.0)
        closeness = (sets * inner * self._weight).sum(axis=1)
        most = np.flatnonzero(size >= size.max() - _TIE)
        best = int(most[closeness[most].argmax()])
        apart = ~(sets & sets[best]).any(axis=1)
        if (apart & (size >= size[best] - _TIE)).any():
            return best, False
        # A second person in most of the same photos: photos with a single face decide, if there are any.
        solo = (sets & self._alone) @ self._weight
        here = np.zeros(self._photo.max() + 1, dtype=bool)
        here[self._photo[sets[best]]] = True
        beside = (sets & here[self._photo]) @ self._weight
        companion = apart & (beside > _COMPANION * size[best]) & (solo >= solo[best] - _TIE)
        return best, not bool(companion.any())

    def _one_a_photo(self, sets: Bools, preference: Floats) -> Bools:
        result = sets.copy()
        for faces in self._crowded:
            within = np.where(sets[:, faces], preference[:, faces], -np.inf)
            best = within.argmax(axis=1)
            kept = np.arange(faces.size)[None, :] == best[:, None]
            result[:, faces] &= kept
        return result


def _components(linked: Bools) -> Ints:
    """The connected components of a symmetric graph (n, n), numbered from 0 by their first node: (n,)."""
    label = np.arange(len(linked))
    while True:
        least = np.where(linked, label[None, :], len(linked)).min(axis=1, initial=len(linked))
        if (least == label).all():
            break
        label = least
    return np.unique(label, return_inverse=True)[1].reshape(-1)
