"""What must be said beside a rate: too few comparisons, too few errors, labels that look swapped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faceid.calibrate.intervals import rule_of_3, rule_of_30
from faceid.calibrate.metrics import Distances, checked, looks_swapped


@dataclass(frozen=True, slots=True)
class Caveat:
    """A warning for a report: a `code` for programs and one line for people."""

    code: str
    message: str


def caveats(
    mated: Distances, non_mated: Distances, threshold: float, fmr: float | None = None
) -> tuple[Caveat, ...]:
    """What stands against the error rates at `threshold`, and against a claim of FMR `fmr` (0..1).

    Codes: `swapped`, mated pairs are farther apart than non-mated ones; `constant`, all distances are equal;
    `unclaimable`, `fmr` is under the rule of 3; `few_false_matches` and `few_false_non_matches`, fewer than the
    rule of 30 asks for.
    """
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
    smallest = rule_of_3(other.size)
    if fmr is not None and fmr < smallest:
        found.append(
            Caveat(
                "unclaimable",
                f"with {other.size:,} non-mated comparisons nothing below FMR {smallest:.2g} can be claimed",
            )
        )
    for code, name, errors in (
        ("few_false_matches", "false matches", int(np.count_nonzero(other <= threshold))),
        ("few_false_non_matches", "false non-matches", int(np.count_nonzero(same > threshold))),
    ):
        if not rule_of_30(errors):
            found.append(
                Caveat(code, f"{errors} {name} at this threshold: 30 are needed for a rate within 30 %")
            )
    return tuple(found)
