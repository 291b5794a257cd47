"""People as random directions, a calibration that is exact for them, and crowds that resemble each other."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from faceid.networks.calibration import Calibration, CalibrationPoint, EvidencePoint

DIM = 64
RATES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.5, 0.9)

_COSINE = NormalDist(0.0, DIM**-0.5)


def card() -> Calibration:
    """The cosine of two random directions is close to normal, of variance 1 / DIM."""
    return Calibration(
        data="computed",
        date="2026-01-01",
        software="tests",
        mated=0,
        non_mated=0,
        points=tuple(
            CalibrationPoint(rate, 1.0 - _COSINE.inv_cdf(1.0 - rate), rate / 2, min(1.0, rate * 2), 1)
            for rate in RATES
        ),
        ambiguity_margin=0.05,
        evidence=(EvidencePoint(0.2, 5.0), EvidencePoint(0.6, 0.0), EvidencePoint(1.0, -3.0)),
    )


def crowd(seed: int, people: int, shift: float = 0.0) -> NDArray[np.float32]:
    """(people, DIM) unit vectors whose cosines are `shift` standard deviations above those of the card."""
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((people, DIM))
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    cosine = shift * DIM**-0.5
    common = np.eye(DIM)[0] * (cosine / (1.0 - cosine)) ** 0.5
    return unit(own + common)


def again(seed: int, vectors: NDArray[np.float32], noise: float = 0.15) -> NDArray[np.float32]:
    """Another photo of each person: cosines of about 0.97 at the default noise."""
    added = np.random.default_rng(seed).standard_normal(vectors.shape)
    return unit(vectors + noise * added / np.linalg.norm(added, axis=1, keepdims=True))


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
