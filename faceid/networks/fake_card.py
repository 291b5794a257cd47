"""The card of `fake`, the network for tests. It has no weights; its people are colours.

`faceid.recognition.embed.fake` makes the templates. Its distances, and so this calibration, follow from DIM and NOISE.
With it tests can ask for rates as users do.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Final

from faceid.networks.calibration import AlikeCurve, Calibration, CalibrationPoint, EvidencePoint
from faceid.networks.card import Card, Weights

FAKE: Final = "fake"

DIM: Final = 64
NOISE: Final = 0.15
"""The length of the vector that a photo adds to the unit vector of its person."""

# The cosine of random directions is close to normal, of variance 1 / DIM. Photos of one person add two of them, each
# of length NOISE, to a vector of length 1.
_NON_MATED: Final = NormalDist(0.0, DIM**-0.5)
_MATED: Final = NormalDist(1.0 / (1.0 + NOISE**2), NOISE * (2.0 / DIM) ** 0.5 / (1.0 + NOISE**2))


@cache
def fake_card() -> Card:
    """The card, with a computed calibration."""
    return Card(
        name=FAKE,
        backbone=FAKE,
        dim=DIM,
        metric="cosine",
        input_size=150,
        aligner="dlib-150-v1",
        description="no network: people are colours",
        licence="Apache-2.0",
        source_url="the fake network of faceid, for tests",
        weights=Weights.of_file(Path(FAKE), "0" * 64, 1),
        calibration=Calibration(
            data="computed: random directions in 64 dimensions",
            date="2025-01-01",
            software="faceid, fake network",
            mated=0,
            non_mated=0,
            points=tuple(_point(fmr) for fmr in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)),
            ambiguity_margin=0.05,
            evidence=tuple(_evidence(step / 20.0) for step in range(21)),
            population="people of random colours",
            alike=_alike(),
        ),
    )


def _alike() -> AlikeCurve:
    # Nearly all false matches are with the nearer half of the others, so among those the rate is twice as high.
    return AlikeCurve(
        data="computed: random directions in 64 dimensions",
        population="the nearer half of people of random colours",
        chosen_by="nearest half",
        date="2025-01-01",
        software="faceid, fake network",
        people=0,
        non_mated=0,
        points=tuple(
            replace(_point(fmr), fmr=2.0 * fmr, low=2.0 * fmr, high=2.0 * fmr, fnmr=None)
            for fmr in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
        ),
    )


def _point(fmr: float) -> CalibrationPoint:
    cosine = _NON_MATED.inv_cdf(1.0 - fmr)
    return CalibrationPoint(fmr, 1.0 - cosine, low=fmr, high=fmr, count=0, fnmr=_MATED.cdf(cosine))


def _evidence(distance: float) -> EvidencePoint:
    parts = ((law.mean - (1.0 - distance)) / law.stdev for law in (_NON_MATED, _MATED))
    non_mated, mated = (part**2 / 2.0 for part in parts)
    log_ratio = non_mated - mated + math.log(_NON_MATED.stdev / _MATED.stdev)
    return EvidencePoint(distance, max(-6.0, min(6.0, log_ratio / math.log(10.0))))
