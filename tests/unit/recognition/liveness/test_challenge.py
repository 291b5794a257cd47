"""A challenge, look by look: who passes, who does not, and why."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from faceid.recognition.liveness.challenge import ACTIONS, Action, Challenge, Limits, Progress, draw_actions
from performers import OTHER, SELF, posed, turned

STRAIGHT = posed()
LEFT, RIGHT = posed("turn_left"), posed("turn_right")


def challenge(*actions: Action, limits: Limits | None = None) -> Challenge:
    return Challenge(actions, least_similarity=0.9, least_turned_similarity=0.8, limits=limits)


def play(run: Challenge, *parts: tuple[float, object], start: float = 0.0) -> Progress:
    """Show each face (None for nobody) for so many seconds, 20 looks a second, with the person's own vector."""
    time = start
    for seconds, shown in parts:
        for _ in range(round(seconds * 20)):
            run.update(time, shown, SELF)  # type: ignore[arg-type]
            time += 0.05
    return run.progress


@pytest.mark.parametrize("action", ACTIONS)
def test_who_does_what_is_asked_passes(action: Action) -> None:
    run = challenge(action)
    assert play(run, (0.05, STRAIGHT)).asked == "look_straight"
    assert play(run, (0.3, STRAIGHT), start=1.2).asked == action
    done = play(run, (0.15, posed(action)), start=2.0)
    assert (done.state, done.asked) == ("running", "look_straight")
    passed = play(run, (0.3, STRAIGHT), start=2.6)
    assert (passed.state, passed.asked, passed.reason) == ("passed", None, None)
    (step,) = passed.steps
    assert step.action == action
    assert step.done_s is not None
    assert 1.2 < step.asked_s < 2.0 < step.done_s < 2.6


def test_two_looks_far_apart_show_nothing_that_lasted() -> None:
    run = challenge("nod")
    run.update(0.0, STRAIGHT, SELF)
    assert run.update(3.0, STRAIGHT, SELF).steps == ()


def test_later_steps_are_not_told() -> None:
    run = challenge("nod", "turn_left")
    assert [step.action for step in play(run, (0.3, STRAIGHT)).steps] == ["nod"]


@pytest.mark.parametrize("wrong", [action for action in ACTIONS if action != "nod"])
def test_another_movement_than_the_one_asked_for_fails(wrong: Action) -> None:
    run = challenge("nod", "turn_left")
    failed = play(run, (0.3, STRAIGHT), (0.3, posed(wrong)), (1.0, posed("nod")))
    assert (failed.state, failed.reason, failed.asked) == ("failed", "wrong_action", None)


def test_one_odd_look_is_no_movement() -> None:
    run = challenge("nod")
    assert play(run, (0.3, STRAIGHT), (0.05, LEFT), (0.2, STRAIGHT)).state == "running"
    assert play(run, (0.05, posed("nod")), (0.2, STRAIGHT), start=1.0).steps[0].done_s is None


def test_it_takes_a_straight_look_between_two_movements_be_it_in_passing() -> None:
    run = challenge("turn_left", "turn_right")
    waiting = play(run, (0.3, STRAIGHT), (0.3, LEFT), (1.0, RIGHT))
    assert (waiting.state, waiting.asked, len(waiting.steps)) == ("running", "look_straight", 1)
    run = challenge("turn_left", "turn_right")
    assert play(run, (0.3, STRAIGHT), (0.3, LEFT), (0.05, STRAIGHT), (0.3, RIGHT)).steps[1].done_s is not None


def test_who_nods_twice_has_not_done_something_else() -> None:
    run = challenge("nod", "turn_left")
    nod = (0.2, posed("nod"))
    assert play(run, (0.3, STRAIGHT), nod, (0.2, STRAIGHT), nod, (0.2, STRAIGHT)).asked == "turn_left"
    assert play(run, (0.3, LEFT), (0.2, STRAIGHT), start=1.1).state == "passed"


@pytest.mark.parametrize(
    ("pitch", "done"), [(-35.0, True), (-20.0, False), (-10.0, False), (10.0, False), (20.0, True)]
)
def test_a_head_nods_that_is_lowered_or_raised_far(pitch: float, done: bool) -> None:
    run = challenge("nod")
    play(run, (0.3, STRAIGHT), (0.3, posed(pitch=pitch)))
    assert (run.progress.steps[0].done_s is not None) is done


def test_after_a_nod_a_head_is_straight_half_way_back() -> None:
    run = challenge("nod")
    assert play(run, (0.3, STRAIGHT), (0.3, posed("nod")), (0.5, posed(pitch=18.0))).asked == "look_straight"
    assert play(run, (0.1, posed(pitch=11.0)), start=1.1).state == "passed"


def test_a_posture_that_changes_slowly_is_no_nod() -> None:
    run = challenge("turn_left")
    sinking = [(0.1, posed(pitch=step / 5)) for step in range(75)]
    assert play(run, (0.3, STRAIGHT), *sinking).state == "running"
    assert play(run, (0.3, posed(pitch=35.0)), start=7.8).reason == "wrong_action"


# What MTCNN gives of a full profile: the eyes near each other, and the nose between them.
PROFILE = posed(yaw=75.0, nose=0.0)


@pytest.mark.parametrize("seconds", [0.5, 2.0, 5.0])
def test_who_comes_nearer_slowly_has_come_nearer(seconds: float) -> None:
    run = challenge("approach")
    looks = round(seconds * 20)
    nearer = [(0.05, posed(scale=1.0 + 0.4 * number / looks)) for number in range(looks)]
    assert play(run, (0.3, STRAIGHT), *nearer, (0.3, posed(scale=1.4))).state == "passed"


def test_who_leans_back_and_comes_forward_again_has_not_come_nearer() -> None:
    run = challenge("approach")
    assert play(run, (0.3, STRAIGHT), (3.0, posed(scale=0.9)), (0.5, posed(scale=1.1))).state == "running"


def test_landmarks_of_no_head_tell_nothing() -> None:
    run = challenge("turn_left")
    play(run, (0.3, STRAIGHT), (0.05, LEFT))
    for number in range(20):
        run.update(0.35 + number / 20, PROFILE, OTHER)
    assert run.progress.state == "running"
    play(run, (0.1, LEFT), (0.2, STRAIGHT), start=1.4)
    assert run.progress.state == "passed"


def test_a_movement_counts_only_where_the_face_is_like_the_first() -> None:
    """Also where it is turned so far that being unlike does not make it another person's."""
    run = challenge("turn_left")
    play(run, (0.3, STRAIGHT))
    for number in range(20):
        run.update(0.3 + number / 20, posed(yaw=-50.0), OTHER)
    assert (run.progress.state, run.progress.asked) == ("running", "turn_left")


def test_a_picture_of_the_person_goes_nowhere() -> None:
    run = challenge("approach")
    assert play(run, (30.0, STRAIGHT)).state == "timeout"


def test_a_step_has_its_time() -> None:
    run = challenge("nod", limits=Limits(step_s=2.0))
    assert play(run, (0.3, STRAIGHT), (1.5, STRAIGHT)).state == "running"
    timed_out = play(run, (1.0, STRAIGHT), start=1.8)
    assert (timed_out.state, timed_out.reason) == ("timeout", None)


def test_all_steps_together_have_theirs() -> None:
    run = challenge("nod", "turn_left", limits=Limits(total_s=3.0))
    slow = play(run, (1.0, STRAIGHT), (1.0, posed("nod")), (0.9, STRAIGHT))
    assert (slow.state, slow.asked) == ("running", "turn_left")
    assert play(run, (0.5, LEFT), start=2.95).state == "timeout"


def test_nobody_may_leave_in_between() -> None:
    run = challenge("nod")
    assert play(run, (0.3, STRAIGHT), (1.9, None), (0.1, STRAIGHT)).state == "running"
    gone = play(run, (2.2, None), (0.1, STRAIGHT), start=2.3)
    assert (gone.state, gone.reason) == ("failed", "face_lost")


def test_nor_may_the_source_be_silent_for_so_long() -> None:
    run = challenge("nod")
    play(run, (0.3, STRAIGHT))
    assert run.update(5.0, STRAIGHT, SELF).reason == "face_lost"


def test_before_the_first_look_nobody_need_be_there() -> None:
    run = challenge("nod")
    assert play(run, (5.0, None), (0.3, STRAIGHT)).asked == "nod"


def test_another_person_fails_after_some_looks() -> None:
    run = challenge("nod")
    play(run, (0.3, STRAIGHT))
    for number, state in enumerate(("running", "running", "failed")):
        progress = run.update(0.4 + number / 20, STRAIGHT, OTHER)
        assert progress.state == state
    assert progress.reason == "identity_changed"


def test_turned_looks_do_not_outweigh_straight_ones_of_another_person() -> None:
    run = challenge("turn_left", "turn_right")
    play(run, (0.3, STRAIGHT))
    time = 0.3
    for _ in range(3):
        # Alike by the bound of turned looks; straight ones are compared by the stricter one.
        run.update(time, posed("turn_left"), turned(0.85))
        run.update(time + 0.05, STRAIGHT, turned(0.85))
        time += 0.1
    assert (run.progress.state, run.progress.reason) == ("failed", "identity_changed")


def test_a_head_that_rests_lowered_is_compared_too() -> None:
    run = challenge("turn_left", "turn_right")
    play(run, (0.3, STRAIGHT), (0.3, LEFT), (0.1, posed(pitch=15.0)))
    assert run.progress.asked == "turn_right"
    for number in range(3):
        run.update(0.8 + number / 20, posed(pitch=16.0), OTHER)
    assert run.progress.reason == "identity_changed"


def test_nobody_takes_over_a_pass_with_the_head_lowered() -> None:
    run = challenge("turn_left")
    assert play(run, (0.3, STRAIGHT), (0.3, LEFT), (0.3, STRAIGHT)).state == "passed"
    for number in range(200):
        run.update(1.0 + number / 20, posed(pitch=20.0), SELF if number == 150 else OTHER)
        assert run.progress.state == "passed"
    play(run, (0.1, STRAIGHT), start=11.0)
    for number in range(170):
        run.update(12.0 + number / 20, posed(pitch=20.0), OTHER)
    assert (run.progress.state, run.progress.reason) == ("failed", "identity_changed")


def test_one_blurred_look_is_not_another_person() -> None:
    run = challenge("nod")
    play(run, (0.3, STRAIGHT))
    for number in range(12):
        run.update(0.4 + number / 20, posed("nod"), OTHER if number % 5 == 0 else SELF)
    assert run.progress.steps[0].done_s is not None


def test_a_turned_head_may_be_less_like_the_first_look() -> None:
    run = challenge("turn_left")
    play(run, (0.3, STRAIGHT))
    for number in range(4):
        run.update(0.3 + number / 20, LEFT, turned(0.85))
    assert run.progress.steps[0].done_s is not None
    for number in range(3):
        run.update(0.5 + number / 20, STRAIGHT, turned(0.85))
    assert run.progress.reason == "identity_changed"


def test_a_step_without_a_vector_does_not_count() -> None:
    run = challenge("nod")
    for number in range(20):
        run.update(number / 20, STRAIGHT)
    assert run.progress.steps == ()
    run.update(1.0, STRAIGHT, SELF)
    assert len(run.progress.steps) == 1


def test_what_is_over_stays_over() -> None:
    run = challenge("nod")
    failed = play(run, (0.3, STRAIGHT), (0.3, LEFT))
    assert play(run, (1.0, posed("nod")), (1.0, STRAIGHT), start=1.0) == failed


@pytest.mark.parametrize("time_s", [0.9, float("nan")])
def test_a_clock_that_goes_back_is_an_error(time_s: float) -> None:
    run = challenge("nod")
    run.update(1.0, STRAIGHT, SELF)
    with pytest.raises(ValueError, match="time goes back"):
        run.update(time_s, STRAIGHT, SELF)


def test_a_challenge_has_a_step() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        challenge()
    with pytest.raises(ValueError, match="at least one step"):
        draw_actions(0)


def test_every_order_is_drawn_equally_often() -> None:
    generator = random.Random(3)
    counts = Counter(draw_actions(3, generator) for _ in range(7200))
    assert len(counts) == 4 * 3 * 3
    assert all(130 < count < 275 for count in counts.values())
    assert all(order[0] != order[1] != order[2] for order in counts)


def test_the_order_comes_from_secrets_unless_told_otherwise() -> None:
    random.seed(1)
    first = draw_actions(20)
    random.seed(1)
    assert draw_actions(20) != first
