"""The galleries of bench_gallery, and the right answers: an exact search with NumPy.

People with two photos or more give one to the gallery and another as a mated probe; people with a single photo are
non-mated probes and not in the gallery. The rest of the gallery is drawn from a normal distribution with the mean and
covariance of all real templates, and scaled to unit length.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-6
"""How much farther than the nearest one may be, as a cosine, and count as equal: what float32 rounds away."""

NEW = 200
"""How many vectors there are to be added one by one, and to be removed."""

_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True, eq=False)
class People:
    """Real templates, or ones that stand in for them: (n, d) float32 unit vectors, whose each is, and what they are."""

    vectors: NDArray[np.float32]
    identity: NDArray[np.int64]
    what: str


@dataclass(frozen=True, eq=False)
class Trial:
    """One size: files of arrays for the workers, and the truth about the probes.

    `mates` (m,) holds the id of each probe's mate, -1 for non-mated probes; `best` (m,) the cosine of each
    probe to the nearest of the gallery, float64, and `nearest` (m,) its id.
    """

    directory: Path
    count: int
    dim: int
    mates: NDArray[np.int64]
    best: NDArray[np.float64]
    nearest: NDArray[np.int64]

    @property
    def vectors(self) -> Path:
        return self.directory / "vectors.npy"

    @property
    def probes(self) -> Path:
        return self.directory / "probes.npy"

    @property
    def new_vectors(self) -> Path:
        return self.directory / "new.npy"

    @property
    def removable(self) -> Path:
        return self.directory / "removable.npy"


@dataclass(frozen=True)
class Verdict:
    """How right some answers are: shares of the probes that were answered, and what is wrong beyond recall."""

    mated: int
    probes: int
    exact_mated: float
    exact: float
    rank_1: float
    fault: str | None


def lfw_people(model: str, data: Path | None, cache: Path) -> People:
    """LFW View 1 through a network of ours; made once and kept in `cache`."""
    from scripts.datasets import lfw

    photos = lfw.lfw_photos(lfw.data_directory(data), cache)
    templates = lfw.labelled(lfw.templates(photos, model, cache))
    return People(templates.vectors, templates.identity, f"LFW View 1, {templates.model}")


def synthetic_people(dim: int, seed: int = 0) -> People:
    """No faces: 400 people with two vectors, 400 with one, about a common mean.

    A person is normal with standard deviations 1/i in the i-th direction, a photo its person plus normal noise
    of a third of these.
    """
    rng = np.random.default_rng(seed)
    spread = 1 / np.arange(1, dim + 1) ** 0.5
    identity = np.concatenate([np.arange(800), np.arange(400)])
    people = rng.standard_normal((800, dim)) * spread
    photos = 0.3 + people[identity] + rng.standard_normal((len(identity), dim)) * spread / 3
    return People(_unit(photos), identity, f"synthetic ({dim} floats, no faces)")


def prepare(people: People, count: int, directory: Path, most: int | None, seed: int = 0) -> Trial:
    """Write a gallery of `count` templates with its probes, at most `most` of each kind, and search it."""
    rng = np.random.default_rng(seed)
    dim = people.vectors.shape[1]
    firsts, seconds, alone = _chosen(people.identity, rng)
    most = min(len(firsts), len(alone), count // 2, most or count)
    firsts, seconds, alone = firsts[:most], seconds[:most], alone[:most]
    order = rng.permutation(2 * most)
    probes = people.vectors[np.concatenate([seconds, alone])][order]
    places = rng.permutation(count)
    mates = np.concatenate([places[:most], np.full(most, -1)])[order]

    trial = Trial(directory, count, dim, mates, np.empty(0), np.empty(0, np.int64))
    draw = _Drawn(people.vectors, rng)
    gallery = np.lib.format.open_memmap(trial.vectors, mode="w+", dtype=np.float32, shape=(count, dim))
    for start in range(0, count, _ROWS_AT_ONCE):
        gallery[start : start + _ROWS_AT_ONCE] = draw(min(_ROWS_AT_ONCE, count - start))
    gallery[places[:most]] = people.vectors[firsts]
    gallery.flush()
    np.save(trial.probes, probes)
    np.save(trial.new_vectors, draw(NEW))
    np.save(trial.removable, places[most : most + NEW])
    best, nearest = _nearest(gallery, probes)
    return Trial(directory, count, dim, mates, best, nearest)


def judge(trial: Trial, answers: NDArray[np.int64]) -> Verdict:
    """What (n, k) ids are worth as answers to the first n probes."""
    n = len(answers)
    mates = trial.mates[:n]
    mated = mates >= 0
    fault = None
    if answers.min() < 0 or answers.max() >= trial.count:
        fault = "returned ids that are not in the gallery"
    elif any(len(set(row)) < len(row) for row in answers.tolist()):
        fault = "returned an id twice"
    first = np.clip(answers[:, 0], 0, trial.count - 1)
    gallery = np.load(trial.vectors, mmap_mode="r")
    cosines = _cosines(np.load(trial.probes)[:n], np.array(gallery[first]))
    exact = cosines >= trial.best[:n] - TOLERANCE
    return Verdict(
        mated=int(mated.sum()),
        probes=n,
        exact_mated=float(exact[mated].mean()),
        exact=float(exact.mean()),
        rank_1=float((answers[mated, 0] == mates[mated]).mean()),
        fault=fault,
    )


class _Drawn:
    """Unit vectors from the normal distribution with the mean and covariance of the given ones."""

    def __init__(self, vectors: NDArray[np.float32], rng: np.random.Generator) -> None:
        values, directions = np.linalg.eigh(np.cov(vectors.T.astype(np.float64)))
        self._mean = vectors.mean(axis=0, dtype=np.float64)
        self._root = (directions * np.sqrt(np.clip(values, 0, None))).T
        self._rng = rng

    def __call__(self, count: int) -> NDArray[np.float32]:
        return _unit(self._mean + self._rng.standard_normal((count, len(self._mean))) @ self._root)


def _chosen(
    identity: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows by chance: two photos of each person who has them, and those of people with one, all shuffled."""
    photos: dict[int, list[int]] = {}
    for row in rng.permutation(len(identity)).tolist():
        photos.setdefault(int(identity[row]), []).append(row)
    several = np.array([rows[:2] for rows in photos.values() if len(rows) > 1])
    alone = np.array([rows[0] for rows in photos.values() if len(rows) == 1])
    return several[:, 0], several[:, 1], alone


def _nearest(
    gallery: NDArray[np.float32], probes: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The cosine and id of the nearest of each probe, found in float32, the cosine then summed in float64."""
    best = np.full(len(probes), -np.inf, np.float32)
    nearest = np.zeros(len(probes), np.int64)
    for start in range(0, len(gallery), _ROWS_AT_ONCE):
        cosines = probes @ gallery[start : start + _ROWS_AT_ONCE].T
        top = cosines.argmax(axis=1)
        values = cosines[np.arange(len(probes)), top]
        nearer = values > best
        best[nearer], nearest[nearer] = values[nearer], start + top[nearer]
    return _cosines(probes, np.array(gallery[nearest])), nearest


def _cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    return (a.astype(np.float64) * b.astype(np.float64)).sum(axis=1)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
