from __future__ import annotations

import numpy as np
import pytest
from scipy.stats.contingency import relative_risk

from faceid.evaluation.statistics import intervals
from faceid.evaluation.statistics.caveats import caveats


def test_wilson_against_published_values() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I: 81/263, 15/148, 0/20, 1/29.
    for count, total, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        interval = intervals.wilson(count, total)
        assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)
    assert intervals.wilson(5, 5).high == 1.0


@pytest.mark.parametrize("counts", [(9, 100, 3, 80), (1, 7, 6, 7), (40, 40, 20, 21)])
def test_katz_against_scipy(counts: tuple[int, int, int, int]) -> None:
    found = intervals.katz(*counts)
    told = relative_risk(*counts)
    ends = told.confidence_interval(0.95)
    assert (found.value, found.low, found.high) == pytest.approx((told.relative_risk, ends.low, ends.high))


def test_a_share_of_nothing_has_no_ratio() -> None:
    for counts in ((0, 9, 1, 9), (1, 9, 0, 9)):
        with pytest.raises(ValueError, match="no ratio"):
            intervals.katz(*counts)


def test_clopper_pearson_against_published_values() -> None:
    # Newcombe 1998, table I, method 5.
    for count, total, low, high in [
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ]:
        interval = intervals.clopper_pearson(count, total)
        assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@pytest.mark.parametrize(
    ("count", "total"),
    [(12, 12_424_404), (124, 12_424_404), (6_000_000, 12_424_404), (1, 1), (3, 4), (9, 10_000)],
)
def test_clopper_pearson_against_scipy(count: int, total: int) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with the dev extra")
    for confidence in (0.9, 0.95, 0.999):
        exact = stats.binomtest(count, total).proportion_ci(confidence, method="exact")
        interval = intervals.clopper_pearson(count, total, confidence)
        assert interval.low == pytest.approx(exact.low, rel=1e-6)
        assert interval.high == pytest.approx(exact.high, rel=1e-6)


def test_the_rule_of_3_is_what_no_error_leaves_open() -> None:
    # One-sided 95 %: the upper end of a two-sided 90 % interval.
    for total in (100, 4000, 10**6):
        exact = intervals.clopper_pearson(0, total, confidence=0.9).high
        assert exact <= intervals.rule_of_3(total) <= 1.02 * exact
    assert intervals.rule_of_3(2) == 1.0
    with pytest.raises(ValueError):
        intervals.rule_of_3(0)


def test_the_rule_of_30_gives_a_rate_within_30_percent() -> None:
    # Doddington et al. 2000: 90 %, about 30 % to either side.
    z = intervals.quantile_of_normal(0.9)
    interval = intervals.wilson(30, 10**6, z)
    assert 0.28 < (interval.high - interval.low) / 2 / interval.rate < 0.32
    assert intervals.rule_of_30(30)
    assert not intervals.rule_of_30(29)


@pytest.mark.parametrize(("count", "total"), [(-1, 5), (6, 5), (0, 0)])
def test_shares_that_are_none(count: int, total: int) -> None:
    with pytest.raises(ValueError):
        intervals.wilson(count, total)
    with pytest.raises(ValueError):
        intervals.clopper_pearson(count, total)


def test_caveats_name_what_cannot_be_claimed() -> None:
    rng = np.random.default_rng(0)
    mated, non_mated = rng.normal(0.3, 0.1, 500), rng.normal(0.7, 0.1, 4000)
    found = {caveat.code: caveat.message for caveat in caveats(mated, non_mated, 0.5, fmr=1e-4)}
    assert found["unclaimable"] == (
        "with 4,000 non-mated comparisons nothing below FMR 0.00075 can be claimed"
    )
    assert set(found) == {"unclaimable", "few_false_non_matches"}
    assert caveats(mated, non_mated, 0.5, fmr=1e-3)[0].code == "few_false_non_matches"
    swapped = {caveat.code for caveat in caveats(non_mated, mated, 0.5)}
    assert "swapped" in swapped
    constant = {caveat.code for caveat in caveats(np.full(5, 0.5), np.full(5, 0.5), 0.5)}
    assert constant == {"constant", "few_false_matches", "few_false_non_matches"}
