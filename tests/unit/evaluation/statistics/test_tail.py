from __future__ import annotations

import math

import numpy as np
import pytest

from faceid.evaluation.statistics import pareto
from faceid.evaluation.statistics.bootstrap import resample
from faceid.evaluation.statistics.scores import compare_all
from faceid.evaluation.statistics.tail import (
    MAX_DECADES,
    Resampled,
    TailFit,
    TailRefused,
    fit_tail,
    over_people,
)


def distances(count: int, seed: int, shape: float = -0.2) -> np.ndarray:
    """Non-mated distances whose lower tail is exactly Pareto: 1 - excess over 0, of scale 0.15."""
    rng = np.random.default_rng(seed)
    return 1.0 - pareto.quantile(rng.random(count), shape, 0.15)


def true_threshold(fmr: float, shape: float = -0.2) -> float:
    return float(1.0 - pareto.quantile(fmr, shape, 0.15))


@pytest.fixture(scope="module")
def fit() -> TailFit:
    return fit_tail(distances(200_000, seed=1), 200_000, np.random.default_rng(0))


def test_a_known_tail_is_found_again(fit: TailFit) -> None:
    assert fit.shape == pytest.approx(-0.2, abs=0.06)
    assert fit.p_value > 0.01
    assert fit.exceedances == 2000
    for fmr in (1e-4, 1e-6, 1e-7):
        found = fit.threshold_at(fmr)
        assert found.low < true_threshold(fmr) < found.high
        assert found.low <= found.threshold <= found.high
        back = fit.fmr_at(found.threshold)
        assert back.rate == pytest.approx(fmr, rel=1e-6)
        assert back.low < fmr < back.high


def test_intervals_widen_beyond_the_data(fit: TailFit) -> None:
    widths = [(found.high - found.low) for found in map(fit.threshold_at, (1e-3, 1e-5, 1e-7))]
    assert widths[0] < widths[1] < widths[2]


def test_the_cut_may_be_chosen_and_the_nearest_are_enough(fit: TailFit) -> None:
    nearest = np.sort(distances(200_000, seed=1))[:3000]
    chosen = fit_tail(nearest, 200_000, np.random.default_rng(0), exceedances=500)
    assert chosen.exceedances == 500
    assert chosen.cut == nearest[500]
    again = fit_tail(nearest, 200_000, np.random.default_rng(0))
    assert (again.cut, again.shape, again.p_value) == (fit.cut, fit.shape, fit.p_value)


def test_likelihood_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    truth = float(pareto.quantile(1e-4, -0.2, 1.0))
    held = 0
    for _ in range(100):
        excess = pareto.quantile(rng.random(200), -0.2, 1.0)
        (shape,), (scale,) = pareto.fit(excess[None, :])
        shapes, scales, counts = pareto.likelihood_region(excess, float(shape), float(scale), 1.920729)
        reached = pareto.quantile(200 * 1e-4 / counts, shapes, scales)
        held += bool(reached.min() <= truth <= reached.max())
    # 95 of 100 with a standard error of 2.2.
    assert 86 <= held <= 99


def test_resampled_people_widen_the_interval() -> None:
    # 60 people with 3 photos; what a pair looks like is mostly who the two are.
    rng = np.random.default_rng(5)
    people, photos = 60, 12
    looks = rng.normal(size=people)
    owner = np.repeat(np.arange(people), photos)
    i, j = np.triu_indices(owner.size, k=1)
    i, j = i[owner[i] != owner[j]], j[owner[i] != owner[j]]
    score = 0.6 + 0.05 * (looks[owner[i]] + looks[owner[j]]) + 0.02 * rng.normal(size=i.size)
    order = np.argsort(score)
    near = order[:3000]
    draws = resample(people, np.random.default_rng(1), 200)
    resampled = Resampled(
        draws.pair_weights(owner[i[near]], owner[j[near]]), draws.non_mated_total(np.full(people, photos))
    )
    plain, wide = (
        fit_tail(score, score.size, np.random.default_rng(0), exceedances=200, resampled=given).threshold_at(
            1e-4
        )
        for given in (None, resampled)
    )
    assert wide.threshold == plain.threshold
    assert wide.high - wide.low > 1.5 * (plain.high - plain.low)


def test_all_pairs_of_templates_with_people_resampled() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 24)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = compare_all(vectors, np.arange(300) // 2, "cosine")
    people = resample(150, rng, 50)
    fit = fit_tail(
        pairs.nearest.distance,
        pairs.non_mated,
        np.random.default_rng(0),
        resampled=over_people(people, pairs),
    )
    # The share under the cut, counted in each replicate pair by pair.
    near = pairs.nearest.distance < fit.cut
    for draw, share in zip(people.draws[:10], fit.replicates[2], strict=False):
        first, second = pairs.identity[pairs.nearest.first], pairs.identity[pairs.nearest.second]
        counts = draw[first] * draw[second]
        assert share == pytest.approx(counts[near].sum() / counts.sum())


def test_too_few_comparisons_are_refused() -> None:
    with pytest.raises(TailRefused, match="4,000 non-mated comparisons leave 40 in the tail") as refusal:
        fit_tail(distances(4000, seed=0), 4000, np.random.default_rng(0))
    assert refusal.value.code == "too_few"


def test_tied_distances_are_refused() -> None:
    with pytest.raises(TailRefused) as refusal:
        fit_tail(distances(50_000, seed=0).round(2), 50_000, np.random.default_rng(0))
    assert refusal.value.code == "tied"


def test_a_tail_of_another_kind_is_refused() -> None:
    # Two clusters with nothing between, at every cut.
    rng = np.random.default_rng(0)
    clusters = np.concatenate([0.1 + 0.001 * rng.random(90), 0.5 + 0.001 * rng.random(29_910)])
    with pytest.raises(TailRefused) as refusal:
        fit_tail(clusters, 30_000, np.random.default_rng(0))
    assert refusal.value.code == "no_fit"


def test_targets_that_are_refused(fit: TailFit) -> None:
    for fmr, code in ((0.5, "inside"), (fit.share, "inside"), (0.9 * fit.lowest_fmr, "too_far")):
        with pytest.raises(TailRefused) as refusal:
            fit.threshold_at(fmr)
        assert refusal.value.code == code
    assert fit.lowest_fmr == pytest.approx(10**-MAX_DECADES / 200_000)
    fit.threshold_at(fit.lowest_fmr)
    with pytest.raises(TailRefused) as refusal:
        fit.fmr_at(fit.cut)
    assert refusal.value.code == "inside"


def test_a_distance_below_zero_is_no_threshold() -> None:
    # Exponential: what is rarer than exp(-12.5) lies below zero.
    near = 0.5 - pareto.quantile(np.random.default_rng(2).random(100_000), 0.0, 0.04)
    assert near.min() > 0
    fit = fit_tail(near, 100_000, np.random.default_rng(0), exceedances=5000)
    with pytest.raises(TailRefused) as refusal:
        fit.threshold_at(1e-7)
    assert refusal.value.code == "impossible"


def test_more_distances_than_comparisons() -> None:
    with pytest.raises(ValueError, match="distances of"):
        fit_tail(distances(500, seed=0), 400, np.random.default_rng(0))


@pytest.mark.parametrize("shape", [-0.7, -0.3, 0.0, 0.4])
def test_pareto_against_scipy(shape: float) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with the dev extra")
    excess = stats.genpareto.rvs(shape, scale=2.0, size=1000, random_state=1)
    (found,), (scale,) = pareto.fit(excess[None, :])
    reference = stats.genpareto.fit(excess, floc=0)
    assert found == pytest.approx(reference[0], abs=2e-3)
    assert scale == pytest.approx(reference[2], rel=2e-3)
    own = pareto.log_likelihood(excess, np.array([found]), np.array([scale]))[0]
    assert own == pytest.approx(stats.genpareto.logpdf(excess, found, 0, scale).sum())
    # scipy's search may stop early, never higher.
    assert own >= stats.genpareto.logpdf(excess, *reference).sum() - 1e-6
    grid = np.linspace(0.0, 3.0, 20)
    np.testing.assert_allclose(
        pareto.survival(grid, shape, 2.0), stats.genpareto.sf(grid, shape, 0, 2.0), atol=1e-12
    )
    shares = np.array([0.9, 0.1, 1e-6])
    np.testing.assert_allclose(
        pareto.quantile(shares, shape, 2.0), stats.genpareto.isf(shares, shape, 0, 2.0)
    )


def test_weights_count_an_excess_so_many_times() -> None:
    rng = np.random.default_rng(0)
    excess = pareto.quantile(rng.random(300), -0.1, 1.0)
    times = rng.integers(0, 4, 300)
    weighted = pareto.fit(excess[None, :], times[None, :].astype(float))
    repeated = pareto.fit(np.repeat(excess, times)[None, :])
    np.testing.assert_allclose(np.concatenate(weighted), np.concatenate(repeated), rtol=1e-4)


def test_anderson_darling_by_its_definition() -> None:
    excess = pareto.quantile(np.random.default_rng(0).random(50), -0.2, 1.0)
    shape, scale = pareto.fit(excess[None, :])
    below = sorted(1 - (1 + shape[0] * y / scale[0]) ** (-1 / shape[0]) for y in excess)
    expected = -50.0
    for i, z in enumerate(below, start=1):
        expected -= (2 * i - 1) / 50 * (math.log(z) + math.log(1 - below[50 - i]))
    assert pareto.anderson_darling(excess[None, :], shape, scale)[0] == pytest.approx(expected)


def test_goodness_of_fit_rejects_what_does_not_fit_and_little_else() -> None:
    rng = np.random.default_rng(0)
    right = [pareto.goodness_of_fit(pareto.quantile(rng.random(200), -0.1, 1.0), rng, 49) for _ in range(40)]
    # p-values of the truth are uniform: mean 0.5, standard error 0.046.
    assert 0.36 < np.mean(right) < 0.64
    wrong = np.concatenate([rng.normal(1.0, 0.05, 200), rng.random(100)])
    assert pareto.goodness_of_fit(wrong[wrong > 0], rng) <= 0.01


def test_the_likelihood_region_lies_on_its_level() -> None:
    excess = pareto.quantile(np.random.default_rng(0).random(400), -0.2, 1.0)
    (shape,), (scale,) = pareto.fit(excess[None, :])
    shapes, scales, counts = pareto.likelihood_region(excess, float(shape), float(scale), 1.92)
    top = pareto.log_likelihood(excess, np.array([shape]), np.array([scale]))[0]
    # Poisson: what the count loses.
    lost = 400 * (counts / 400 - 1 - np.log(counts / 400))
    drop = top - pareto.log_likelihood(excess, shapes, scales) + lost
    np.testing.assert_allclose(drop, 1.92, atol=0.01)
    assert shapes.min() < -0.2 < shapes.max()
