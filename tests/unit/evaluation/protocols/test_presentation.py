"""APCER, BPCER and ACER against figures computed by hand."""

from __future__ import annotations

import math

import pytest

from faceid.evaluation.protocols.presentation import errors, threshold_at_apcer

LIVE = [0.9, 0.8, 0.7, 0.4]
ATTACKS = {"screen": [0.1, 0.2, 0.6, 0.65], "print": [0.5, 0.1]}


def test_the_worst_kind_of_attack_counts() -> None:
    found = errors(LIVE, ATTACKS, 0.5)
    assert [(attack.kind, attack.count, attack.accepted) for attack in found.attacks] == [
        ("print", 2, 1),
        ("screen", 4, 2),
    ]
    # Equal rates: the kind of which more were seen.
    assert found.worst.kind == "screen"
    assert (found.refused, found.count, found.bpcer.rate) == (1, 4, 0.25)
    assert found.acer == (0.5 + 0.25) / 2


def test_a_threshold_changes_both_errors() -> None:
    found = errors(LIVE, ATTACKS, 0.62)
    assert [attack.apcer.rate for attack in found.attacks] == [0.0, 0.25]
    assert (found.worst.kind, found.bpcer.rate, found.acer) == ("screen", 0.25, 0.25)


def test_an_interval_by_hand() -> None:
    """None of two: Clopper and Pearson's upper end solves (1 - p) ** 2 = 0.025."""
    found = errors([1.0, 1.0], {"print": [0.0, 0.0]}, 0.5)
    assert found.worst.apcer.low == 0.0
    assert found.worst.apcer.high == pytest.approx(1 - math.sqrt(0.025), abs=1e-9)
    assert found.bpcer.high == pytest.approx(1 - math.sqrt(0.025), abs=1e-9)
    assert found.acer == 0.0


def test_a_score_at_the_threshold_is_accepted() -> None:
    found = errors([0.5], {"print": [0.5]}, 0.5)
    assert (found.refused, found.worst.accepted) == (0, 1)


@pytest.mark.parametrize(("most", "accepted"), [(0.0, 0), (0.25, 0), (0.5, 1), (0.99, 1), (1.0, 2)])
def test_the_threshold_for_a_rate_holds_for_every_kind(most: float, accepted: int) -> None:
    threshold = threshold_at_apcer(ATTACKS, most)
    found = errors(LIVE, ATTACKS, threshold)
    assert all(attack.apcer.rate <= most for attack in found.attacks)
    assert {attack.kind: attack.accepted for attack in found.attacks}["print"] <= accepted


def test_the_threshold_for_a_rate_is_the_lowest() -> None:
    threshold = threshold_at_apcer(ATTACKS, 0.25)
    assert 0.6 < threshold < 0.6 + 1e-9


def test_equal_scores_are_refused_together() -> None:
    attacks = {"print": [0.3, 0.3, 0.3, 0.1]}
    assert errors([1.0], attacks, threshold_at_apcer(attacks, 0.5)).worst.accepted == 0


@pytest.mark.parametrize(
    ("live", "attacks"), [([], ATTACKS), (LIVE, {}), (LIVE, {"print": []}), ([math.nan], ATTACKS)]
)
def test_nothing_to_measure_is_an_error(live: list[float], attacks: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match=r"no attacks|finite"):
        errors(live, attacks, 0.5)


def test_a_rate_beyond_1_is_an_error() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        threshold_at_apcer(ATTACKS, 1.5)
