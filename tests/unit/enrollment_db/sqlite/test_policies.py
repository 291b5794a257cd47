"""Thresholds with their provenance."""

from dataclasses import replace

import pytest

from enrollment_db.errors import UnknownPolicy
from enrollment_db.records import ModelKey, NewPolicy
from enrollment_db.registry import open_sqlite

MODEL = ModelKey("net", "a" * 64, "five-points", 4, "cosine")
POLICY = NewPolicy(
    model=MODEL,
    kind="fmr",
    target=1e-4,
    threshold=0.61,
    data="LFW View 1, pairsDevTrain",
    mated=1100,
    non_mated=1_000_000,
    low=0.8e-4,
    high=1.2e-4,
)


@pytest.fixture
def store(tmp_path):
    with open_sqlite(tmp_path / "gallery.db") as store:
        yield store
        assert store.check() == []


def test_there_is_none_at_first(store):
    assert store.policies.active(MODEL, "fmr") is None
    assert store.policies.all() == []


def test_a_policy_keeps_all_that_answers_for_it(store):
    id_ = store.policies.activate(POLICY)
    policy = store.policies.active(MODEL, "fmr")
    assert policy.id == id_
    assert policy.active
    assert policy.created_at.endswith("Z")
    for name in NewPolicy.__slots__:
        assert getattr(policy, name) == getattr(POLICY, name)


def test_a_new_policy_takes_the_place_of_its_like_only(store):
    store.policies.activate(POLICY)
    store.policies.activate(replace(POLICY, kind="fpir", target=0.01))
    store.policies.activate(replace(POLICY, model=replace(MODEL, name="other")))
    newest = store.policies.activate(replace(POLICY, threshold=0.5))
    assert [(policy.id, policy.active) for policy in store.policies.all()] == [
        (1, False),
        (2, True),
        (3, True),
        (newest, True),
    ]
    assert store.policies.active(MODEL, "fmr").threshold == 0.5
    assert store.policies.active(MODEL, "fpir").target == 0.01


def test_a_policy_does_not_pin_the_gallery(store):
    store.policies.activate(POLICY)
    assert store.templates.model() is None


def in_force(store):
    policy = store.policies.active(MODEL, "fmr")
    return None if policy is None else policy.id


def test_a_policy_may_carry_its_calibration(store):
    id_ = store.policies.activate(replace(POLICY, calibration='{"points": []}', by_hand=True))
    policy = store.policies.active(MODEL, "fmr")
    assert (policy.id, policy.calibration, policy.by_hand) == (id_, '{"points": []}', True)


def test_withdrawing_goes_back_the_way_it_came(store):
    first, second = store.policies.activate(POLICY), store.policies.activate(POLICY)
    store.policies.withdraw(second)
    assert in_force(store) == first
    # What follows the first now goes back to it, not to the second.
    third = store.policies.activate(POLICY)
    store.policies.withdraw(third)
    assert in_force(store) == first
    store.policies.withdraw(first)
    assert in_force(store) is None
    assert len(store.policies.all()) == 3


def test_any_policy_can_be_put_in_force_again(store):
    first, second = store.policies.activate(POLICY), store.policies.activate(POLICY)
    other = store.policies.activate(replace(POLICY, kind="fpir"))
    store.policies.activate(POLICY)
    store.policies.restore(second)
    assert in_force(store) == second
    assert store.policies.active(MODEL, "fpir").id == other
    store.policies.withdraw(second)
    assert in_force(store) == first


def test_what_is_not_in_force_cannot_be_withdrawn(store):
    first = store.policies.activate(POLICY)
    store.policies.activate(POLICY)
    for wrong in (first, 99):
        with pytest.raises(UnknownPolicy):
            store.policies.withdraw(wrong)
    with pytest.raises(UnknownPolicy):
        store.policies.restore(99)
    assert in_force(store) == 2
