"""Liveness by challenge: a person performs a few requested movements in a random order.

The person looks straight, performs a movement, looks straight again, and so on. A wrong movement ends the challenge, so
that a recording of all movements in some order is no better than a guess: of `count` movements there are
4 * 3 ** (count - 1) orders. Each step counts only on a look that was compared with the first face. The face must stay
in the picture, and it is compared with the first one after a pass too. A copy that moves on request (a puppet, a face
swapped live into the stream) passes.

Pure: the times, faces and vectors come from the caller, the order from its generator.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from faceid.recognition.liveness.pose import HeadPose, head_pose
from faceid.types import Face

if TYPE_CHECKING:
    from faceid.types import Vector

Action: TypeAlias = Literal["turn_left", "turn_right", "nod", "approach"]
"""What can be asked for. Left and right are those of the picture as the camera gives it, to which the nose goes:
in a picture that is not mirrored, the left is the person's own right."""

State: TypeAlias = Literal["running", "passed", "failed", "timeout"]

Reason: TypeAlias = Literal["wrong_action", "face_lost", "identity_changed"]

ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as which pose, and how long a person may take.

    Of `HeadPose`: `straight_yaw` and `straight_pitch` (this far from the first look's), `straight_nearness` (times
    more or less), `turned_yaw`, `nodded_pitch` (this much more than the first look's), `approached` (times nearer).
    Seconds: `hold_s` a pose must last, `step_s` for each step, `total_s` for all, `gap_s` without a face. `strangers`
    consecutive looks unlike the first one are another person; a single one may be a blurred picture.

    The angles are measured (`faceid.recognition.liveness.pose`); in a webcam clip a nod moves `pitch` by 0.11 to 0.15
    and coming nearer reaches 1.4. The times are choices.
    """

    straight_yaw: float = 0.12
    straight_pitch: float = 0.08
    straight_nearness: float = 1.15
    turned_yaw: float = 0.22
    nodded_pitch: float = 0.10
    approached: float = 1.3
    hold_s: float = 0.1
    step_s: float = 8.0
    total_s: float = 40.0
    gap_s: float = 1.0
    strangers: int = 3


@dataclass(frozen=True, slots=True)
class Step:
    """A movement that was asked for at `asked_s` and, unless it is None, done at `done_s`."""

    action: Action
    asked_s: float
    done_s: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a challenge stands: `asked` is what to do now, None where it is over; `reason` says why it failed.

    `steps` are the requested ones so far; later ones stay secret.
    """

    state: State
    asked: Action | Literal["look_straight"] | None
    reason: Reason | None
    steps: tuple[Step, ...]


def draw_actions(count: int, generator: random.Random | None = None) -> tuple[Action, ...]:
    """`count` movements, none twice in a row, all orders equally likely; from `secrets` unless told otherwise."""
    if count < 1:
        raise ValueError(f"a challenge has at least one step, not {count}")
    source = generator or secrets.SystemRandom()
    drawn: list[Action] = []
    for _ in range(count):
        drawn.append(source.choice([action for action in ACTIONS if action not in drawn[-1:]]))
    return tuple(drawn)


class Challenge:
    """One challenge to one person: call `look` with every picture until it is no longer `running`.

    `least_similarity` is the cosine that a vector of the person looking straight must have with the first one,
    `least_turned_similarity` that of one who is not: profiles are less like their front.
    """

    def __init__(
        self,
        actions: Sequence[Action],
        *,
        least_similarity: float,
        least_turned_similarity: float,
        limits: Limits | None = None,
    ) -> None:
        if not actions:
            raise ValueError("a challenge has at least one step")
        self._actions = tuple(actions)
        self._least = (least_similarity, least_turned_similarity)
        self._limits = limits or Limits()
        self._steps: list[Step] = []
        self._state: State = "running"
        self._reason: Reason | None = None
        self._began_s: float | None = None
        self._phase_s = self._seen_s = self._last_s = 0.0
        self._holding_s: float | None = None
        self._first: tuple[HeadPose, Vector] | None = None
        self._strangers = 0
        self._straight = False

    @property
    def progress(self) -> Progress:
        """Where it stands after the last look."""
        asked: Action | Literal["look_straight"] | None = None
        if self._state == "running":
            asked = self._steps[-1].action if self._acting else "look_straight"
        return Progress(self._state, asked, self._reason, tuple(self._steps))

    def update(self, time_s: float, face: Face | None, vector: Vector | None = None) -> Progress:
        """Take in one picture: the face in it, None where there is none, and its unit vector (d,) where it was made.

        Once over, nothing changes any more, but that a pass is lost to another person's face: the looks go on being
        compared with the first, without limits of time. Raises ValueError where `time_s` goes back: a clock that
        does can not be trusted with timeouts.
        """
        if self._began_s is None:
            self._began_s = self._phase_s = self._seen_s = self._last_s = time_s
        if not time_s >= self._last_s:
            raise ValueError(f"time goes back from {self._last_s} to {time_s}")
        self._last_s = time_s
        if self._state == "running":
            self._advance(time_s, face, vector)
        elif self._state == "passed" and face is not None and vector is not None:
            pose = head_pose(face.landmarks)
            if pose is not None:
                self._is_other(vector, self._shown(pose))
        return self.progress

    @property
    def _acting(self) -> bool:
        """Whether a movement is asked for, rather than to look straight."""
        return bool(self._steps) and self._steps[-1].done_s is None

    def _advance(self, time_s: float, face: Face | None, vector: Vector | None) -> None:
        limits = self._limits
        assert self._began_s is not None
        if time_s - self._began_s > limits.total_s or time_s - self._phase_s > limits.step_s:
            self._state = "timeout"
            return
        pose = head_pose(face.landmarks) if face is not None else None
        if time_s - self._seen_s > limits.gap_s:
            # Two looks so far apart show nothing that lasted.
            self._holding_s = None
            if self._first is not None:
                self._fail("face_lost")
                return
        if pose is None:
            self._holding_s = None
            return
        self._seen_s = time_s
        shown = self._shown(pose)
        if vector is not None and self._first is not None and self._is_other(vector, shown):
            return
        if shown is not None and self._acting and shown not in ("look_straight", self._steps[-1].action):
            # As for a right one, a single odd look is not enough.
            if self._held(time_s, right=False):
                self._fail("wrong_action")
            return
        wanted = self._steps[-1].action if self._acting else "look_straight"
        if shown != wanted:
            self._holding_s = None
        elif self._held(time_s, right=True) and vector is not None and not self._strangers:
            self._complete(time_s, pose, vector)

    def _shown(self, pose: HeadPose) -> Action | Literal["look_straight"] | None:
        """What the head does, compared with the first look; None on the way from one to the other."""
        limits = self._limits
        if abs(pose.yaw) >= limits.turned_yaw:
            return "turn_left" if pose.yaw < 0 else "turn_right"
        if abs(pose.yaw) > limits.straight_yaw:
            return None
        if self._first is None:
            return "look_straight"
        first = self._first[0]
        nearness = pose.nearness(first)
        if nearness >= limits.approached:
            return "approach"
        if pose.pitch - first.pitch >= limits.nodded_pitch:
            return "nod"
        level = abs(pose.pitch - first.pitch) <= limits.straight_pitch
        near = 1.0 / limits.straight_nearness <= nearness <= limits.straight_nearness
        return "look_straight" if level and near else None

    def _held(self, time_s: float, *, right: bool) -> bool:
        """Whether the pose has lasted; the wrong and the right one are counted apart."""
        if self._holding_s is None or self._straight is not right:
            self._holding_s, self._straight = time_s, right
        return time_s - self._holding_s >= self._limits.hold_s

    def _is_other(self, vector: Vector, shown: str | None) -> bool:
        """Whether the look is unlike the first; fails where that has been so too often in a row."""
        assert self._first is not None
        similarity = float(np.dot(vector, self._first[1]))
        if similarity >= self._least[shown != "look_straight"]:
            self._strangers = 0
            return False
        self._strangers += 1
        self._holding_s = None
        if self._strangers >= self._limits.strangers:
            self._fail("identity_changed")
        return True

    def _complete(self, time_s: float, pose: HeadPose, vector: Vector) -> None:
        """What was asked for is done: ask for the next, or pass."""
        if self._first is None:
            self._first = pose, vector
        self._holding_s, self._phase_s = None, time_s
        if self._acting:
            self._steps[-1] = replace(self._steps[-1], done_s=time_s)
        elif len(self._steps) == len(self._actions):
            self._state = "passed"
        else:
            self._steps.append(Step(self._actions[len(self._steps)], time_s))

    def _fail(self, reason: Reason) -> None:
        self._state, self._reason = "failed", reason
