"""Computes error rates by group: within each group, across groups, and worst to best (ISO/IEC 19795-10)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faceid.errors import InputError
from faceid.evaluation.findings import CohortRow, Differential
from faceid.evaluation.statistics.bootstrap import Resample, Share, ratio_interval
from faceid.evaluation.statistics.caveats import Caveat
from faceid.evaluation.statistics.intervals import Ratio
from faceid.evaluation.statistics.scores import AllPairs

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

IDENTITY = "identity"
CROSS = " x "
"""Between the names of attributes that are crossed, and between their values."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attributes of people from a CSV file: `values[attribute][identity]`; an empty cell means unknown."""

    values: dict[str, dict[str, str]]


def read_attributes(path: Path) -> Attributes:
    """Read a CSV file with the column `identity` and one column per attribute. InputError for any other file."""
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
            remedy="table_of_attributes",
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


def crossed(attributes: Attributes) -> dict[str, str]:
    """The values of all attributes of each person who has them all, such as `female x indian`."""
    columns = list(attributes.values.values())
    everyone = dict.fromkeys(name for column in columns for name in column)
    return {
        name: CROSS.join(column[name] for column in columns)
        for name in everyone
        if all(name in column for column in columns)
    }


def with_crossing(attributes: Attributes) -> Attributes:
    """`attributes`, and their crossing as one more, such as `sex x group`.

    An attribute that divides nobody further than those before it is not crossed. Without two that divide, there is no
    crossing.
    """
    chosen: dict[str, dict[str, str]] = {}
    groups = 1
    for name, column in attributes.values.items():
        divided = len(set(crossed(Attributes({**chosen, name: column})).values()))
        if divided > groups:
            chosen[name], groups = column, divided
    if len(chosen) < 2:
        return attributes
    return Attributes({**attributes.values, CROSS.join(chosen): crossed(Attributes(chosen))})


def by_group(
    pairs: AllPairs,
    people: Resample,
    names: Sequence[str],
    attributes: Attributes,
    threshold: float,
    *,
    across: bool = True,
) -> tuple[tuple[CohortRow, ...], tuple[Differential, ...], tuple[Caveat, ...]]:
    """FMR and FNMR at `threshold` within each group; intervals by resampling people.

    Rows within groups come first, then with `across` FMR across each two groups. `names` (k,) are the identities in the
    order of `pairs.identity`. People without the attribute are left out, with a caveat. Raises InputError if more pairs
    match than are held, or no identity has the attribute.
    """
    if threshold > pairs.reach:
        raise InputError(
            f"more than {pairs.nearest.distance.size:,} non-mated pairs match at {threshold:.6g}",
            code="too_many_matches",
            remedy="stricter_threshold",
        )
    if threshold < pairs.mated_reach:
        raise InputError(
            f"more than {pairs.farthest.distance.size:,} mated pairs do not match at {threshold:.6g}",
            code="too_many_matches",
            remedy="laxer_threshold",
        )
    errors = _Errors(pairs, people, threshold)
    rows: list[CohortRow] = []
    between: list[CohortRow] = []
    differentials: list[Differential] = []
    caveats: list[Caveat] = []
    for attribute, values in attributes.values.items():
        groups = sorted({values[name] for name in names if name in values})
        if not groups:
            raise InputError(
                f"no person in the data has a {attribute}",
                code="bad_attributes",
                remedy="names_of_attributes",
            )
        silent = sum(name not in values for name in names)
        if silent:
            caveats.append(
                Caveat("no_attribute", f"{silent:,} of {len(names):,} people have no {attribute}: left out")
            )
        member = {group: np.array([values.get(name) == group for name in names]) for group in groups}
        within: dict[str, Share] = {}
        missed: dict[str, Share] = {}
        for first, second in combinations_with_replacement(groups, 2):
            same = first == second
            if not same and not across:
                continue
            fmr = errors.fmr(member[first], member[second], same)
            fnmr = errors.fnmr(member[first]) if same else None
            if fmr is None:
                continue
            (rows if same else between).append(
                CohortRow(
                    attribute=attribute,
                    group=first,
                    against=None if same else second,
                    identities=int(np.count_nonzero(member[first] | member[second])),
                    mated=0 if fnmr is None else fnmr.total,
                    non_mated=fmr.total,
                    fmr=fmr.interval,
                    fnmr=None if fnmr is None else fnmr.interval,
                )
            )
            if same:
                within[first] = fmr
                if fnmr is not None:
                    missed[first] = fnmr
        # The ratio of one group to itself carries no information.
        if len(within) > 1:
            differentials.append(Differential(attribute, *_worst_to_best(within), *_worst_to_best(missed)))
    return (*rows, *between), tuple(differentials), tuple(caveats)


class _Errors:
    """The pairs that err at one threshold, and the number of pairs of each kind."""

    def __init__(self, pairs: AllPairs, people: Resample, threshold: float) -> None:
        self._people = people
        self._templates = np.bincount(pairs.identity)
        matching = int(np.searchsorted(pairs.nearest.distance, threshold, side="right"))
        missed = int(np.searchsorted(pairs.farthest.distance, threshold, side="right"))
        self._matches = tuple(
            pairs.identity[part[:matching]] for part in (pairs.nearest.first, pairs.nearest.second)
        )
        self._missed = pairs.identity[pairs.farthest.first[missed:]]

    def fmr(self, one: Bools, two: Bools, within: bool) -> Share | None:
        """False matches between two groups of people (k,), or within one group; None without a comparison."""
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
            return None
        return Share(int(between.sum()), total, self._people.count(first[between], second[between]), totals)

    def fnmr(self, one: Bools) -> Share | None:
        """False non-matches within a group of people (k,); None without a mated comparison."""
        own = self._templates * one
        total = int((own * (own - 1)).sum() // 2)
        if total == 0:
            return None
        missed = self._missed[one[self._missed]]
        return Share(missed.size, total, self._people.count(missed, missed), self._people.mated_total(own))


def _worst_to_best(shares: dict[str, Share]) -> tuple[Ratio | None, str]:
    """The highest rate of a group over the lowest, and the group with the highest.

    None without groups or without errors in the best. The name is "" if one rate lies within the intervals of all
    groups: then none is worst.
    """
    if not shares:
        return None, ""
    intervals = [share.interval for share in shares.values()]
    equal = max(one.low for one in intervals) <= min(one.high for one in intervals)
    worst = max(shares, key=lambda group: shares[group].rate)
    best = min(shares, key=lambda group: shares[group].rate)
    return ratio_interval(shares[worst], shares[best]), "" if equal else worst
