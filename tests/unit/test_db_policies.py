"""Thresholds with their provenance."""

from dataclasses import replace

import pytest

from enrollment_db.records import Model, NewPolicy
from enrollment_db.store import Store

MODEL = Model("net", "a" * 64, "five-points", 4, "cosine")
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
    with Store.open(tmp_path / "gallery.db") as store:
        yield store
        assert store.check() == []


def test_there_is_none_at_first(store):
    assert store.active_policy(MODEL, "fmr") is None
    assert store.policies() == []


def test_a_policy_keeps_all_that_answers_for_it(store):
    id_ = store.put_policy(POLICY)
    policy = store.active_policy(MODEL, "fmr")
    assert policy.id == id_
    assert policy.active
    assert policy.created_at.endswith("Z")
    for name in NewPolicy.__slots__:
        assert getattr(policy, name) == getattr(POLICY, name)


def test_a_new_policy_takes_the_place_of_its_like_only(store):
    store.put_policy(POLICY)
    store.put_policy(replace(POLICY, kind="fpir", target=0.01))
    store.put_policy(replace(POLICY, model=replace(MODEL, name="other")))
    newest = store.put_policy(replace(POLICY, threshold=0.5))
    assert [(policy.id, policy.active) for policy in store.policies()] == [
        (1, False),
        (2, True),
        (3, True),
        (newest, True),
    ]
    assert store.active_policy(MODEL, "fmr").threshold == 0.5
    assert store.active_policy(MODEL, "fpir").target == 0.01


def test_a_policy_does_not_pin_the_gallery(store):
    store.put_policy(POLICY)
    assert store.model() is None
