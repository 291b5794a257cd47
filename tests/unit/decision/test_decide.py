from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from faceid.cli.messages import hint_for
from faceid.decision.decide import Policy, Target, decide_claim, decide_identity, policy_for
from faceid.decision.scores import distance_from_similarity, identity_similarity
from faceid.decision.thresholds import (
    fmr_alike_at_distance,
    fmr_at_distance,
    threshold_at_fmr,
    threshold_at_fmr_alike,
)
from faceid.errors import UsageError
from faceid.networks.registry import AlikeCurve, Calibration, CalibrationPoint
from faceid.types import Candidate


def calibration(margin: float = 0.05) -> Calibration:
    distances = {1e-5: 0.1, 1e-4: 0.2, 1e-3: 0.3, 1e-2: 0.5, 1.0: 1.5}
    return Calibration(
        data="hand-made",
        date="2026-01-01",
        software="tests",
        mated=100,
        non_mated=1_000_000,
        points=tuple(
            CalibrationPoint(fmr=rate, distance=distance, low=rate / 2, high=min(1.0, rate * 2), count=1)
            for rate, distance in distances.items()
        ),
        ambiguity_margin=margin,
    )


def test_distance_of_the_two_metrics() -> None:
    assert distance_from_similarity(0.75, "cosine") == 0.25
    assert distance_from_similarity(0.5, "euclidean") == 1.0
    assert distance_from_similarity(1.0000001, "euclidean") == 0.0


def test_threshold_goes_through_the_measured_points_and_is_log_linear_between_them() -> None:
    assert threshold_at_fmr(calibration(), 1e-4) == pytest.approx(0.2)
    assert threshold_at_fmr(calibration(), 1e-5) == pytest.approx(0.1)
    assert threshold_at_fmr(calibration(), math.sqrt(1e-4 * 1e-3)) == pytest.approx(0.25)


def test_fmr_is_the_inverse_and_never_below_what_was_measured() -> None:
    for rate in (1e-5, 3e-5, 1e-3, 0.2):
        assert fmr_at_distance(calibration(), threshold_at_fmr(calibration(), rate)) == pytest.approx(rate)
    assert fmr_at_distance(calibration(), 0.0) == 1e-5
    assert fmr_at_distance(calibration(), 1.9) == 1.0


def test_a_rate_that_no_data_supports_is_refused() -> None:
    with pytest.raises(UsageError, match="below what the calibration reaches") as caught:
        threshold_at_fmr(calibration(), 1e-6)
    assert caught.value.code == "beyond_calibration"


def with_alike(factor: float = 20.0) -> Calibration:
    """The FMR among alike is `factor` times that among all, where that is a rate."""
    points = tuple(
        replace(point, fmr=point.fmr * factor, low=0.0, high=1.0)
        for point in calibration().points
        if point.fmr * factor <= 1.0
    )
    alike = AlikeCurve(
        data="hand-made",
        population="people of one sex and group",
        chosen_by="attributes",
        date="2026-01-01",
        software="tests",
        people=100,
        non_mated=100_000,
        points=points,
    )
    return replace(calibration(), alike=alike, population="everyone")


def test_a_rate_among_alike_is_the_stricter_threshold() -> None:
    policy = policy_for(Target(fmr_alike=2e-3), with_alike())
    assert (policy.kind, policy.target) == ("fmr_alike", 2e-3)
    assert policy.threshold == pytest.approx(0.2)
    assert policy.threshold < policy_for(Target(fmr=2e-3), with_alike()).threshold
    assert policy.fmr(policy.threshold) == pytest.approx(1e-4)
    assert policy.fmr_alike(policy.threshold) == pytest.approx(2e-3)


def test_among_alike_no_fewer_match_than_among_all() -> None:
    raised = with_alike(0.5)
    assert policy_for(Target(fmr_alike=1e-3), raised).threshold == pytest.approx(0.3)
    assert fmr_alike_at_distance(raised, 0.3) == pytest.approx(1e-3)


def test_the_rate_among_alike_at_a_distance_inverts_its_threshold() -> None:
    for rate in (2e-4, 5e-3, 0.2):
        threshold = threshold_at_fmr_alike(with_alike(), rate)
        assert fmr_alike_at_distance(with_alike(), threshold) == pytest.approx(rate)


def test_without_a_curve_among_alike_there_is_no_rate_and_no_threshold() -> None:
    assert fmr_alike_at_distance(calibration(), 0.3) is None
    assert policy_for(Target(fmr=1e-3), calibration()).fmr_alike(0.3) is None
    with pytest.raises(UsageError, match="people who are alike") as caught:
        policy_for(Target(fmr_alike=1e-3), calibration())
    assert caught.value.code == "no_alike_curve"
    assert "faceid calibrate" in (hint_for(caught.value) or "")
    with pytest.raises(UsageError) as caught:
        policy_for(Target(fmr_alike=1e-5), with_alike())
    assert caught.value.code == "beyond_calibration"


def test_rates_name_their_population() -> None:
    assert policy_for(Target(), with_alike()).population == "everyone"
    assert policy_for(Target(), calibration()).population == "hand-made"
    assert policy_for(Target(threshold=0.4), None).population is None


def test_fpir_is_shared_among_the_identities() -> None:
    one = policy_for(Target(fpir=0.01), calibration(), identities=1)
    hundred = policy_for(Target(fpir=0.01), calibration(), identities=100)
    assert one.threshold == pytest.approx(0.5)
    assert hundred.threshold == pytest.approx(0.2)
    assert hundred.held


def test_fpir_beyond_the_calibration_says_what_to_expect() -> None:
    policy = policy_for(Target(fpir=0.01), calibration(), identities=100_000)
    assert not policy.held
    assert policy.threshold == pytest.approx(0.1)
    assert policy.fpir == pytest.approx(1 - (1 - 1e-5) ** 100_000)


def test_an_empty_gallery_counts_as_one_identity() -> None:
    assert policy_for(Target(fpir=0.01), calibration(), identities=0).threshold == pytest.approx(0.5)


def test_without_calibration_only_a_distance_will_do() -> None:
    assert policy_for(Target(threshold=0.4), None).threshold == 0.4
    assert policy_for(Target(threshold=0.4), None).fmr(0.3) is None
    for target in (Target(fmr=1e-3), Target(fpir=1e-2), Target()):
        with pytest.raises(UsageError, match="no calibration"):
            policy_for(target, None)


@pytest.mark.parametrize(
    "target",
    [
        {"threshold": 0.3, "fmr": 0.1},
        {"fmr": 0.1, "fpir": 0.1},
        {"fmr": 0.0},
        {"fpir": 1.0},
        {"threshold": -0.1},
        {"threshold": math.nan},
        {"fmr": math.nan},
        {"fmr_alike": 0.0},
        {"fmr_alike": 0.1, "fmr": 0.1},
        {"fmr_alike": 0.1, "threshold": 0.3},
    ],
)
def test_targets_that_make_no_sense(target: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Target(**target)


def policy(threshold: float, margin: float = 0.05) -> Policy:
    return policy_for(Target(threshold=threshold), calibration(margin))


def candidates(*distances: float) -> list[Candidate]:
    return [Candidate(f"person {n}", d, 1 - d) for n, d in enumerate(distances)]


def test_the_threshold_itself_is_a_match() -> None:
    assert decide_identity(candidates(0.3), policy(0.3)).verdict == "match"
    assert decide_identity(candidates(0.3000001), policy(0.3)).verdict == "unknown"
    assert decide_claim(0.7, "cosine", policy(0.30000000001)).verified


def test_only_a_match_has_a_name() -> None:
    assert decide_identity(candidates(0.1), policy(0.3)).name == "person 0"
    assert decide_identity(candidates(0.4), policy(0.3)).name is None
    assert decide_identity(candidates(0.1, 0.12), policy(0.3)).name is None


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        (0.12, "ambiguous"),  # both within the threshold, closer together than the margin
        (0.16, "match"),  # farther apart than the margin
        (0.32, "match"),
    ],
)
def test_ambiguous_is_two_that_match_and_cannot_be_told_apart(second: float, verdict: str) -> None:
    assert decide_identity(candidates(0.1, second), policy(0.3)).verdict == verdict


def test_a_runner_up_beyond_the_threshold_makes_nothing_ambiguous() -> None:
    assert decide_identity(candidates(0.29, 0.31), policy(0.3)).verdict == "match"


def test_nobody_enrolled_is_unknown() -> None:
    decision = decide_identity([], policy(0.3))
    assert (decision.verdict, decision.distance, decision.candidates) == ("unknown", None, ())
    assert decision.threshold == 0.3


def test_a_decision_says_how_often_a_stranger_comes_this_close() -> None:
    assert decide_identity(candidates(0.2), policy(0.3)).fmr == pytest.approx(1e-4)
    assert decide_claim(0.8, "cosine", policy(0.3)).fmr == pytest.approx(1e-4)


def test_identity_similarity_is_between_the_average_cosine_and_that_to_the_mean() -> None:
    templates = np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32)
    diagonal = np.array([1, 1, 0], dtype=np.float32) / np.float32(math.sqrt(2))
    average, to_the_mean = math.sqrt(0.5), 1.0
    assert identity_similarity(diagonal, templates) == pytest.approx(math.sqrt(average * to_the_mean))
    assert identity_similarity(-diagonal, templates) == pytest.approx(-math.sqrt(average * to_the_mean))


def test_one_template_is_its_own_mean() -> None:
    rng = np.random.default_rng(7)
    probe, template = (vector / np.linalg.norm(vector) for vector in rng.normal(size=(2, 16)))
    similarity = identity_similarity(probe.astype(np.float32), template[None].astype(np.float32))
    assert similarity == pytest.approx(float(probe @ template), abs=1e-6)


def test_templates_that_cancel_out_are_like_nobody() -> None:
    opposite = np.array([[1, 0], [-1, 0]], dtype=np.float32)
    assert identity_similarity(np.array([1, 0], dtype=np.float32), opposite) == 0.0
