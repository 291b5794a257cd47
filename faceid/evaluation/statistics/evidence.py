"""Converts distances to evidence: the log-likelihood ratio that two photos show one person.

LR = p(distance | same person) / p(distance | different people), so prior odds times LR are posterior odds. Natural
logarithms throughout. Fitted by logistic regression (a straight line) or by isotonic regression (pool adjacent
violators: Ayer et al. 1955; Zadrozny and Elkan 2002), which assumes no more than that closer is stronger. Cllr judges
it in bits (Bruemmer and du Preez 2006). The number of comparisons bounds the ratio: N non-mated comparisons support
log(N + 1) at most, M mated ones -log(M + 1) (compare Vergeer et al. 2016).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.statistics.metrics import Distances, checked

Floats = NDArray[np.float64]
Method = Literal["logistic", "isotonic"]
Blocks = tuple[Floats, Floats, Floats]

# The curve does not differ visibly from the exact one, and fits into a JSON file.
MAX_KNOTS = 256


@dataclass(frozen=True, slots=True)
class Evidence:
    """Distance -> log-likelihood ratio: straight between `distances` (ascending), constant beyond the ends.

    `ratios` (natural logarithms) do not rise. `cllr_before` is the Cllr of -distance read as a ratio, `cllr_after` that
    of this calibration, `min_cllr` the least of any monotone calibration, all on the fitted comparisons, in bits.
    """

    method: Method
    distances: tuple[float, ...]
    ratios: tuple[float, ...]
    mated: int
    non_mated: int
    cllr_before: float
    cllr_after: float
    min_cllr: float

    def log_ratio(self, distances: Distances | float) -> Floats:
        """The natural logarithm of the likelihood ratio of distances of any shape."""
        return np.asarray(np.interp(distances, self.distances, self.ratios), dtype=np.float64)

    def to_json(self) -> str:
        """A small JSON object, which `from_json` reads."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__})

    @staticmethod
    def from_json(text: str) -> Evidence:
        """Read the output of `to_json`. ValueError for anything else."""
        try:
            fields = json.loads(text)
            evidence = Evidence(
                method=fields["method"],
                distances=tuple(float(value) for value in fields["distances"]),
                ratios=tuple(float(value) for value in fields["ratios"]),
                mated=int(fields["mated"]),
                non_mated=int(fields["non_mated"]),
                cllr_before=float(fields["cllr_before"]),
                cllr_after=float(fields["cllr_after"]),
                min_cllr=float(fields["min_cllr"]),
            )
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"no calibration of evidence: {error}") from error
        knots, ratios = np.array(evidence.distances), np.array(evidence.ratios)
        if (
            evidence.method not in ("logistic", "isotonic")
            or knots.size != ratios.size
            or knots.size == 0
            or not np.isfinite([*knots, *ratios]).all()
            or (np.diff(knots) <= 0).any()
            or (np.diff(ratios) > 0).any()
        ):
            raise ValueError("no calibration of evidence: distances must rise, and ratios must not")
        return evidence


def fit_evidence(mated: Distances, non_mated: Distances, method: Method = "isotonic") -> Evidence:
    """Fit the log-likelihood ratio. ValueError if mated pairs are not closer than non-mated ones."""
    same, other = checked(mated).astype(np.float64), checked(non_mated).astype(np.float64)
    # Differences by rounding alone do not count.
    if not other.mean() - same.mean() > 1e-6 * max(abs(same).max(), abs(other).max()):
        raise ValueError("mated pairs are not closer than non-mated ones: are the labels swapped?")
    blocks = _pooled(same, other)
    knots, ratios = _line(same, other) if method == "logistic" else _steps(same, other, blocks)
    after = [np.interp(part, knots, ratios) for part in (same, other)]
    return Evidence(
        method=method,
        distances=tuple(knots.tolist()),
        ratios=tuple(ratios.tolist()),
        mated=int(same.size),
        non_mated=int(other.size),
        cllr_before=cllr(-same, -other),
        cllr_after=cllr(*after),
        min_cllr=_least_cost(same, other, blocks),
    )


def cllr(mated: Floats, non_mated: Floats) -> float:
    """The cost of log-likelihood ratios (natural logarithms), in bits: 0 is perfect, 1 carries no information.

    Bruemmer and du Preez 2006, equation 15; both kinds have the same weight. Ratios may be infinite; a wrong infinite
    one costs infinity.
    """
    if np.size(mated) == 0 or np.size(non_mated) == 0 or np.isnan(mated).any() or np.isnan(non_mated).any():
        raise ValueError("Cllr needs ratios of both kinds, none of them NaN")
    cost = np.logaddexp(0.0, -np.asarray(mated)).mean() + np.logaddexp(0.0, np.asarray(non_mated)).mean()
    return float(cost) / (2.0 * math.log(2.0))


def min_cllr(mated: Distances, non_mated: Distances) -> float:
    """The least Cllr, in bits, that a monotone calibration reaches on these distances: it measures separation alone."""
    same, other = checked(mated), checked(non_mated)
    return _least_cost(same, other, _pooled(same, other))


def in_words(log_ratio: float) -> str:
    """The verbal scale of the ENFSI guideline for evaluative reporting (2015), for a natural logarithm."""
    strength = abs(log_ratio) / math.log(10.0)
    side = "the same person" if log_ratio > 0 else "different people"
    for least, word in (
        (6.0, "extremely strong"),
        (4.0, "very strong"),
        (3.0, "strong"),
        (2.0, "moderately strong"),
        (1.0, "moderate"),
        (math.log10(2.0), "weak"),
    ):
        if strength >= least:
            return f"{word} support for {side}"
    return "no support for either"


def _least_cost(same: Distances, other: Distances, blocks: Blocks) -> float:
    _, mated_in, non_mated_in = blocks
    shares = mated_in / same.size, non_mated_in / other.size
    cost = 0.0
    for own, others in (shares, shares[::-1]):
        some = own > 0
        cost += float((own[some] * np.log1p(others[some] / own[some])).sum())
    return cost / (2.0 * math.log(2.0))


def _line(same: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Logistic regression with equal weight of both kinds, by Newton's method, down to the bounds."""
    x = np.concatenate([same, other])
    middle, spread = x.mean(), x.std()
    z = (x - middle) / spread
    # Targets between 0 and 1 keep the line finite if the kinds do not overlap (Platt 1999).
    target = np.concatenate(
        [np.full(same.size, 1 - 1 / (same.size + 2)), np.full(other.size, 1 / (other.size + 2))]
    )
    weight = np.concatenate([np.full(same.size, 0.5 / same.size), np.full(other.size, 0.5 / other.size)])

    def loss(line: Floats) -> float:
        score = line[0] + line[1] * z
        return float(weight @ (np.logaddexp(0.0, score) - target * score))

    line = np.zeros(2)
    now = loss(line)
    for _ in range(100):
        chance = 1.0 / (1.0 + np.exp(-np.clip(line[0] + line[1] * z, -700, 700)))
        pull, bend = weight * (chance - target), weight * chance * (1 - chance)
        curvature = np.array([[bend.sum(), bend @ z], [bend @ z, bend @ (z * z)]])
        step = np.linalg.solve(curvature + 1e-15 * np.eye(2), np.array([pull.sum(), pull @ z]))
        # Newton's method overshoots if the kinds hardly overlap; half steps never do.
        while not (after := loss(line - step)) <= now and np.abs(step).max() > 1e-9:
            step /= 2
        if np.abs(step).max() < 1e-8:
            break
        line, now = line - step, after
    slope, offset = line[1] / spread, line[0] - line[1] * middle / spread
    low, high = _bounds(same, other)
    return (np.array([high, low]) - offset) / slope, np.array([high, low])


def _steps(same: Floats, other: Floats, blocks: Blocks) -> tuple[Floats, Floats]:
    """Isotonic regression, straight from the middle of each block to the next."""
    ends, mated_in, non_mated_in = blocks
    low, high = _bounds(same, other)
    with np.errstate(divide="ignore"):
        ratios = np.clip(np.log(mated_in / same.size) - np.log(non_mated_in / other.size), low, high)
    starts = np.concatenate([[min(same.min(), other.min())], ends[:-1]])
    knots = (starts + ends) / 2
    keep = np.concatenate([[True], np.diff(knots) > 0])
    knots, ratios = knots[keep], ratios[keep]
    if knots.size > MAX_KNOTS:
        index = np.unique(np.linspace(0, knots.size - 1, MAX_KNOTS).round().astype(np.int64))
        knots, ratios = knots[index], ratios[index]
    return knots, ratios


def _bounds(same: Floats, other: Floats) -> tuple[float, float]:
    return -math.log(same.size + 1), math.log(other.size + 1)


def _pooled(same: Distances, other: Distances) -> Blocks:
    """Blocks of pooled adjacent violators: last distance, mated and non-mated comparisons of each (b,), ascending.

    The share of mated comparisons falls from block to block. The blocks are the edges of the convex hull of the ROC
    (Fawcett and Niculescu-Mizil 2007), found in one pass over its corners.
    """
    values, place = np.unique(np.concatenate([same, other]).astype(np.float64), return_inverse=True)
    mated_at = np.bincount(place[: same.size], minlength=values.size)
    non_mated_at = np.bincount(place[same.size :], minlength=values.size)
    y, x = np.cumsum(mated_at), np.cumsum(non_mated_at)
    # The hull can turn only between a mated distance and a following distance with a non-mated pair.
    corner = (mated_at > 0) & np.append(non_mated_at[1:] > 0, True)
    corner[-1] = True
    index = np.flatnonzero(corner)
    hull = [(0, 0, -1)]
    for right, up, at in zip(x[index].tolist(), y[index].tolist(), index.tolist(), strict=True):
        while len(hull) > 1:
            (left_x, left_y, _), (top_x, top_y, _) = hull[-2:]
            if (top_y - left_y) * (right - top_x) > (up - top_y) * (top_x - left_x):
                break
            hull.pop()
        hull.append((right, up, at))
    right_of, up_of, last = np.array(hull, dtype=np.int64).T
    return values[last[1:]], np.diff(up_of).astype(np.float64), np.diff(right_of).astype(np.float64)
