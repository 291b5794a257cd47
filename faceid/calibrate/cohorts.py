"""Error rates by group: within each group, across groups, and worst to best (ISO/IEC 19795-10)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid.calibrate.bootstrap import Resample, share_interval
from faceid.calibrate.claims import Caveat
from faceid.calibrate.findings import CohortRow, Differential
from faceid.calibrate.intervals import Interval
from faceid.calibrate.scores import AllPairs
from faceid.errors import InputError

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a CSV file says of people: `values[attribute][identity]`; an empty cell says nothing."""

    values: dict[str, dict[str, str]]


def read_attributes(path: Path) -> Attributes:
    """A CSV file with the column `identity` and one column an attribute. InputError for what is no such file."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}", code="unreadable", path=str(path)) from error
    rows = csv.DictReader(lines)
    columns = [name for name in (rows.fieldnames or ()) if name and name != IDENTITY]
    if IDENTITY not in (rows.fieldnames or ()) or not columns:
        raise InputError(
            f"{path} is no table of attributes",
            code="bad_attributes",
            hint="its first line is identity,ATTRIBUTE,..., its first column the names of the people",
            path=str(path),
        )
    values: dict[str, dict[str, str]] = {name: {} for name in columns}
    for number, row in enumerate(rows, start=2):
        who = row[IDENTITY] or ""
        for name in columns:
            value = (row[name] or "").strip()
            if not value:
                continue
            if values[name].setdefault(who, value) != value:
                raise InputError(
                    f"{path}, line {number}: {who} has a second {name}, {value}",
                    code="bad_attributes",
                    path=str(path),
                )
    return Attributes(values)


def by_group(
    pairs: AllPairs, people: Resample, names: Sequence[str], attributes: Attributes, threshold: float
) -> tuple[tuple[CohortRow, ...], tuple[Differential, ...], tuple[Caveat, ...]]:
    """FMR and FNMR at `threshold` of each group and, FMR, across each two; intervals by resampling people.

    `names` (k,) are the identities in the order of `pairs.identity`. People of whom nothing is said are left out,
    with a caveat. InputError where the pairs that match are too many to be held, or nobody is in a group.
    """
    if threshold > pairs.reach:
        raise InputError(
            f"more than {pairs.nearest.distance.size:,} non-mated pairs match at {threshold:.6g}",
            code="too_many_matches",
            hint="take a stricter threshold",
        )
    if threshold < pairs.mated_reach:
        raise InputError(
            f"more than {pairs.farthest.distance.size:,} mated pairs do not match at {threshold:.6g}",
            code="too_many_matches",
            hint="take a laxer threshold",
        )
    errors = _Errors(pairs, people, threshold)
    rows: list[CohortRow] = []
    differentials: list[Differential] = []
    caveats: list[Caveat] = []
    for attribute, values in attributes.values.items():
        groups = sorted({values[name] for name in names if name in values})
        if not groups:
            raise InputError(
                f"nobody in the data has a {attribute}",
                code="bad_attributes",
                hint="the column identity holds the names of the folders, or of the enrolled",
            )
        silent = sum(name not in values for name in names)
        if silent:
            caveats.append(
                Caveat("no_attribute", f"{silent:,} of {len(names):,} people have no {attribute}: left out")
            )
        member = {group: np.array([values.get(name) == group for name in names]) for group in groups}
        found = []
        for first, second in combinations_with_replacement(groups, 2):
            row = errors.row(attribute, first, second, member[first], member[second])
            if row is not None:
                found.append(row)
        rows += found
        within = [row for row in found if row.against is None]
        # The ratio of one group to itself says nothing.
        if len(within) > 1:
            differentials.append(_differential(attribute, within))
    return tuple(rows), tuple(differentials), tuple(caveats)


class _Errors:
    """The pairs that err at one threshold, and how many there are of each kind."""

    def __init__(self, pairs: AllPairs, people: Resample, threshold: float) -> None:
        self._people = people
        self._templates = np.bincount(pairs.identity)
        matching = int(np.searchsorted(pairs.nearest.distance, threshold, side="right"))
        missed = int(np.searchsorted(pairs.farthest.distance, threshold, side="right"))
        self._matches = tuple(
            pairs.identity[part[:matching]] for part in (pairs.nearest.first, pairs.nearest.second)
        )
        self._missed = pairs.identity[pairs.farthest.first[missed:]]

    def row(self, attribute: str, group: str, other: str, one: Bools, two: Bools) -> CohortRow | None:
        """FMR between two groups of people (k,), or within one, then with FNMR; None without a comparison."""
        within = group == other
        fmr, non_mated = self._fmr(one, two, within)
        fnmr, mated = self._fnmr(one) if within else (None, 0)
        if fmr is None:
            return None
        return CohortRow(
            attribute=attribute,
            group=group,
            against=None if within else other,
            identities=int(np.count_nonzero(one | two)),
            mated=mated,
            non_mated=non_mated,
            fmr=fmr,
            fnmr=fnmr,
        )

    def _fmr(self, one: Bools, two: Bools, within: bool) -> tuple[Interval | None, int]:
        first, second = self._matches
        between = (one[first] & two[second]) | (two[first] & one[second])
        own, others = self._templates * one, self._templates * two
        if within:
            total = int((own.sum() ** 2 - (own**2).sum()) // 2)
            totals = self._people.non_mated_total(own)
        else:
            total = int(own.sum() * others.sum())
            totals = ((self._people.draws @ own) * (self._people.draws @ others)).astype(np.float64)
        if total == 0:
            return None, 0
        counts = self._people.count(first[between], second[between])
        return share_interval(int(between.sum()), total, counts, totals), total

    def _fnmr(self, one: Bools) -> tuple[Interval | None, int]:
        own = self._templates * one
        total = int((own * (own - 1)).sum() // 2)
        if total == 0:
            return None, 0
        missed = self._missed[one[self._missed]]
        counts = self._people.count(missed, missed)
        return share_interval(missed.size, total, counts, self._people.mated_total(own)), total


def _differential(attribute: str, rows: Sequence[CohortRow]) -> Differential:
    """The highest rate of a group over the lowest, each kind of error by itself."""

    def worst_to_best(rates: dict[str, float]) -> tuple[float | None, str]:
        if not rates:
            return None, ""
        worst = max(rates, key=lambda group: rates[group])
        best = min(rates.values())
        return (rates[worst] / best if best > 0 else None), worst

    fmr_ratio, fmr_worst = worst_to_best({row.group: row.fmr.rate for row in rows})
    fnmr_ratio, fnmr_worst = worst_to_best({row.group: row.fnmr.rate for row in rows if row.fnmr is not None})
    return Differential(attribute, fmr_ratio, fmr_worst, fnmr_ratio, fnmr_worst)
