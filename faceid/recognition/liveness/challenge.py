"""Liveness by challenge: a person performs a few requested movements in a random order.

The person looks straight, performs a movement, looks straight again, and so on; a straight look in passing is enough.
A wrong movement ends the challenge, so that a recording of all movements in some order is no better than a guess: of
`count` movements there are 4 * 3 ** (count - 1) orders. What counts as a movement when it is asked for counts as a
wrong one when another is. Only the movement before is neither: people nod twice, and so do recordings, of any order.

Each step counts only on a look that was compared with the first face, so that another person's movement counts for
nothing. The face must stay in the picture, and it is compared with the first one after a pass too. A copy that moves on
request (a puppet, a face swapped live into the stream) passes, and so do photos of one person in each of the poses,
shown one after the other.

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

_SOONER_S = 0.005
"""Frames come a little early or late."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts as which pose, and how long a person may take.

    Degrees, as in `HeadPose`. A straight look has at most `straight_yaw`, the first one also at most `front_pitch`. A
    head is turned from `turned_yaw` on. It nods where it is lowered by `nodded_down` from where it rested, or raised by
    `nodded_up`: people raise the chin a little when they turn. Half way back from a nod it is straight again, within
    `least_back` at least and `straight_pitch` at most, which also holds after other movements: people do not come back
    to the same posture. `approached`: times nearer than at rest. `misfit`: as in `HeadPose`. Beyond `alike_yaw`, and
    `alike_pitch` from both the first look and where the head rests, looks of one person may be as unlike as those of
    two.

    Seconds: `hold_s` a movement and the first straight look must last, with looks at most `pause_s` apart; `settle_s`
    in which the pose of rest follows a posture that changes; `step_s` for each step, `total_s` for all; `gap_s` without
    a face. `strangers` looks in a row that are unlike the first one are another person, straight and turned ones
    counted apart; a single one may be a blurred picture.

    The angles were measured (scripts/studies/check_head_turns.py): in clips of six people a straight head has up to 13
    degrees of yaw and a turned one 46 and more at its peak; postures differ by up to 12 within one clip, and nods are
    25 and more, but 17 in a webcam clip of a seventh person. The times are choices, but for `gap_s`: in the
    farthest positions the detector loses a face for up to 1.4 s.
    """

    straight_yaw: float = 16.0
    front_pitch: float = 25.0
    turned_yaw: float = 25.0
    straight_pitch: float = 20.0
    least_back: float = 8.0
    nodded_down: float = 13.0
    nodded_up: float = 25.0
    approached: float = 1.3
    misfit: float = 0.25
    alike_yaw: float = 40.0
    alike_pitch: float = 12.0
    hold_s: float = 0.1
    settle_s: float = 1.0
    step_s: float = 8.0
    total_s: float = 40.0
    gap_s: float = 2.0
    pause_s: float = 0.5
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
        self._rest: HeadPose | None = None
        self._excursion = 0.0
        self._straight_strangers = self._turned_strangers = 0
        self._unlike_s: float | None = None
        self._right = False

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
            if pose is not None and self._is_clear(pose):
                self._is_alike(pose, vector)
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
        if time_s - self._seen_s > limits.pause_s:
            # Two looks so far apart show nothing that lasted.
            self._holding_s = None
        if time_s - self._seen_s > limits.gap_s and self._first is not None:
            self._fail("face_lost")
            return
        if pose is None:
            self._holding_s = None
            return
        passed_s, self._seen_s = time_s - self._seen_s, time_s
        # In full profile landmarks are anywhere: such a look tells neither what the head does nor whose it is.
        if not self._is_clear(pose):
            return
        alike = vector is not None and self._is_alike(pose, vector)
        if self._turned_strangers if self._is_turned(pose) else self._straight_strangers:
            self._holding_s = None
        elif self._acting:
            self._follow_movement(time_s, passed_s, pose, alike=alike)
        else:
            self._follow_return(time_s, pose, vector, alike=alike)

    def _follow_movement(self, time_s: float, passed_s: float, pose: HeadPose, *, alike: bool) -> None:
        """Wait for the movement that was asked for."""
        shown = self._shown(pose)
        before = self._steps[-2].action if len(self._steps) > 1 else None
        # People nod twice, and turn a little farther before they hear what is asked next.
        if shown is None or shown == before:
            self._holding_s = None
            self._settle(pose, min(1.0, passed_s / self._limits.settle_s))
        elif shown != self._steps[-1].action:
            # As for a right one, a single odd look is not enough.
            if self._held(time_s, right=False):
                self._fail("wrong_action")
        elif self._held(time_s, right=True) and alike:
            self._steps[-1] = replace(self._steps[-1], done_s=time_s)
            self._holding_s, self._phase_s, self._excursion = None, time_s, 0.0

    def _follow_return(self, time_s: float, pose: HeadPose, vector: Vector | None, *, alike: bool) -> None:
        """Wait for a straight look: the first one, or that after a movement."""
        if not self._is_straight(pose):
            self._holding_s = None
        elif vector is None:
            self._held(time_s, right=True)
        elif self._first is None:
            if self._held(time_s, right=True):
                self._first = pose, vector
                self._ask_next(time_s, pose)
        elif alike and self._similarity(vector) >= self._least[0]:
            self._ask_next(time_s, pose)

    def _ask_next(self, time_s: float, rest: HeadPose) -> None:
        """Ask for the next movement of a head that rests in this pose, or pass."""
        self._holding_s, self._phase_s, self._rest = None, time_s, rest
        if len(self._steps) == len(self._actions):
            self._state = "passed"
        else:
            self._steps.append(Step(self._actions[len(self._steps)], time_s))

    def _shown(self, pose: HeadPose) -> Action | None:
        """What the head does, compared with where it rested; None for nothing, and on the way to a movement."""
        limits, rest = self._limits, self._rest
        assert rest is not None
        if abs(pose.yaw) >= limits.turned_yaw:
            return "turn_left" if pose.yaw < 0 else "turn_right"
        if abs(pose.yaw) > limits.straight_yaw:
            return None
        lowered = pose.pitch - rest.pitch
        if lowered >= limits.nodded_down or lowered <= -limits.nodded_up:
            return "nod"
        return "approach" if pose.nearness(rest) >= limits.approached else None

    def _is_straight(self, pose: HeadPose) -> bool:
        """Whether the head looks straight after what was asked last."""
        limits, rest = self._limits, self._rest
        if abs(pose.yaw) > limits.straight_yaw:
            return False
        if rest is None:
            return abs(pose.pitch) <= limits.front_pitch
        lowered = abs(pose.pitch - rest.pitch)
        if self._steps[-1].action != "nod":
            return lowered <= limits.straight_pitch
        self._excursion = max(self._excursion, lowered)
        return lowered <= min(max(self._excursion / 2, limits.least_back), limits.straight_pitch)

    def _settle(self, pose: HeadPose, share: float) -> None:
        """Move the pose of rest by a `share`, 0..1, of the way to the pose of a head that does nothing.

        It follows a head that moves back, not one that comes nearer: that is a movement, be it a slow one.
        """
        limits, rest = self._limits, self._rest
        assert rest is not None
        lowered = pose.pitch - rest.pitch
        if abs(pose.yaw) <= limits.straight_yaw and abs(lowered) <= limits.nodded_down / 2:
            self._rest = replace(
                rest,
                pitch=rest.pitch + share * lowered,
                eyes=rest.eyes + share * min(0.0, pose.eyes - rest.eyes),
                height=rest.height + share * min(0.0, pose.height - rest.height),
            )

    def _is_clear(self, pose: HeadPose) -> bool:
        return abs(pose.misfit) <= self._limits.misfit

    def _held(self, time_s: float, *, right: bool) -> bool:
        """Whether the pose has lasted; the wrong and the right one are counted apart."""
        if self._holding_s is None or self._right is not right:
            self._holding_s, self._right = time_s, right
        return time_s - self._holding_s >= self._limits.hold_s - _SOONER_S

    def _similarity(self, vector: Vector) -> float:
        assert self._first is not None
        return float(np.dot(vector, self._first[1]))

    def _is_alike(self, pose: HeadPose, vector: Vector) -> bool:
        """Whether the look is like the first, if there was one; fails where it has not been too often in a row.

        Looks so far from the front that one person's are unlike do not count, unless there are no others for as long as
        a step may take: after a pass nothing else ends that. A turned look, which is compared by a laxer bound, does
        not outweigh a straight one.
        """
        if self._first is None:
            return True
        limits, rest, turned = self._limits, self._rest, self._is_turned(pose)
        assert rest is not None
        if self._similarity(vector) >= self._least[turned]:
            self._turned_strangers, self._unlike_s = 0, None
            if not turned:
                self._straight_strangers = 0
            return True
        self._unlike_s = self._last_s if self._unlike_s is None else self._unlike_s
        if self._last_s - self._unlike_s > limits.step_s:
            self._fail("identity_changed")
        lowered = min(self._lowered(pose), abs(pose.pitch - rest.pitch))
        if abs(pose.yaw) <= limits.alike_yaw and lowered <= limits.alike_pitch:
            aside = abs(pose.yaw) > limits.straight_yaw
            self._straight_strangers += not aside
            self._turned_strangers += aside
            if limits.strangers in (self._straight_strangers, self._turned_strangers):
                self._fail("identity_changed")
        return False

    def _is_turned(self, pose: HeadPose) -> bool:
        """Whether a look counts as one that is not straight, when it is compared with the first."""
        return abs(pose.yaw) > self._limits.straight_yaw or self._lowered(pose) > self._limits.alike_pitch

    def _lowered(self, pose: HeadPose) -> float:
        """How far the head is raised or lowered since the first look, degrees."""
        return 0.0 if self._first is None else abs(pose.pitch - self._first[0].pitch)

    def _fail(self, reason: Reason) -> None:
        self._state, self._reason = "failed", reason
