"""Finds warnings about an error rate: too few comparisons, too few errors, labels that look swapped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faceid.evaluation.statistics.intervals import rule_of_3, rule_of_30
from faceid.evaluation.statistics.metrics import Distances, checked, looks_swapped


@dataclass(frozen=True, slots=True)
class Caveat:
    """A warning for a report: a `code` for programs and one line for people."""

    code: str
    message: str


def caveats(
    mated: Distances, non_mated: Distances, threshold: float, fmr: float | None = None
) -> tuple[Caveat, ...]:
    """The reasons to doubt the error rates at `threshold`, and to doubt an FMR of `fmr` (0..1).

    Codes: `swapped`, mated pairs are farther apart than non-mated ones; `constant`, all distances are equal;
    `unclaimable`, `fmr` is below the rule of 3; `few_false_matches` and `few_false_non_matches`, fewer errors than the
    rule of 30 requires.
    """
    same, other = checked(mated), checked(non_mated)
    return (
        *about_labels(same, other),
        *too_few(
            int(np.count_nonzero(other <= threshold)),
            int(np.count_nonzero(same > threshold)),
            other.size,
            fmr,
        ),
    )


def too_few(
    false_matches: int, false_non_matches: int, non_mated: int, fmr: float | None = None
) -> tuple[Caveat, ...]:
    """Those of `caveats` that follow from counts alone: `unclaimable`, `few_false_matches`, `few_false_non_matches`."""
    found = []
    smallest = rule_of_3(non_mated)
    if fmr is not None and fmr < smallest:
        found.append(
            Caveat(
                "unclaimable",
                f"with {non_mated:,} non-mated comparisons nothing below FMR {smallest:.2g} can be claimed",
            )
        )
    for code, name, errors in (
        ("few_false_matches", "false matches", false_matches),
        ("few_false_non_matches", "false non-matches", false_non_matches),
    ):
        if not rule_of_30(errors):
            found.append(
                Caveat(code, f"{errors} {name} at this threshold: 30 are needed for a rate within 30 %")
            )
    return tuple(found)


def about_labels(mated: Distances, non_mated: Distances) -> tuple[Caveat, ...]:
    """Those of `caveats` that do not depend on the threshold: `swapped` and `constant`."""
    same, other = checked(mated), checked(non_mated)
    found = []
    if looks_swapped(same, other):
        found.append(
            Caveat(
                "swapped", "mated pairs are farther apart than non-mated ones: are labels or signs swapped?"
            )
        )
    if min(same.min(), other.min()) == max(same.max(), other.max()):
        found.append(Caveat("constant", "all distances are equal: nothing was measured"))
    return tuple(found)
