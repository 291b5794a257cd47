from __future__ import annotations

import numpy as np
import pytest

from faceid.evaluation.statistics.bootstrap import (
    Resample,
    Share,
    at_fmr,
    fmr_interval,
    fnmr_interval,
    rate_interval,
    ratio_interval,
    resample,
)
from faceid.evaluation.statistics.intervals import katz, wilson
from faceid.evaluation.statistics.metrics import fnmr, threshold_at_fmr
from faceid.evaluation.statistics.scores import AllPairs, compare_all


def people_and_photos(seed: int = 0, spread: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """40 people with 2 to 6 photos."""
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(40), rng.integers(2, 7, 40))
    vectors = rng.normal(size=(40, 8))[identity] + spread * rng.normal(size=(identity.size, 8))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), identity


@pytest.fixture(scope="module")
def pairs() -> AllPairs:
    return compare_all(*people_and_photos(), "cosine")


def replicate(pairs: AllPairs, draw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The comparisons of one replicate written out, each as often as it counts: mated and non-mated distances."""
    found: tuple[list[float], list[float]] = ([], [])
    for kind, part in enumerate((pairs.farthest, pairs.nearest)):
        for distance, i, j in zip(part.distance, part.first, part.second, strict=True):
            a, b = pairs.identity[i], pairs.identity[j]
            found[kind].extend([float(distance)] * int(draw[a] if a == b else draw[a] * draw[b]))
    return np.array(found[0]), np.array(found[1])


def test_every_replicate_draws_as_many_people() -> None:
    people = resample(7, np.random.default_rng(0), 50)
    assert people.draws.shape == (50, 7)
    assert (people.draws.sum(axis=1) == 7).all()
    np.testing.assert_array_equal(people.draws, resample(7, np.random.default_rng(0), 50).draws)
    with pytest.raises(ValueError, match="at least two"):
        resample(1, np.random.default_rng(0))


def test_intervals_are_those_of_replicates_written_out(pairs: AllPairs) -> None:
    people = resample(40, np.random.default_rng(1), 40)
    written = [replicate(pairs, draw) for draw in people.draws]
    templates = np.bincount(pairs.identity)
    assert people.mated_total(templates).tolist() == [mated.size for mated, _ in written]
    assert people.non_mated_total(templates).tolist() == [non_mated.size for _, non_mated in written]

    threshold = threshold_at_fmr(pairs.nearest.distance, 0.1)
    for kind, found in (
        (1, fmr_interval(people, pairs, threshold)),
        (0, fnmr_interval(people, pairs, threshold)),
    ):
        errors = [np.mean((part[kind] <= threshold) == bool(kind)) for part in written]
        low, high = np.quantile(errors, [0.025, 0.975])
        plain = wilson(
            round(found.rate * (pairs.non_mated if kind else pairs.mated)),
            (pairs.mated, pairs.non_mated)[kind],
        )
        assert found.low == pytest.approx(min(low, plain.low))
        assert found.high == pytest.approx(max(high, plain.high))

    point = at_fmr(people, pairs, 0.01)
    thresholds = [threshold_at_fmr(non_mated, 0.01) for _, non_mated in written]
    assert point.threshold == threshold_at_fmr(pairs.nearest.distance, 0.01)
    low, high = np.quantile(thresholds, [0.025, 0.975])
    assert (point.threshold_low, point.threshold_high) == pytest.approx((low, high))
    matched = [1 - fnmr(mated, bound) for (mated, _), bound in zip(written, thresholds, strict=True)]
    low, high = np.quantile(matched, [0.025, 0.975])
    assert point.tmr.rate == pytest.approx(1 - fnmr(pairs.farthest.distance, point.threshold))
    assert point.tmr.low == pytest.approx(
        min(low, wilson(round(point.tmr.rate * pairs.mated), pairs.mated).low)
    )
    assert point.tmr.high == pytest.approx(
        max(high, wilson(round(point.tmr.rate * pairs.mated), pairs.mated).high)
    )


def test_comparisons_given_one_by_one(pairs: AllPairs) -> None:
    people = resample(40, np.random.default_rng(1), 60)
    mated, non_mated = pairs.farthest, pairs.nearest
    for part, whole in ((mated, fnmr_interval), (non_mated, fmr_interval)):
        first, second = pairs.identity[part.first], pairs.identity[part.second]
        errors = part.distance > 0.5 if part is mated else part.distance <= 0.5
        assert rate_interval(people, first, second, errors) == whole(people, pairs, 0.5)


def test_no_error_is_not_a_rate_of_zero(pairs: AllPairs) -> None:
    people = resample(40, np.random.default_rng(1), 60)
    found = fmr_interval(people, pairs, 0.0)
    assert found == wilson(0, pairs.non_mated)
    assert found.high > 0


def test_pairs_that_were_not_kept_are_missed() -> None:
    few = compare_all(*people_and_photos(), "cosine", keep=20)
    people = resample(40, np.random.default_rng(1), 60)
    fmr_interval(people, few, few.reach)
    with pytest.raises(ValueError, match="keep more"):
        fmr_interval(people, few, few.reach + 0.01)
    with pytest.raises(ValueError, match="keep more"):
        fnmr_interval(people, few, few.mated_reach - 0.01)
    with pytest.raises(ValueError, match="keep more"):
        at_fmr(people, few, 0.1)
    with pytest.raises(ValueError, match="too few for an FMR"):
        at_fmr(people, few, 1e-6)


def test_coverage_over_people_where_pairs_alone_are_too_sure() -> None:
    """The true FNMR lies in 95 % intervals over identities about as often as promised, and in Wilson's much less.

    80 people with 8 mated pairs each; some people are hard: their pairs fail with a chance of their own,
    Beta(0.5, 2), which is 0.2 on average.
    """
    rng = np.random.default_rng(7)
    owner = np.repeat(np.arange(80), 8)
    held = {"people": 0, "pairs": 0}
    for _ in range(300):
        errors = rng.random(owner.size) < rng.beta(0.5, 2.0, 80)[owner]
        found = rate_interval(resample(80, rng, 300), owner, owner, errors)
        plain = wilson(int(errors.sum()), errors.size)
        held["people"] += found.low <= 0.2 <= found.high
        held["pairs"] += plain.low <= 0.2 <= plain.high
    # 285 of 300 with a standard error of 3.8; the percentile bootstrap of 80 people is a little short.
    assert 270 <= held["people"] <= 297
    assert held["pairs"] < 240


def test_coverage_of_false_match_rates_over_people() -> None:
    """Non-mated pairs of 60 people: some look like many (a pair fails where the sum of their looks is large)."""
    rng = np.random.default_rng(8)
    first, second = np.triu_indices(60, k=1)

    def draw() -> np.ndarray:
        looks = rng.normal(size=60)
        return looks[first] + looks[second] + rng.normal(size=first.size) > 3.0

    truth = np.mean([draw().mean() for _ in range(20_000)])
    held = {"people": 0, "pairs": 0}
    for _ in range(200):
        errors = draw()
        found = rate_interval(resample(60, rng, 200), first, second, errors)
        plain = wilson(int(errors.sum()), errors.size)
        held["people"] += found.low <= truth <= found.high
        held["pairs"] += plain.low <= truth <= plain.high
    assert held["people"] >= 176
    assert held["pairs"] < 140


def test_a_person_drawn_twice_is_not_compared_with_themselves() -> None:
    people = Resample(np.array([[2, 1, 0]]))
    first, second = np.array([0, 0, 1, 0]), np.array([1, 2, 2, 0])
    assert people.pair_weights(first, second).tolist() == [[2.0, 0.0, 0.0, 2.0]]
    assert people.non_mated_total(np.array([3, 2, 5])).tolist() == [2 * 3 * 2]
    assert people.mated_total(np.array([3, 2, 5])).tolist() == [2 * 3 + 1]


def test_a_ratio_is_that_of_each_replicate() -> None:
    rng = np.random.default_rng(3)
    totals = rng.integers(50, 200, (2, 400)).astype(float)
    counts = np.minimum(rng.poisson([[30], [10]], (2, 400)), totals)
    one, other = (Share(errors, 100, counts[k], totals[k]) for k, errors in enumerate((30, 10)))
    found = ratio_interval(one, other)
    each = sorted(
        (counts[0, k] / totals[0, k]) / (counts[1, k] / totals[1, k]) for k in range(400) if counts[1, k] > 0
    )
    plain = katz(30, 100, 10, 100)
    assert found is not None
    assert found.value == pytest.approx(3.0)
    # The least value that 2.5 % and 97.5 % of them do not exceed.
    assert found.low == pytest.approx(min(plain.low, each[9]))
    assert found.high == pytest.approx(max(plain.high or 0, each[389]))


def test_a_ratio_to_next_to_nothing_is_unbounded() -> None:
    often, never = np.full(40, 5.0), np.zeros(40)
    once = np.where(np.arange(40) < 30, 1.0, 0.0)
    everybody = np.full(40, 10.0)
    found = ratio_interval(Share(5, 10, often, everybody), Share(1, 10, once, everybody))
    assert found is not None
    assert (found.value, found.high) == (5.0, None)
    assert ratio_interval(Share(5, 10, often, everybody), Share(0, 10, never, everybody)) is None
    assert ratio_interval(Share(0, 10, never, everybody), Share(1, 10, once, everybody)) is None
    nobody = Share(1, 10, never, never)
    assert ratio_interval(nobody, nobody) == katz(1, 10, 1, 10)
