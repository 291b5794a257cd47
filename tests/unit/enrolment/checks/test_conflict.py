"""When a group, or one of its photos, is somebody who is enrolled under another name."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from faceid.decision.decide import Policy, Target, policy_for
from faceid.decision.scores import distance_from_similarity
from faceid.enrolment.checks.conflict import enrolled_as, matches_another_identity
from faceid.networks import registry
from faceid.types import Candidate

DLIB = registry.card("dlib-resnet").calibration
assert DLIB is not None
POLICY = policy_for(Target(fmr=1e-4), DLIB, identities=10)
LIMIT = POLICY.threshold


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def seen(name: str, distance: float) -> Candidate:
    return Candidate(name, distance, 1.0 - distance)


def photos(count: int, noise: float = 0.25) -> NDArray[np.float32]:
    rng = np.random.default_rng(5)
    return unit(np.eye(1, 32)[0] + noise * unit(rng.normal(size=(count, 32))))


def test_a_group_that_matches_somebody_is_named() -> None:
    found = enrolled_as(
        "new", photos(2), [[seen("old", 0.03), seen("x", 0.2)], [seen("old", 0.04)]], POLICY, "cosine"
    )
    assert found is not None
    assert (found.name, found.photos) == ("old", 2)
    assert found.fmr is not None
    assert found.fmr <= 1e-4
    assert found.llr is not None
    assert found.llr > 2


def test_the_score_is_that_of_two_means() -> None:
    vectors, other = photos(6), photos(9)[6:]
    mean = other.mean(axis=0, dtype=np.float64)
    similar = vectors @ mean / np.sqrt(np.linalg.norm(mean))
    candidates = [[Candidate("old", distance_from_similarity(float(s), "cosine"), float(s))] for s in similar]
    found = enrolled_as("new", vectors, candidates, policy_for(Target(threshold=2.0), DLIB), "cosine")
    own = vectors.mean(axis=0, dtype=np.float64)
    expected = own @ mean / np.sqrt(np.linalg.norm(own) * np.linalg.norm(mean))
    assert found is not None
    assert found.distance == pytest.approx(1.0 - expected, abs=1e-6)


def test_photos_none_of_which_matches_can_match_together() -> None:
    far = LIMIT + 0.005
    assert enrolled_as("new", photos(1), [[seen("old", far)]], POLICY, "cosine") is None
    found = enrolled_as("new", photos(5), [[seen("old", far)]] * 5, POLICY, "cosine")
    assert found is not None
    assert found.photos == 0


def test_the_identity_itself_is_no_conflict() -> None:
    assert enrolled_as("old", photos(2), [[seen("old", 0.01)]] * 2, POLICY, "cosine") is None


def test_one_photo_of_several_does_not_speak_for_all() -> None:
    candidates = [[seen("old", 0.03)], [seen("a", 0.15)], [seen("b", 0.15)]]
    assert enrolled_as("new", photos(3), candidates, POLICY, "cosine") is None


def test_an_empty_gallery_warns_of_nobody() -> None:
    assert enrolled_as("new", photos(2), [[], []], POLICY, "cosine") is None


def test_equally_near_identities_are_told_by_name() -> None:
    candidates = [[seen("b", 0.03), seen("a", 0.03)]]
    found = enrolled_as("new", photos(1), candidates, POLICY, "cosine")
    assert found is not None
    assert found.name == "a"


def test_without_calibration_the_evidence_is_unknown() -> None:
    bare = Policy(0.05, "threshold", 0.05, None)
    found = enrolled_as("new", photos(1), [[seen("old", 0.03)]], bare, "cosine")
    assert found is not None
    assert (found.fmr, found.llr) == (None, None)


def test_candidates_go_with_photos() -> None:
    with pytest.raises(ValueError, match="1 lists of candidates for 2 templates"):
        enrolled_as("new", photos(2), [[]], POLICY, "cosine")


@pytest.mark.parametrize(
    ("own", "candidates", "taken_for"),
    [
        (None, [("old", 0.03)], "old"),
        (0.06, [("old", 0.03)], "old"),
        # Nearer to its own people than to whoever it is like.
        (0.02, [("old", 0.03)], None),
        (None, [("new", 0.02), ("old", 0.03)], None),
        (0.06, [("old", 0.03), ("new", 0.05)], "old"),
        (None, [("old", LIMIT + 0.001)], None),
        (None, [("new", 0.01)], None),
        (None, [], None),
    ],
)
def test_a_photo_is_somebody_elses_where_it_matches_and_is_nearer(
    own: float | None, candidates: list[tuple[str, float]], taken_for: str | None
) -> None:
    found = matches_another_identity("new", own, [seen(*candidate) for candidate in candidates], POLICY)
    assert (found.name if found else None) == taken_for
