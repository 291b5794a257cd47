"""Crowds that resemble each other raise a calibration's rates, and those that it was measured on do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crowds import DIM, again, card, crowd, unit
from faceid.decision.decide import Target, policy_for, stricter_policy
from faceid.decision.population import LEAST_PEOPLE, Population, population_of, raised
from faceid.decision.thresholds import (
    fmr_alike_at_distance,
    fmr_alike_interval_at_distance,
    fmr_at_distance,
    log10_lr_at_distance,
    threshold_at_fmr,
)
from faceid.networks.calibration import Calibration, check_calibration
from faceid.networks.registry import card as network_card

CARD = card()


def population(vectors: np.ndarray, calibration: Calibration = CARD) -> Population:
    found = population_of(vectors, calibration, "cosine")
    assert found is not None
    return found


@pytest.mark.parametrize("people", [20, 60, 200])
def test_the_people_of_the_calibration_raise_nothing(people: int) -> None:
    alarms = sum(population(crowd(seed, people)).raises for seed in range(60))
    # At 1 % one-sided at three levels, four and more of 60 have a probability below 0.02.
    assert alarms <= 3


@pytest.mark.parametrize(("people", "least"), [(20, 8), (60, 20), (200, 20)])
def test_people_who_resemble_each_other_raise_the_rates(people: int, least: int) -> None:
    found = [population(crowd(seed, people, shift=1.0)) for seed in range(20)]
    assert sum(one.raises for one in found) >= least
    assert np.median([one.shift for one in found]) == pytest.approx(1.0, abs=0.15)


def test_the_raised_rates_are_those_of_the_crowd() -> None:
    vectors = crowd(1, 1000, shift=1.0)
    found = population(vectors[:300])
    similarity = vectors @ vectors.T
    rest = similarity[np.triu_indices(len(vectors), 1)]
    here = raised(CARD, found)
    for rate in (1e-2, 1e-3, 1e-4):
        observed = np.mean(1.0 - rest <= threshold_at_fmr(here, rate))
        assert rate / 4 <= observed <= rate * 1.5
        assert np.mean(1.0 - rest <= threshold_at_fmr(CARD, rate)) > 4 * rate


def test_what_was_counted_is_told() -> None:
    found = population(crowd(1, 100, shift=1.0))
    assert (found.people, found.comparisons) == (100, 4950)
    assert found.stated < found.low < found.observed
    assert 0 < found.set_aside < 250


def test_people_under_two_names_are_set_aside() -> None:
    alarms, calm = 0, 0
    for seed in range(30):
        people = crowd(seed, 40)
        found = population(np.concatenate([people, again(seed, people)]))
        assert found.set_aside >= 40
        alarms += found.raises
        calm += population(np.concatenate([crowd(seed, 78), again(seed, crowd(seed, 2))])).raises
    assert alarms <= 3
    assert calm <= 2


def test_a_few_names_of_one_person_are_set_aside() -> None:
    one = np.repeat(crowd(7, 1), 6, axis=0)
    alarms = [population(np.concatenate([crowd(seed, 60), again(seed, one)])).raises for seed in range(30)]
    assert sum(alarms) <= 2


def test_too_few_people_say_nothing() -> None:
    assert population_of(crowd(1, LEAST_PEOPLE - 1, shift=2.0), CARD, "cosine") is None
    assert population_of(crowd(1, LEAST_PEOPLE, shift=2.0), CARD, "cosine") is not None
    assert population_of(np.empty((0, DIM), np.float32), CARD, "cosine") is None


def test_a_calibration_that_does_not_reach_the_rates_of_the_people_says_nothing() -> None:
    strict = replace(CARD, points=CARD.points[:3])
    assert population_of(crowd(1, 60, shift=2.0), strict, "cosine") is None


def test_people_who_are_all_one_raise_nothing() -> None:
    found = population(np.repeat(crowd(1, 1), 30, axis=0))
    assert (found.raises, found.set_aside) == (False, 435)


def test_both_metrics_say_the_same() -> None:
    vectors = crowd(3, 80, shift=0.8)
    euclidean = replace(
        CARD, points=tuple(replace(point, distance=(2.0 * point.distance) ** 0.5) for point in CARD.points)
    )
    one, other = population(vectors), population_of(vectors, euclidean, "euclidean")
    assert other is not None
    assert (one.comparisons, one.set_aside) == (other.comparisons, other.set_aside)
    # Rates between points are interpolated over distances, which the metric bends a little.
    assert other.shift == pytest.approx(one.shift, abs=0.1)


def test_a_population_that_raises_nothing_leaves_the_calibration_as_it_is() -> None:
    assert raised(CARD, None) is CARD
    assert raised(CARD, replace(population(crowd(1, 60, shift=1.0)), raises=False)) is CARD


def test_evidence_falls_as_the_rates_rise() -> None:
    found = population(crowd(1, 100, shift=1.0))
    here = raised(CARD, found)
    for distance in (0.5, 0.6, 0.7):
        before, after = log10_lr_at_distance(CARD, distance), log10_lr_at_distance(here, distance)
        assert before is not None
        assert after is not None
        assert after < before
    assert fmr_at_distance(here, 0.6) > fmr_at_distance(CARD, 0.6)


@pytest.mark.parametrize("net", ["computed", "mobilefacenet", "dlib-resnet"])
def test_no_population_makes_a_threshold_laxer_or_a_rate_smaller(net: str) -> None:
    """Whatever the people of a gallery are, its check has one direction."""
    card = CARD if net == "computed" else network_card(net).calibration
    assert card is not None
    rng = np.random.default_rng(5)
    low, high = card.points[0].distance / 2, card.points[-1].distance * 1.1
    for _ in range(60):
        shift, tilt = rng.uniform(-1.5, 3.0), rng.uniform(-0.6, 0.6)
        here = raised(card, replace(population(crowd(1, 20)), shift=shift, tilt=tilt, raises=True))
        check_calibration(here, "")
        for target in (
            *(Target(fmr=rate) for rate in (1e-4, 1e-3, 1e-2)),
            *(Target(fpir=rate) for rate in (1e-3, 1e-2, 0.3)),
            *(Target(fmr_alike=rate) for rate in (1e-2, 1e-1) if card.alike is not None),
            Target(threshold=(low + high) / 2),
        ):
            for people in (None, 0, 1, 7, 3000) if target.fpir is None else (1, 7, 3000):
                stated = policy_for(target, card, identities=people)
                found = stricter_policy(stated, here)
                assert found.threshold <= stated.threshold
                assert found.held <= stated.held
        for distance in rng.uniform(low, high, 12).tolist():
            rate = fmr_at_distance(here, distance)
            assert rate >= fmr_at_distance(card, distance) * (1 - 1e-9)
            alike = fmr_alike_at_distance(here, distance)
            if here.alike is not None and alike is not None:
                least, most = fmr_alike_interval_at_distance(here, here.alike, distance)
                assert max(rate, least) <= alike <= most


def test_a_few_names_from_an_attacker_do_not_raise_the_rates() -> None:
    """Three of twenty people, or five of fifty, near to each other or to everybody, shift no threshold."""
    rng = np.random.default_rng(2)
    for people, count in ((20, 3), (50, 5), (200, 10)):
        honest = crowd(3, people)
        everybody = honest.mean(axis=0, dtype=np.float64)
        for centre in (everybody, rng.standard_normal(DIM)):
            for rate in (5e-4, 5e-3, 2e-2, 5e-2):
                similarity = 1.0 - threshold_at_fmr(CARD, rate)
                own = rng.standard_normal((count, DIM))
                own /= np.linalg.norm(own, axis=1, keepdims=True)
                added = np.sqrt(similarity) * centre / np.linalg.norm(centre) + np.sqrt(1 - similarity) * own
                assert not population(np.concatenate([honest, unit(added)])).raises
