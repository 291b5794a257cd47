"""The studies of stated rates, on made-up people whose rates are known."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from faceid.decision.decide import Policy
from faceid.evaluation.statistics.measured import measure
from faceid.ports.networks import Embedder
from faceid.training.judging import cosine_distances
from scripts.studies import check_search_rates, check_stated_rates
from scripts.studies.check_stated_rates import Row
from scripts.studies.stated.networks import Network, People


def people(name: str, count: int, *, alike: float = 0.0, seed: int = 0) -> People:
    """Three photos of each person. `alike` moves all people towards one face."""
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(count), 3)
    faces = rng.normal(size=(count, 32))
    faces[:, 0] += alike
    vectors = (faces[identity] + rng.normal(size=(identity.size, 32)) * 0.3).astype(np.float32)
    return People(name, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), identity)


def network_of(calibrated_on: People) -> Network:
    """A network whose card is calibrated on these people."""
    distances = cosine_distances(calibrated_on.vectors, calibrated_on.identity)
    mated, non_mated = (kind.astype(np.float64) for kind in distances)
    card = measure(mated, non_mated, data="made", ambiguity_margin=0.0)
    return Network("made", card, "cosine", cast("Embedder", None), Path(), Path())


def test_the_rate_of_other_people_of_one_kind_is_the_stated_one() -> None:
    one = network_of(people("first", 300))
    rows = list(
        check_stated_rates.observed(
            one, "card", one.calibration, people("second", 300, seed=1), np.random.default_rng(0)
        )
    )
    assert [row.stated for row in rows] == [1e-3, 1e-4]
    assert rows[0].ratio == pytest.approx(1.0, abs=0.3)
    assert rows[0].low < rows[0].ratio < rows[0].high
    assert rows[0].inside


def test_people_who_resemble_each_other_exceed_the_card_and_their_gallery_says_so() -> None:
    one = network_of(people("first", 300))
    similar = people("similar", 200, alike=3.0, seed=1)
    by_card, _ = check_stated_rates.observed(one, "card", one.calibration, similar, np.random.default_rng(0))
    by_gallery = next(iter(check_stated_rates.galleries(one, similar, 100, 5, np.random.default_rng(0))))
    assert by_card.ratio > 3.0
    assert not by_card.inside
    assert by_gallery.raised == 5
    assert by_gallery.ratio < by_card.ratio / 2


def test_halves_of_one_population_state_each_others_rate() -> None:
    one = network_of(people("first", 60))
    row = next(iter(check_stated_rates.halves(one, people("second", 300), 3, np.random.default_rng(0))))
    assert row.repeats == 3
    assert row.low <= row.ratio <= row.high
    assert row.inside


@pytest.mark.parametrize(("ratio", "inside"), [(0.49, False), (0.5, True), (2.0, True), (2.01, False)])
def test_inside_is_between_half_and_twice(ratio: float, inside: bool) -> None:
    row = Row("made", "card", "people", 2, 1e-3, ratio * 1e-3, ratio, 0.0, 9.0)
    assert row.inside is inside


def test_a_search_counts_strangers_named_and_enrolled_people_missed() -> None:
    one = network_of(people("first", 300))
    found = check_search_rates.searches(
        one, people("second", 240, seed=1), None, 100, 4, np.random.default_rng(0)
    )
    assert (found.strangers, found.mated) == (140, 100)
    assert 0.0 <= found.fpir.rate < 0.05
    assert found.misses.rate < 0.2


def test_the_name_of_a_search_is_the_nearest_within_the_threshold() -> None:
    one = network_of(people("first", 60))
    gallery = np.eye(3, dtype=np.float32)
    probes = np.array([[0.1, 0.99, 0.0], [0.6, 0.55, 0.58]], dtype=np.float32)
    policy = Policy(0.3, "threshold", 0.3, None)
    assert check_search_rates.names(one, probes, gallery, policy) == ["1", None]
