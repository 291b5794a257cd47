"""One track's person: who the looks say it is, whether it is live, and what of that is to be told."""

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
"""Something to tell, and the word that says why, if any."""

_CONFIRMED = 2
"""Detections from which on a track is told of, if nothing is known of it sooner: one alone is hardly a face."""

_PATIENCE_S = 5.0
"""After so long without a decision a face is too poor for one, and no reason to look more often."""

_TOLD_AS: dict[State, EventKind] = {
    "named": "identified",
    "unknown": "unknown",
    "accepted": "accepted",
    "rejected": "rejected",
}


class Person:
    """What is known about one track besides where it is."""

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
        """Whether it was told of."""
        return self._appeared

    @property
    def outcome(self) -> Outcome:
        """Who it is, as far as that may be told.

        Nobody is named or accepted who is not known to be live, and a spoof of the claimed person is rejected.
        A stranger is one, live or not.
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
        """Whether the next look is worth more than others: the last one contradicts those before."""
        return self._evidence.outcome.doubted

    @property
    def challengeable(self) -> bool:
        """Whether it is, by its looks, somebody who may be asked to move, and whose challenge is not over."""
        if self._check is None or self.liveness is None or not self._check.every_look:
            return False
        known = self._evidence.outcome.looks >= self._least_looks
        return known and self.liveness.state != "live" and self._evidence.outcome.name is not None

    @property
    def candidate(self) -> str | None:
        """Who its looks say it is, live or not."""
        return self._evidence.outcome.name

    @property
    def trying(self) -> bool:
        """Whether it was asked for a movement, and has neither passed nor failed."""
        return self._moving and self.liveness is not None and self.liveness.state == "checking"

    @property
    def challenged(self) -> bool:
        """Whether it is being asked to move."""
        return self.liveness is not None and self.liveness.asked is not None

    def is_deciding(self, time_s: float) -> bool:
        """Whether more looks soon would tell something."""
        if self._spoof or self._began_s is None or time_s - self._began_s > _PATIENCE_S:
            return self.challengeable
        return self.outcome.state == "undecided"

    def detect(self, time_s: float) -> None:
        """It was detected in a frame."""
        self._began_s = time_s if self._began_s is None else self._began_s
        self._detections += 1

    def look(self, image: Image, face: Face, vector: Vector, quality: float, time_s: float) -> None:
        """Take in a frame in which it was detected and embedded; `vector` is (d,), `quality` 0..1."""
        before = self._evidence.outcome
        after = self._evidence.look(vector, quality, time_s)
        if after.changes > before.changes and self._make_check is not None:
            # Somebody else is there now, of whom nothing is known.
            self._check, self.liveness, self._spoof = self._make_check(), Liveness("checking"), False
            self._asked, self._moving = None, False
        if self._check is None or self._check.every_look:
            return
        # Whose look contradicts the others is not known: it makes nobody live.
        if not after.doubted or (self.liveness is not None and self.liveness.state == "live"):
            self.liveness = self._check.look(image, face, vector, time_s)

    def challenge(
        self, image: Image, face: Face | None, vector: Vector | None, quality: float, time_s: float
    ) -> None:
        """Take in a frame while it is asked to move: not evidence of who it is, for turned faces look unlike.

        Up to the first movement one that contradicts the looks before is: who begins the challenge, and is compared
        with from then on, must be who was named.
        """
        assert self._check is not None
        if (
            face is not None
            and vector is not None
            and not self._moving
            and self._evidence.contradicted_by(vector)
        ):
            self.look(image, face, vector, quality, time_s)
            return
        self.liveness = self._check.look(image, face, vector, time_s)
        self._moving = self._moving or self.liveness.asked not in (None, "look_straight")

    def news(self) -> list[News]:
        """What is known now and was not told before."""
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
                # Should it turn out to be live after all, its name is news again.
                if self._told[1] is not None:
                    self._told = ("undecided", None)
        return told
