"""The looks at one track as one template, and whether a new look shows the same person."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.types import Vector

_LEAST_WEIGHT = 0.05
"""Looks of quality 0 still count a little: their mean must exist."""

DEPENDENCE = 0.9
"""Correlation of the evidence of two looks at one track. Of 290 comparisons of a track with another person 0.93
of the variance of the log-likelihood ratio lay between the tracks; of 78 compared with their own person 0.70."""

MOST_WEIGHT = 30.0
"""From this sum of qualities on, the mean forgets old looks as it takes new ones: people turn, and light changes."""


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """The quality-weighted mean of `looks` unit vectors (d,): `mean` is float64 and at most 1 long."""

    mean: NDArray[np.float64]
    weight: float
    looks: int

    @classmethod
    def of(cls, vector: Vector, quality: float) -> Fused:
        """One look: a unit vector (d,) and its quality, 0..1."""
        return cls(vector.astype(np.float64), max(quality, _LEAST_WEIGHT), 1)

    def joined_by(self, vector: Vector, quality: float) -> Fused:
        """The mean with one more look."""
        weight = max(quality, _LEAST_WEIGHT)
        before = min(self.weight, MOST_WEIGHT - weight)
        mean = (self.mean * before + vector.astype(np.float64) * weight) / (before + weight)
        return Fused(mean, before + weight, self.looks + 1)

    @property
    def template(self) -> Vector:
        """The direction of the mean (d,), float32, of unit length."""
        return np.asarray(self.mean / max(self.length, 1e-12), dtype=np.float32)

    @property
    def length(self) -> float:
        """How well the looks agree: 1 where all are the same."""
        return float(np.linalg.norm(self.mean))

    def similarity(self, cosine: float) -> float:
        """The similarity of two photos that corresponds to the cosine of `template` and a stored template.

        Averaging also raises the cosines of non-mated pairs, and thresholds are calibrated on photos: as in
        `faceid.decision.scores.identity_similarity`, the geometric mean of the cosine to the mean direction and of the
        average cosine to the looks.
        """
        return cosine * math.sqrt(self.length)

    def cosine_to(self, vector: Vector) -> float:
        """The cosine of a further look to the mean direction."""
        return float(self.template @ vector)

    @property
    def effective_looks(self) -> float:
        """n / (1 + (n - 1) DEPENDENCE): how many independent looks n dependent ones are worth (Kish 1965)."""
        return self.looks / (1.0 + (self.looks - 1) * DEPENDENCE)
