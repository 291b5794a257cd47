"""The state of one track: the decision about its identity, its liveness, and the events to report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from faceid.live.decision.evidence import Evidence, Outcome, State
from faceid.live.events import EventKind
from faceid.live.liveness.state import Liveness, LivenessCheck

if TYPE_CHECKING:
    from faceid.types import Face, Image, Vector

News: TypeAlias = tuple[EventKind, str | None]
"""An event to report, and its reason, if any."""

_CONFIRMED = 2
"""Detections after which an undecided track is reported: a single detection is often no face."""

_PATIENCE_S = 5.0
"""Seconds without a decision after which a face is too poor for one: it no longer speeds up detection."""

_TOLD_AS: dict[State, EventKind] = {
    "named": "identified",
    "unknown": "unknown",
    "accepted": "accepted",
    "rejected": "rejected",
}


class Person:
    """Everything about one track except its position."""

    def __init__(
        self, begin: Callable[[], Evidence], check: Callable[[], LivenessCheck] | None, *, least_looks: int
    ) -> None:
        """See `faceid.live.watch.Watch`."""
        self._evidence, self._make_check, self._least_looks = begin(), check, least_looks
        self._check = None if check is None else check()
        self._began_s: float | None = None
        self._detections = 0
        self._told: tuple[State, str | None] = ("undecided", None)
        self._appeared = self._spoof = False
        self._asked: str | None = None
        self._moving = False
        self.liveness = None if check is None else Liveness("checking")

    @property
    def appeared(self) -> bool:
        """Whether the `appeared` event was reported."""
        return self._appeared

    @property
    def outcome(self) -> Outcome:
        """The decision that may be reported.

        With a liveness check, a track is named or accepted only while it is live, and a spoof of the claimed person is
        rejected. `unknown` and `rejected` do not depend on liveness.
        """
        outcome = self._evidence.outcome
        if outcome.looks < self._least_looks:
            return replace(outcome, state="undecided", name=None)
        if self.liveness is None or self.liveness.state == "live" or outcome.state in ("unknown", "rejected"):
            return outcome
        refused = self.liveness.state == "spoof" and outcome.state == "accepted"
        return replace(outcome, state="rejected" if refused else "undecided", name=None)

    @property
    def doubted(self) -> bool:
        """Whether the last look contradicts those before it, so that the next look matters more."""
        return self._evidence.outcome.doubted

    @property
    def challengeable(self) -> bool:
        """Whether the looks name an identity, and its challenge is not over."""
        if self._check is None or self.liveness is None or not self._check.every_detection:
            return False
        known = self._evidence.outcome.looks >= self._least_looks
        return known and self.liveness.state != "live" and self._evidence.outcome.name is not None

    @property
    def candidate(self) -> str | None:
        """The identity that the looks name, whether or not it is live."""
        return self._evidence.outcome.name

    @property
    def trying(self) -> bool:
        """Whether the challenge has asked for a movement, and is neither passed nor failed."""
        return self._moving and self.liveness is not None and self.liveness.state == "checking"

    @property
    def challenged(self) -> bool:
        """Whether the challenge is asking for something now."""
        return self.liveness is not None and self.liveness.asked is not None

    def is_deciding(self, time_s: float) -> bool:
        """Whether more looks soon could lead to a decision."""
        if self._spoof or self._began_s is None or time_s - self._began_s > _PATIENCE_S:
            return self.challengeable
        return self.outcome.state == "undecided"

    def detect(self, time_s: float) -> None:
        """Count a detection in a frame."""
        self._began_s = time_s if self._began_s is None else self._began_s
        self._detections += 1

    def add_look(self, image: Image, face: Face, vector: Vector, quality: float, time_s: float) -> None:
        """Add a look: a frame in which the face was detected and embedded; `vector` is (d,), `quality` 0..1."""
        before = self._evidence.outcome
        after = self._evidence.add_look(vector, quality, time_s)
        if after.changes > before.changes and self._make_check is not None:
            # Another person is in the track now: liveness starts again.
            self._check, self.liveness, self._spoof = self._make_check(), Liveness("checking"), False
            self._asked, self._moving = None, False
        if self._check is None or self._check.every_detection:
            return
        # A look that contradicts the others may be of another person: it must not make this one live.
        if not after.doubted or (self.liveness is not None and self.liveness.state == "live"):
            self.liveness = self._check.update(image, face, vector, time_s)

    def challenge(
        self, image: Image, face: Face | None, vector: Vector | None, quality: float, time_s: float
    ) -> None:
        """Process a frame during a challenge. It is no look: turned faces are too unlike frontal ones.

        Before the first movement, a frame that contradicts the looks counts as a look: the person who begins the
        challenge, and with whom later frames are compared, must be the named one.
        """
        assert self._check is not None
        if (
            face is not None
            and vector is not None
            and not self._moving
            and self._evidence.contradicted_by(vector)
        ):
            self.add_look(image, face, vector, quality, time_s)
            return
        self.liveness = self._check.update(image, face, vector, time_s)
        self._moving = self._moving or self.liveness.asked not in (None, "look_straight")

    def news(self) -> list[News]:
        """The events that were not reported before."""
        told: list[News] = []
        outcome = self.outcome
        if not self._appeared and (self._detections >= _CONFIRMED or outcome.state != "undecided"):
            self._appeared = True
            told.append(("appeared", None))
        if self.liveness is not None:
            told += self._news_of(self.liveness)
        now = outcome.state, outcome.name
        if outcome.state != "undecided" and now != self._told:
            self._told = now
            told.append((_TOLD_AS[outcome.state], "spoof" if self._spoof else None))
        return told

    def _news_of(self, liveness: Liveness) -> list[News]:
        told: list[News] = []
        if liveness.asked is not None and liveness.asked != self._asked:
            told.append(("challenge", liveness.asked))
        self._asked = liveness.asked
        if (liveness.state == "spoof") is not self._spoof:
            self._spoof = not self._spoof
            if self._spoof:
                told.append(("spoof", liveness.reason))
                # If the track becomes live after all, its name is reported again.
                if self._told[1] is not None:
                    self._told = ("undecided", None)
        return told
