"""Computes DET and ROC curves: error rates at every threshold.

The detection error trade-off (Martin et al. 1997; ISO/IEC 19795-1) draws FNMR over FMR; the receiver operating
characteristic is the same curve as TMR = 1 - FNMR over FMR.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.statistics.metrics import Distances, checked


@dataclass(frozen=True, eq=False)
class Curve:
    """The step function of both errors: point k holds from `thresholds[k]` up to, not including, the next.

    `thresholds` (p,) float64 ascending, the first -inf, where nothing matches; `false_matches` and
    `false_non_matches` (p,) int64 out of `non_mated` and `mated` comparisons.
    """

    thresholds: NDArray[np.float64]
    false_matches: NDArray[np.int64]
    false_non_matches: NDArray[np.int64]
    mated: int
    non_mated: int

    @property
    def fmr(self) -> NDArray[np.float64]:
        """False match rate (p,), 0..1, not falling."""
        return self.false_matches / self.non_mated

    @property
    def fnmr(self) -> NDArray[np.float64]:
        """False non-match rate (p,), 0..1, not rising."""
        return self.false_non_matches / self.mated

    @property
    def tmr(self) -> NDArray[np.float64]:
        """True match rate (p,), 0..1: with `fmr`, the ROC."""
        return 1.0 - self.fnmr

    def thinned(self, points: int = 1000) -> Curve:
        """At most `points` (>= 4) of the points, for drawing; none is moved, and both ends are kept.

        Along the curve log FMR - log FNMR only rises. It is cut into equal stretches, and the first and the last
        point of each are kept: a point left out lies in the rectangle between the two kept beside it.
        """
        if points < 4:
            raise ValueError("a curve needs at least four points")
        if self.thresholds.size <= points:
            return self
        # Zero errors have no logarithm; half an error keeps the order.
        along = np.log(np.maximum(self.false_matches, 0.5) / self.non_mated) - np.log(
            np.maximum(self.false_non_matches, 0.5) / self.mated
        )
        stretches = points // 2
        cell = np.minimum(
            ((along - along[0]) / max(along[-1] - along[0], 1e-300) * stretches).astype(np.int64),
            stretches - 1,
        )
        first = np.flatnonzero(np.diff(cell, prepend=-1))
        last = np.append(first[1:] - 1, cell.size - 1)
        return self._at(np.union1d(first, last))

    def _at(self, index: NDArray[np.intp]) -> Curve:
        return replace(
            self,
            thresholds=self.thresholds[index],
            false_matches=self.false_matches[index],
            false_non_matches=self.false_non_matches[index],
        )


def det(mated: Distances, non_mated: Distances) -> Curve:
    """Both errors at every distinct distance, exactly: equal distances match together."""
    same, other = np.sort(checked(mated)), np.sort(checked(non_mated))
    thresholds = np.unique(np.concatenate([same, other]).astype(np.float64))
    return Curve(
        thresholds=np.concatenate([[-np.inf], thresholds]),
        false_matches=np.concatenate([[0], np.searchsorted(other, thresholds, side="right")]),
        false_non_matches=np.concatenate(
            [[same.size], same.size - np.searchsorted(same, thresholds, side="right")]
        ),
        mated=int(same.size),
        non_mated=int(other.size),
    )
