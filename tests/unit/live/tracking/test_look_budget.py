from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceid.live.tracking.look_budget import LookBudget, LookCandidate


def test_the_first_looks_are_taken_at_once_then_only_better_or_later_ones() -> None:
    budget = LookBudget(per_second=100, eager=3, better=0.1, every_s=1.0)
    times = [step / 10 for step in range(30)]
    taken = [time for time in times if budget.choose([LookCandidate(1, 0.5)], time)]
    assert taken == [0.0, 0.1, 0.2, 1.2, 2.2]
    assert budget.choose([LookCandidate(1, 0.65)], 2.95) == [1]
    assert budget.choose([LookCandidate(1, 0.70)], 3.0) == []


def test_the_least_known_track_comes_first_and_then_the_best_face() -> None:
    budget = LookBudget(per_second=3, eager=5)
    assert budget.choose([LookCandidate(1, 0.9)], 0.0) == [1]
    assert budget.choose([LookCandidate(1, 0.9), LookCandidate(2, 0.4), LookCandidate(3, 0.6)], 0.1) == [3, 2]
    assert budget.choose([LookCandidate(1, 0.9)], 0.2) == []
    assert budget.choose([LookCandidate(1, 0.9)], 1.05) == [1]


def test_a_poor_face_is_never_embedded() -> None:
    budget = LookBudget(least=0.3)
    assert budget.choose([LookCandidate(1, 0.29)], 0.0) == []
    assert budget.choose([LookCandidate(1, 0.3)], 0.1) == [1]


def test_a_renewed_track_is_looked_at_again_and_an_ended_one_is_forgotten() -> None:
    budget = LookBudget(eager=1)
    assert budget.choose([LookCandidate(1, 0.5)], 0.0) == [1]
    assert budget.choose([LookCandidate(1, 0.5)], 0.1) == []
    budget.renew(1)
    assert budget.choose([LookCandidate(1, 0.5)], 0.2) == [1]
    assert budget.looks == {1: 1}
    budget.forget([1, 7])
    assert budget.looks == {}


@pytest.mark.parametrize(
    "wrong", [{"per_second": 0}, {"eager": 0}, {"better": -0.1}, {"every_s": 0.0}, {"least": 1.5}]
)
def test_senseless_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="choosing looks"):
        LookBudget(**wrong)  # type: ignore[arg-type]


glances = st.dictionaries(st.integers(1, 8), st.floats(0.0, 1.0), max_size=8)


@given(st.lists(glances, max_size=40), st.integers(1, 6))
def test_no_second_has_more_looks_than_allowed(scene: list[dict[int, float]], most: int) -> None:
    budget = LookBudget(per_second=most)
    taken: list[float] = []
    for step, seen in enumerate(scene):
        chosen = budget.choose(
            [LookCandidate(number, quality) for number, quality in seen.items()], step * 0.125
        )
        assert len(set(chosen)) == len(chosen)
        assert set(chosen) <= set(seen)
        taken += [step * 0.125] * len(chosen)
        assert sum(step * 0.125 - time < 1.0 for time in taken) <= most
