"""Error rates of liveness, whatever the scores."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from faceid.evaluation.protocols.presentation import errors, threshold_at_apcer

# Few values, so that many are equal.
scores = st.lists(st.integers(0, 10).map(lambda value: value / 10), min_size=1, max_size=30)
attacks = st.dictionaries(st.sampled_from(["print", "screen", "mask"]), scores, min_size=1)


@given(live=scores, attacks=attacks, low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_higher_threshold_refuses_more(
    live: list[float], attacks: dict[str, list[float]], low: float, high: float
) -> None:
    low, high = sorted((low, high))
    lax, strict = errors(live, attacks, low), errors(live, attacks, high)
    assert lax.bpcer.rate <= strict.bpcer.rate
    assert lax.worst.apcer.rate >= strict.worst.apcer.rate
    assert all(
        attack.apcer.low <= attack.apcer.rate <= attack.apcer.high <= 1.0
        and attack.apcer.rate <= strict.worst.apcer.rate
        for attack in strict.attacks
    )


@given(live=scores, attacks=attacks, most=st.floats(0, 1))
def test_the_threshold_for_a_rate_is_the_lowest_that_keeps_it(
    live: list[float], attacks: dict[str, list[float]], most: float
) -> None:
    threshold = threshold_at_apcer(attacks, most)
    assert errors(live, attacks, threshold).worst.apcer.rate <= most + 1e-9
    below = [score for kind in attacks.values() for score in kind if score < threshold]
    if below:
        assert errors(live, attacks, max(below)).worst.apcer.rate > most
