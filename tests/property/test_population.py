"""What holds for the check of a calibration on any crowd."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crowds import RATES, card, crowd
from faceid.decision.decide import Target, policy_for, stricter_policy
from faceid.decision.population import Population, population_of, raised
from faceid.decision.thresholds import fmr_at_distance
from faceid.networks.calibration import check_calibration

CARD = card()
SEEDS = st.integers(0, 2**32 - 1)
POPULATIONS = st.builds(
    Population,
    people=st.just(100),
    comparisons=st.just(4950),
    set_aside=st.just(0),
    stated=st.just(0.1),
    observed=st.just(0.2),
    low=st.just(0.15),
    shift=st.floats(-3.0, 6.0),
    tilt=st.floats(-0.6, 1.0),
    raises=st.booleans(),
)


@given(POPULATIONS)
def test_no_rate_falls_and_the_raised_calibration_is_sound(population: Population) -> None:
    here = raised(CARD, population)
    check_calibration(here, "")
    for distance in np.linspace(0.0, 1.6, 60):
        assert fmr_at_distance(here, distance) >= fmr_at_distance(CARD, distance) * (1.0 - 1e-9)
    for stricter, laxer in pairwise(here.points):
        assert stricter.fmr < laxer.fmr


@given(POPULATIONS, st.sampled_from(RATES[:6]), st.integers(1, 5000), st.sampled_from(("fmr", "fpir")))
def test_no_threshold_becomes_laxer(population: Population, rate: float, identities: int, kind: str) -> None:
    stated = policy_for(Target(**{kind: rate}), CARD, identities=identities)
    here = stricter_policy(stated, raised(CARD, population))
    assert here.threshold <= stated.threshold
    assert here.held <= stated.held
    assert (here.kind, here.target, here.identities) == (stated.kind, stated.target, stated.identities)
    if here.held:
        asked = rate if kind == "fmr" else rate / identities
        assert here.fmr(here.threshold) <= asked * (1.0 + 1e-6)


@given(POPULATIONS, st.floats(0.0, 1.6))
def test_a_distance_by_hand_stays(population: Population, distance: float) -> None:
    stated = policy_for(Target(threshold=distance), CARD, identities=10)
    here = stricter_policy(stated, raised(CARD, population))
    assert (here.threshold, here.held) == (distance, True)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(10, 120), st.floats(0.0, 1.5), SEEDS)
def test_the_order_of_the_people_does_not_matter(seed: int, people: int, shift: float, order: int) -> None:
    vectors = crowd(seed, people, shift)
    one = population_of(vectors, CARD, "cosine")
    other = population_of(np.random.default_rng(order).permutation(vectors), CARD, "cosine")
    assert one is not None
    assert other is not None
    assert (one.comparisons, one.set_aside) == (other.comparisons, other.set_aside)
    assert abs(one.shift - other.shift) < 1e-3
    assert abs(one.observed - other.observed) < 1e-3


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(10, 120), st.floats(-1.0, 3.0).filter(lambda shift: shift >= 0.0))
def test_every_number_is_finite(seed: int, people: int, shift: float) -> None:
    found = population_of(crowd(seed, people, shift), CARD, "cosine")
    assert found is not None
    assert all(map(np.isfinite, (found.observed, found.low, found.shift, found.tilt)))
    assert 0.0 <= found.low <= found.observed <= 1.0
