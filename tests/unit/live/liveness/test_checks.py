"""Liveness of a track: what single pictures look like, and a challenge beside it."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from faceid.app import factories
from faceid.decision.decide import VERIFY_FMR, Target, policy_for
from faceid.decision.scores import similarity_from_distance
from faceid.decision.thresholds import fmr_at_distance
from faceid.errors import ModelError, UsageError
from faceid.imaging import from_array
from faceid.live.liveness import checks
from faceid.live.liveness.challenge import TURNED_FMR, ChallengeCheck, least_similarities
from faceid.live.liveness.passive import FIRST, LOOKS, PassiveCheck
from faceid.live.liveness.state import Liveness, State
from faceid.recognition.embed.fake import CALIBRATION
from faceid.recognition.liveness.challenge import Action, Challenge
from faceid.recognition.liveness.fake import FakeLivenessDetector
from faceid.types import Face, Image
from performers import OTHER, SELF, posed

PICTURE = from_array(np.zeros((8, 8, 3), np.uint8))
HIGH, LOW = 0.9, 0.1


class Scripted:
    """Gives the scores it was told, one a look."""

    def __init__(self, scores: Sequence[float]) -> None:
        self._scores = iter(scores)

    def scores(self, image: Image, faces: Sequence[Face]) -> np.ndarray:
        return np.array([next(self._scores) for _ in faces], np.float32)


def states(*scores: float) -> list[State]:
    check = PassiveCheck(Scripted(scores), 0.6)
    return [check.update(PICTURE, posed(), None, 0.0).state for _ in scores]


def test_a_live_face_is_told_by_three_looks() -> None:
    assert FIRST == 3
    assert states(HIGH, HIGH, HIGH, HIGH) == ["checking", "checking", "live", "live"]


def test_a_copy_is_told_by_five() -> None:
    assert LOOKS == 5
    assert states(*[LOW] * 6) == ["checking"] * 4 + ["spoof"] * 2


def test_one_poor_look_changes_nothing() -> None:
    assert states(LOW, HIGH, HIGH, HIGH, HIGH) == ["checking"] * 2 + ["live"] * 3
    assert set(states(*[HIGH] * 5, 0.0, *[HIGH] * 5)[2:]) == {"live"}


def test_poor_looks_from_the_start_on_wait_for_five() -> None:
    assert states(LOW, HIGH, 0.5, HIGH, HIGH) == ["checking"] * 4 + ["live"]


def test_what_was_live_becomes_a_spoof_when_a_copy_is_put_in_its_place() -> None:
    shown = states(*[HIGH] * 8, *[LOW] * 3)
    assert shown[7:] == ["live", "live", "spoof", "spoof"]


def test_a_spoof_needs_five_good_looks_in_a_row() -> None:
    shown = states(*[LOW] * 5, HIGH, HIGH, HIGH, HIGH, 0.59, *[HIGH] * 5)
    assert shown[4:-1] == ["spoof"] * 10
    assert shown[-1] == "live"


def test_the_score_is_the_mean_of_the_last_five() -> None:
    check = PassiveCheck(Scripted([0.0, 0.1, 0.2, 0.3, 0.4, 1.0]), 0.6)
    found = [check.update(PICTURE, posed(), None, 0.0) for _ in range(6)]
    assert [one.score for one in found[:2]] == [None, None]
    assert [one.score for one in found[2:]] == pytest.approx([0.1, 0.15, 0.2, 0.4])
    assert [one.reason for one in found[2:]] == [None, None, "low_score", "low_score"]


def test_a_frame_without_the_face_changes_nothing() -> None:
    check = PassiveCheck(Scripted([HIGH] * 3), 0.6)
    before = [check.update(PICTURE, posed(), None, 0.0) for _ in range(3)][-1]
    assert check.update(PICTURE, None, None, 1.0) == before


def asked(*actions: Action, passive: Sequence[float] | None = None) -> ChallengeCheck:
    challenge = Challenge(actions, least_similarity=0.9, least_turned_similarity=0.8)
    return ChallengeCheck(challenge, None if passive is None else PassiveCheck(Scripted(passive), 0.6))


def play(
    check: ChallengeCheck, *shown: str | None, start: float = 0.0, vector: np.ndarray = SELF
) -> list[Liveness]:
    """Each pose for 0.3 seconds, ten looks a second; None is nobody."""
    found = []
    for number, pose in enumerate(pose for pose in shown for _ in range(3)):
        face = None if pose is None else posed(pose)
        found.append(check.update(PICTURE, face, None if pose is None else vector, start + number / 10))
    return found


def test_who_passes_is_live() -> None:
    check = asked("nod", "turn_left")
    assert check.every_detection
    found = play(check, "look_straight", "nod", "look_straight", "turn_left", "look_straight")
    assert found[0] == Liveness("checking", asked="look_straight")
    assert list(dict.fromkeys(one.asked for one in found)) == ["look_straight", "nod", "turn_left", None]
    assert found[-1] == Liveness("live")
    assert {one.state for one in found[:-3]} == {"checking"}
    assert not check.every_detection


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (("look_straight", "turn_right"), "wrong_action"),
        (("look_straight", *[None] * 8), "face_lost"),
        (("look_straight", *["look_straight"] * 30), "timeout"),
    ],
)
def test_who_fails_is_a_spoof_for_good(shown: tuple[str | None, ...], reason: str) -> None:
    check = asked("nod")
    assert play(check, *shown)[-1] == Liveness("spoof", reason=reason)
    assert not check.every_detection
    later = play(check, "look_straight", "nod", "look_straight", start=60.0)
    assert set(later) == {Liveness("spoof", reason=reason)}


def test_another_person_put_in_is_a_spoof() -> None:
    check = asked("turn_left")
    play(check, "look_straight")
    assert play(check, "turn_left", start=0.4, vector=OTHER)[-1] == Liveness(
        "spoof", reason="identity_changed"
    )


def test_another_person_after_the_pass_is_a_spoof() -> None:
    check = asked("nod")
    assert play(check, "look_straight", "nod", "look_straight")[-1].state == "live"
    found = [check.update(PICTURE, posed(), OTHER, 10.0 + second) for second in range(3)]
    assert [one.state for one in found] == ["live", "live", "spoof"]
    assert found[-1].reason == "identity_changed"


def test_who_has_passed_stays_live_without_being_embedded() -> None:
    check = asked("nod")
    play(check, "look_straight", "nod", "look_straight")
    for second in range(100):
        assert check.update(PICTURE, posed(), None, 10.0 + second).state == "live"


def test_both_must_say_live() -> None:
    passing = ("look_straight", "nod", "look_straight")
    check = asked("nod", passive=[HIGH] * 9)
    assert play(check, *passing)[-1] == Liveness("live", pytest.approx(HIGH))
    check = asked("nod", passive=[LOW] * 14)
    found = play(check, *passing)
    assert found[-1] == Liveness("spoof", pytest.approx(LOW), None, "low_score")
    assert (found[4].state, found[4].asked) == ("spoof", "look_straight")


def test_a_copy_that_is_seen_late_ends_the_pass_until_it_is_gone() -> None:
    check = asked("nod", passive=[*[HIGH] * 9, *[LOW] * 5, *[HIGH] * 5])
    assert play(check, "look_straight", "nod", "look_straight")[-1].state == "live"
    later = [check.update(PICTURE, posed(), None, 2.0 + look).state for look in range(10)]
    assert (later[4], later[8], later[9]) == ("spoof", "spoof", "live")


POLICY = policy_for(Target(fpir=1e-2), CALIBRATION, identities=1000)


def test_continuity_follows_from_the_calibration_and_not_from_the_gallery() -> None:
    straight, turned = least_similarities(POLICY, "cosine")
    assert fmr_at_distance(CALIBRATION, 1.0 - straight) == pytest.approx(VERIFY_FMR)
    assert fmr_at_distance(CALIBRATION, 1.0 - turned) == pytest.approx(TURNED_FMR)
    assert straight > turned
    assert least_similarities(policy_for(Target(fmr=0.1), CALIBRATION), "cosine") == (straight, turned)


def test_continuity_in_euclidean_distance() -> None:
    assert least_similarities(POLICY, "euclidean")[0] == pytest.approx(
        similarity_from_distance(1.0 - least_similarities(POLICY, "cosine")[0], "euclidean")
    )


def test_a_calibration_on_few_people_gives_its_strictest() -> None:
    from dataclasses import replace

    few = replace(CALIBRATION, points=CALIBRATION.points[-1:])
    assert few.points[0].fmr > TURNED_FMR
    limits = least_similarities(policy_for(Target(threshold=0.1), few), "cosine")
    assert limits == (1.0 - few.points[0].distance,) * 2


def test_without_a_calibration_nobody_can_be_challenged() -> None:
    policy = policy_for(Target(threshold=0.1), None)
    with pytest.raises(UsageError, match="no calibration") as raised:
        checks.check_maker("challenge", None, policy, "cosine", threshold=0.6)
    assert raised.value.code == "not_calibrated"
    assert checks.check_maker("off", None, policy, "cosine", threshold=0.6) is None


def test_each_track_has_a_check_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = random.Random(1)
    drawn = checks.draw_actions
    monkeypatch.setattr(checks, "draw_actions", lambda count: drawn(count, generator))
    for kind in ("passive", "challenge"):
        make = checks.check_maker(kind, FakeLivenessDetector(), POLICY, "cosine", threshold=0.6)  # type: ignore[arg-type]
        assert make is not None
        first, second = make(), make()
        assert first is not second
    orders = []
    for check in (first, second):
        play(check, "look_straight")  # type: ignore[arg-type]
        orders.append(check.update(PICTURE, posed(), SELF, 0.4).asked)
    assert set(orders) <= {"turn_left", "turn_right", "nod", "approach"}


def test_passive_without_a_detector_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nothing to look"):
        checks.check_maker("passive", None, POLICY, "cosine", threshold=0.6)


def test_a_challenge_does_without_weights_and_passive_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from faceid.config import Settings

    settings = Settings.load()

    def missing(*_: object) -> None:
        raise ModelError("not there", code="weights_missing")

    assert factories.open_liveness_detector("off", "fake", "cpu", settings) is None
    assert isinstance(
        factories.open_liveness_detector("challenge", "fake", "cpu", settings), FakeLivenessDetector
    )
    monkeypatch.setattr("faceid.app.factories.make_liveness_detector", missing)
    assert factories.open_liveness_detector("challenge", "fake", "cpu", settings) is None
    with pytest.raises(ModelError):
        factories.open_liveness_detector("passive", "fake", "cpu", settings)


def test_altered_weights_are_never_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    from faceid.config import Settings

    def altered(*_: object) -> None:
        raise ModelError("altered", code="weights_altered")

    monkeypatch.setattr("faceid.app.factories.make_liveness_detector", altered)
    with pytest.raises(ModelError, match="altered"):
        factories.open_liveness_detector("challenge", "fake", "cpu", Settings.load())
