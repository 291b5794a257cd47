"""Error rates of a liveness detector by ISO/IEC 30107-3: presentation attacks by kind, and live faces separately.

An attack presentation is a copy shown to the camera, a bona fide presentation a live face. APCER, the share of attacks
taken for live, is reported for each kind of attack. The worst kind is the result: an attacker chooses the kind. BPCER
is the share of live faces refused. Scores grow with the likelihood of a live face: a score at the threshold or above is
accepted.

Intervals take presentations as independent; several of one person, device or print are not, and the true intervals are
wider. The standard requires presentations to the capture device in question; with photos from elsewhere these figures
are a smoke test, never a certification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from faceid.evaluation.statistics.intervals import Interval, clopper_pearson

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class AttackErrors:
    """Of `count` attacks of one `kind`, `accepted` were taken for live faces: APCER, Clopper and Pearson's interval."""

    kind: str
    count: int
    accepted: int
    apcer: Interval


@dataclass(frozen=True, slots=True)
class PresentationErrors:
    """The errors at one threshold, kinds of attack in alphabetical order. `refused` of `count` live faces: `bpcer`."""

    threshold: float
    attacks: tuple[AttackErrors, ...]
    count: int
    refused: int
    bpcer: Interval

    @property
    def worst(self) -> AttackErrors:
        """The kind with the highest APCER; among equals the one with the most presentations."""
        return max(self.attacks, key=lambda attack: (attack.apcer.rate, attack.count))

    @property
    def acer(self) -> float:
        """The mean of the worst APCER and BPCER, as in papers and in the 2017 edition of the standard."""
        return (self.worst.apcer.rate + self.bpcer.rate) / 2


def errors(live: ArrayLike, attacks: Mapping[str, ArrayLike], threshold: float) -> PresentationErrors:
    """APCER by kind of attack and BPCER at `threshold`, from scores.

    Raises ValueError where there are no live faces, no attacks, an empty kind or scores that are not finite.
    """
    live_scores, attack_scores = _checked(live, attacks)
    found = []
    for kind, scores in attack_scores.items():
        accepted = int((scores >= threshold).sum())
        found.append(AttackErrors(kind, scores.size, accepted, clopper_pearson(accepted, scores.size)))
    refused = int((live_scores < threshold).sum())
    bpcer = clopper_pearson(refused, live_scores.size)
    return PresentationErrors(threshold, tuple(found), live_scores.size, refused, bpcer)


def threshold_at_apcer(attacks: Mapping[str, ArrayLike], most: float) -> float:
    """The lowest threshold at which no kind of attack is accepted more often than `most` (0..1).

    BPCER there is the standard's BPCER20 for 0.05 and BPCER10 for 0.1. Raises ValueError as `errors` does.
    """
    if not 0.0 <= most <= 1.0:
        raise ValueError(f"a rate is between 0 and 1, not {most}")
    _, attack_scores = _checked([0.0], attacks)
    needed = -np.inf
    for scores in attack_scores.values():
        allowed = int(np.floor(most * scores.size + 1e-9))
        if allowed < scores.size:
            # The highest score that must be refused, with all equal scores.
            needed = max(needed, float(np.nextafter(np.sort(scores)[::-1][allowed], np.inf)))
    return needed


def _checked(
    live: ArrayLike, attacks: Mapping[str, ArrayLike]
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    if not attacks:
        raise ValueError("no attacks: there is nothing to tell live faces from")
    arrays = {kind: np.asarray(attacks[kind], dtype=np.float64).reshape(-1) for kind in sorted(attacks)}
    live_scores = np.asarray(live, dtype=np.float64).reshape(-1)
    for label, scores in {"live faces": live_scores, **arrays}.items():
        if not scores.size or not np.isfinite(scores).all():
            raise ValueError(f"{label}: scores must be finite, and one at least")
    return live_scores, arrays
