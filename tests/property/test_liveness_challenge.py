"""Whatever a challenge is shown, it keeps its promises."""

from __future__ import annotations

import random

from hypothesis import assume, given
from hypothesis import strategies as st

from faceid.recognition.liveness.challenge import ACTIONS, Action, Challenge, Limits, Progress, draw_actions
from performers import OTHER, SELF, posed

SHOWN = ("look_straight", *ACTIONS, None)

orders = st.builds(
    lambda count, seed: draw_actions(count, random.Random(seed)), st.integers(1, 4), st.integers()
)


def challenge(actions: tuple[Action, ...]) -> Challenge:
    return Challenge(actions, least_similarity=0.9, least_turned_similarity=0.8)


def perform(
    run: Challenge, movements: tuple[str, ...], *, rate: float, scale: float, roll: float
) -> Progress:
    """Straight, a movement, straight, and so on, each for 0.6 seconds."""
    time = 0.0
    for movement in ("look_straight", *(part for name in movements for part in (name, "look_straight"))):
        face = posed(movement, scale=scale, roll=roll)
        for _ in range(max(3, round(0.6 * rate))):
            run.update(time, face, SELF)
            time += 1.0 / rate
    return run.progress


@given(actions=orders, rate=st.floats(5, 60), scale=st.floats(0.5, 4), roll=st.floats(-0.5, 0.5))
def test_whoever_does_as_asked_passes(
    actions: tuple[Action, ...], rate: float, scale: float, roll: float
) -> None:
    passed = perform(challenge(actions), actions, rate=rate, scale=scale, roll=roll)
    assert passed.state == "passed"
    assert tuple(step.action for step in passed.steps) == actions


@given(asked=orders, recorded=orders, rate=st.floats(5, 60))
def test_a_recording_of_another_order_never_passes(
    asked: tuple[Action, ...], recorded: tuple[Action, ...], rate: float
) -> None:
    assume(recorded[: len(asked)] != asked)
    assert perform(challenge(asked), recorded, rate=rate, scale=1.0, roll=0.0).state != "passed"


looks = st.lists(
    st.tuples(
        st.floats(0, 1.5),
        st.sampled_from(SHOWN),
        st.sampled_from(["self", "other", "none"]),
        st.integers(1, 6),
    ),
    max_size=40,
)


@given(actions=orders, looks=looks)
def test_promises(actions: tuple[Action, ...], looks: list[tuple[float, str | None, str, int]]) -> None:
    run, limits = challenge(actions), Limits()
    time, over = 0.0, None
    vectors = {"self": SELF, "other": OTHER, "none": None}
    for pause, shown, whose, repeats in looks:
        time += pause
        for _ in range(repeats):
            time += 0.06
            face = posed(shown) if shown is not None else None
            progress = run.update(time, face, vectors[whose])
            assert (progress.asked is None) == (progress.state != "running")
            assert (progress.reason is not None) == (progress.state == "failed")
            # Steps are asked for in order, one at a time.
            assert tuple(step.action for step in progress.steps) == actions[: len(progress.steps)]
            assert all(step.done_s is not None for step in progress.steps[:-1])
            moments = [moment for step in progress.steps for moment in (step.asked_s, step.done_s)]
            known = [moment for moment in moments if moment is not None]
            assert known == sorted(known)
            if over is not None and over.state == "passed" and progress.state == "failed":
                # A pass is lost to another person's face, and to nothing else.
                assert progress.reason == "identity_changed"
                assert whose != "none"
                over = progress
            if over is not None:
                assert progress == over
            elif progress.state != "running":
                over = progress
            if progress.state == "passed":
                assert len(progress.steps) == len(actions)
                assert progress.steps[-1].done_s is not None
            if over is progress and progress.state == "passed":
                # Who has come nearer may stay there.
                assert shown in ("look_straight", "approach")
                assert whose != "none"
                assert time - 0.06 <= limits.total_s + 1e-9
