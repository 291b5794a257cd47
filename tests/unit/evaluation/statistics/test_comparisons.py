"""Error rates, goals and curves against loops over every pair."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from faceid.errors import InputError, UsageError
from faceid.evaluation.protocols import evaluation, goals
from faceid.evaluation.statistics import comparisons, metrics
from faceid.evaluation.statistics.comparisons import Comparisons, of_pairs, of_templates
from faceid.evaluation.statistics.intervals import Interval, wilson

THRESHOLDS = (0.05, 0.2, 0.35, 0.6, 0.9, 1.3)


def people_and_photos(people: int = 30, seed: int = 0, spread: float = 0.9) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(people), rng.integers(1, 5, people))
    vectors = rng.normal(size=(people, 8))[owner] + spread * rng.normal(size=(owner.size, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), [f"p{number:02d}" for number in owner]


def every_pair(vectors: np.ndarray, names: list[str]) -> tuple[list[float], list[float]]:
    """Mated and non-mated cosine distances, one by one."""
    mated, non_mated = [], []
    # One product of two arrays, as the code does: others round differently in the last digit.
    similarity = vectors @ vectors.copy().T
    for i, j in itertools.combinations(range(len(names)), 2):
        distance = max(0.0, 1.0 - float(similarity[i, j]))
        (mated if names[i] == names[j] else non_mated).append(distance)
    return sorted(mated), sorted(non_mated)


@pytest.fixture(scope="module")
def photos() -> tuple[np.ndarray, list[str]]:
    return people_and_photos()


@pytest.fixture(scope="module")
def data(photos: tuple[np.ndarray, list[str]]) -> Comparisons:
    return of_templates(*photos, "cosine", np.random.default_rng(0))[0]


def test_rates_are_those_of_a_loop(data: Comparisons, photos: tuple[np.ndarray, list[str]]) -> None:
    mated, non_mated = every_pair(*photos)
    for threshold in THRESHOLDS:
        false_matches = sum(distance <= threshold for distance in non_mated)
        missed = sum(distance > threshold for distance in mated)
        assert data.fmr(threshold).rate == pytest.approx(false_matches / len(non_mated))
        assert data.fnmr(threshold).rate == pytest.approx(missed / len(mated))


def test_an_interval_is_never_narrower_than_that_of_independent_comparisons(data: Comparisons) -> None:
    for threshold in THRESHOLDS:
        for interval, side in ((data.fmr(threshold), data.non_mated), (data.fnmr(threshold), data.mated)):
            plain = wilson(round(interval.rate * side.total), side.total)
            assert interval.low <= plain.low <= plain.high <= interval.high


def test_what_is_not_held_is_read_off_the_histogram(photos: tuple[np.ndarray, list[str]]) -> None:
    whole, _ = of_templates(*photos, "cosine", np.random.default_rng(0))
    part, _ = of_templates(*photos, "cosine", np.random.default_rng(0), keep=40)
    assert not part.non_mated.complete
    assert part.non_mated.total == whole.non_mated.total
    held = part.non_mated.distance[20]
    assert part.fmr(held) == whole.fmr(held)
    for threshold in (0.6, 0.9, 1.3):
        # A bin is 1 / 2,048 wide.
        assert part.fmr(threshold).rate == pytest.approx(whole.fmr(threshold).rate, abs=0.005)
        assert part.fnmr(threshold).rate == pytest.approx(whole.fnmr(threshold).rate, abs=0.05)
    assert part.mated.at_most(2.0) == part.mated.total
    assert part.curve.fmr[-1] == 1.0


def test_an_even_sample_stands_for_the_rest(
    photos: tuple[np.ndarray, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = of_templates(*photos, "cosine", np.random.default_rng(0))
    part, _ = of_templates(*photos, "cosine", np.random.default_rng(0), keep=40)
    monkeypatch.setattr(comparisons, "KEEP", 2000)
    sample = part.non_mated.sample
    assert sample.size == 2000
    assert sample.mean() == pytest.approx(whole.non_mated.distance.mean(), abs=1e-3)
    assert metrics.auc(whole.mated.sample, sample) == pytest.approx(
        metrics.auc(whole.mated.sample, whole.non_mated.sample), abs=2e-3
    )


def test_lost_photos_are_rejections_and_accept_nobody() -> None:
    vectors, names = people_and_photos(6, seed=3)
    lost = {"p00": 2, "p03": 1, "never seen": 2}
    data, _ = of_templates(vectors, names, "cosine", np.random.default_rng(0), lost=lost)
    everything = [(name, True) for name in names] + [
        (name, False) for name, count in lost.items() for _ in range(count)
    ]
    mated = non_mated = 0
    for (one, one_seen), (two, two_seen) in itertools.combinations(everything, 2):
        if not (one_seen and two_seen):
            mated += one == two
            non_mated += one != two
    assert (data.mated_lost, data.non_mated_lost) == (mated, non_mated)
    same, other = every_pair(vectors, names)
    missed = sum(distance > 0.6 for distance in same)
    accepted = sum(distance <= 0.6 for distance in other)
    assert data.frr(0.6) == pytest.approx((missed + mated) / (len(same) + mated))
    assert data.far(0.6) == pytest.approx(accepted / (len(other) + non_mated))


def test_a_counted_threshold_is_the_largest_that_keeps_the_rate(
    data: Comparisons, photos: tuple[np.ndarray, list[str]]
) -> None:
    _, non_mated = every_pair(*photos)
    for rate in (0.01, 0.1, 0.3):
        found = goals.at_fmr(data, rate, np.random.default_rng(0))
        assert found.fmr.rate <= rate
        following = min(distance for distance in non_mated if distance > found.threshold)
        assert sum(distance <= following for distance in non_mated) / len(non_mated) > rate
        assert found.threshold_low is not None
        assert found.threshold_high is not None
        assert found.threshold_low <= found.threshold <= found.threshold_high
        assert not found.extrapolated


def test_too_little_data_is_refused_in_numbers() -> None:
    rng = np.random.default_rng(0)
    data = of_pairs(
        np.concatenate([rng.normal(0.3, 0.1, 50), rng.normal(0.9, 0.1, 4000)]).clip(0),
        np.arange(4050) < 50,
        rng,
    )
    with pytest.raises(
        InputError, match=r"with 4,000 non-mated comparisons nothing below FMR 0\.00075"
    ) as refused:
        goals.at_fmr(data, 1e-4, rng)
    assert refused.value.code == "unclaimable"
    with pytest.raises(InputError, match=r"with 50 mated comparisons nothing below FNMR 0\.06"):
        goals.meet(goals.Goal(max_fnmr=0.01), data, rng, identities=1)


def test_a_fitted_threshold_is_its_strict_end_and_says_so() -> None:
    rng = np.random.default_rng(1)
    data = of_pairs(
        np.concatenate([rng.normal(0.3, 0.05, 500), rng.normal(1.0, 0.1, 200_000)]),
        np.arange(200_500) < 500,
        rng,
    )
    found = goals.at_fmr(data, 2e-6, rng)
    assert found.extrapolated
    assert found.threshold == found.threshold_low
    assert found.threshold < data.non_mated.distance[0] + 0.05
    assert found.fmr.rate <= 2e-6 <= found.fmr.high * 1.001
    # The truth of this normal distribution: 4.61 deviations under the mean.
    assert found.threshold_high is not None
    assert found.threshold <= 1.0 - 4.611 * 0.1 <= found.threshold_high


def test_the_other_goals_against_a_search_of_all_thresholds(
    data: Comparisons, photos: tuple[np.ndarray, list[str]]
) -> None:
    mated, non_mated = every_pair(*photos)
    rng = np.random.default_rng(0)

    def rates(threshold: float) -> tuple[float, float]:
        return (
            sum(distance <= threshold for distance in non_mated) / len(non_mated),
            sum(distance > threshold for distance in mated) / len(mated),
        )

    found = goals.meet(goals.Goal(max_fnmr=0.2), data, rng, identities=1)
    assert rates(found.threshold)[1] <= 0.2 < rates(found.threshold - 1e-9)[1]

    for cost, prior in ((1.0, None), (5.0, 0.5), (2.0, 0.9)):
        share = 0.5 if prior is None else prior
        found = goals.meet(goals.Goal(cost=cost, prior=prior), data, rng, identities=1)
        # Between two mated distances only false matches grow: the least cost is at one of them.
        costs = [cost * share * fmr + (1 - share) * fnmr for fmr, fnmr in map(rates, mated)]
        fmr, fnmr = rates(found.threshold)
        assert cost * share * fmr + (1 - share) * fnmr == pytest.approx(min(costs))

    found = goals.meet(goals.Goal(fpir=0.5), data, rng, identities=5)
    assert found.threshold == goals.at_fmr(data, 0.1, rng).threshold
    assert found.asked == "FPIR 0.5 among 5"


def test_matching_nobody_is_no_threshold(data: Comparisons) -> None:
    with pytest.raises(InputError, match="accept no match"):
        goals.meet(goals.Goal(cost=1e9), data, np.random.default_rng(0), identities=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fmr": 0.1, "fpir": 0.1},
        {"fmr": 0.1, "cost": 2.0},
        {"fmr": 1.0},
        {"max_fnmr": 0.0},
        {"cost": -1.0},
        {"cost": math.inf},
        {"prior": 0.5},
        {"identities": 5},
        {"fpir": 0.1, "identities": 0},
        {"cost": 1.0, "prior": 1.0},
    ],
)
def test_goals_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        goals.Goal(**wrong)  # type: ignore[arg-type]


def test_predicted_fpir_is_the_chance_that_one_of_many_matches() -> None:
    point = goals.predicted(Interval(0.01, 0.005, 1.0), 0.3, 20)
    missed = 1.0
    for _ in range(20):
        missed *= 0.99
    assert point.fpir.rate == pytest.approx(1 - missed)
    assert point.fpir.high == 1.0
    assert not point.observed


def test_curve_and_histogram_are_those_of_a_loop(
    data: Comparisons, photos: tuple[np.ndarray, list[str]]
) -> None:
    mated, non_mated = every_pair(*photos)
    curve = evaluation.det_curve(data)
    for at, fmr, fnmr, low, high in zip(
        curve.threshold, curve.fmr, curve.fnmr, curve.fnmr_low, curve.fnmr_high, strict=True
    ):
        assert fmr == pytest.approx(sum(distance <= at for distance in non_mated) / len(non_mated))
        assert fnmr == pytest.approx(sum(distance > at for distance in mated) / len(mated))
        assert low <= fnmr <= high
    bins = evaluation.histogram(data)
    assert (sum(bins.mated), sum(bins.non_mated)) == (len(mated), len(non_mated))
    middle = len(bins.mated) // 2
    assert sum(bins.non_mated[:middle]) == sum(distance <= bins.edges[middle] for distance in non_mated)


def test_the_band_of_the_curve_is_that_of_each_point(data: Comparisons) -> None:
    curve = evaluation.det_curve(data)
    for at in (20, 60, 100):
        whole = data.fnmr(curve.threshold[at])
        assert curve.fnmr_low[at] == pytest.approx(whole.low, abs=0.04)
        assert curve.fnmr_high[at] == pytest.approx(whole.high, abs=0.04)


def test_bare_scores_have_the_intervals_of_independent_comparisons() -> None:
    rng = np.random.default_rng(0)
    distance = np.concatenate([rng.normal(0.3, 0.1, 200), rng.normal(0.9, 0.1, 800)])
    data = of_pairs(distance, np.arange(1000) < 200, rng)
    false_matches = sum(value <= 0.7 for value in distance[200:])
    assert data.fmr(0.7) == wilson(false_matches, 800)
    with pytest.raises(ValueError, match="there is no mated comparison"):
        of_pairs(distance, np.zeros(1000, bool), rng)
