"""Challenges played with the photos of six people: real detector, alignment and default network."""

from __future__ import annotations

import random

import pytest

from faceid.app import factories
from faceid.config import Settings
from places import SHARED_DATA
from scripts.studies import check_challenge

pytestmark = pytest.mark.slow

DATA = SHARED_DATA


@pytest.fixture(scope="module")
def played() -> dict[str, dict[str, int]]:
    root = DATA / "cctwelve"
    if not root.is_dir():
        pytest.skip(f"no cctwelve in {DATA}; set FACEID_TEST_DATA")
    tools = check_challenge.Tools(
        factories.make_detector("mtcnn", "cpu"),
        {"dlib-resnet": factories.make_embedder("dlib-resnet", "cpu", Settings.load())},
    )
    people = list(check_challenge.in_photos(root, tools))
    assert len(people) == 6
    checks = check_challenge.Checks("dlib-resnet", None)
    return check_challenge.run(people, checks, random.Random(7), draws=100)


@pytest.mark.parametrize(
    ("what", "outcome", "share"),
    [
        ("in the asked order", "live", 1.0),
        ("one wrong movement", "wrong_action", 1.0),
        # Where the other person's looks are too far from the front to tell, nothing counts until the time is up.
        ("another's turn", "identity_changed", 0.8),
        ("another from then on", "identity_changed", 0.95),
        ("a still picture", "timeout", 1.0),
        # By chance 1 of 36 fits.
        ("a recording", "wrong_action", 0.93),
    ],
)
def test_challenges_of_photos(
    what: str, outcome: str, share: float, played: dict[str, dict[str, int]]
) -> None:
    counts = played[what]
    assert counts[outcome] >= share * sum(counts.values()) > 0, counts
    if what not in ("in the asked order", "a recording"):
        assert counts.get("live", 0) == 0, counts
