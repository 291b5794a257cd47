"""Processes the frames of one source: tracks faces, embeds them as the budget allows, and decides.

This module holds the steps of one frame: track -> align -> choose -> embed -> weigh evidence -> report. It knows
neither the source of the frames nor the consumer of the results.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from faceid.live.decision.evidence import Evidence
from faceid.live.decision.person import Person
from faceid.live.events import EventKind, LiveEvent
from faceid.live.liveness.challenge_lockout import ChallengeLockout
from faceid.live.liveness.state import LivenessCheck
from faceid.live.tracking.cells import gray_of
from faceid.live.tracking.look_budget import EAGER, LookBudget, LookCandidate
from faceid.live.tracking.pace import Intervals, Pace
from faceid.live.tracking.tracks import Track, Tracker
from faceid.live.view import Moment, Shown, View
from faceid.recognition.align import align
from faceid.recognition.pipeline import Observation
from faceid.recognition.quality import assess

if TYPE_CHECKING:
    from faceid.live.source.stream import Frame
    from faceid.ports.networks import Detector, Embedder
    from faceid.types import Box, Face, Vector

_FPS_OVER_S = 2.0


@dataclass(slots=True)
class Counts:
    """How many frames, detections and looks a watch has processed."""

    frames: int = 0
    detections: int = 0
    looks: int = 0


class Watch:
    """Processes the frames of one source, in order. One thread at a time may use it."""

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder,
        begin: Callable[[], Evidence],
        *,
        claim: str | None = None,
        check: Callable[[], LivenessCheck] | None = None,
        least_looks: int = 1,
        hurried: bool = False,
        intervals: Intervals | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """The watch calls `begin` and `check` for every new track, so each track follows the policy that is active
        then.

        A decision needs at least `least_looks` looks. `hurried` is true for a source that does not wait, such as a
        camera: then a longer pause follows a slow detection. `clock` returns seconds.
        """
        self._detector, self._embedder = detector, embedder
        self._begin, self._check, self._least_looks = begin, check, least_looks
        self._claim, self._hurried, self._clock = claim, hurried, clock
        self._tracker, self._budget, self._pace = (
            Tracker(),
            LookBudget(eager=max(EAGER, least_looks)),
            Pace(intervals),
        )
        self._people: dict[int, Person] = {}
        self._lockout = ChallengeLockout()
        self._looked_at: deque[float] = deque()
        self.counts = Counts()

    def process(self, frame: Frame) -> Moment:
        """Process the next frame. Raises ModelError, and GalleryError from the search for candidates."""
        gray, time_s = gray_of(frame.image.pixels), frame.time_s
        self.counts.frames += 1
        deciding = sum(person.is_deciding(time_s) for person in self._people.values())
        due = self._pace.due(gray, time_s, faces=len(self._people), undecided=deciding)
        awaited = {number for number, person in self._people.items() if person.challenged}
        tracked = self._tracker.advance(gray, time_s, lambda: self._detect(frame), due=due, awaited=awaited)
        events = self._ended(tracked.ended, frame)
        for track in tracked.tracks:
            if track.number not in self._people:
                self._people[track.number] = Person(self._begin, self._check, least_looks=self._least_looks)
            if track.detected:
                self._people[track.number].detect(time_s)
        self._embed(frame, tracked.tracks, detected=tracked.detected)
        for track in tracked.tracks:
            for kind, reason in self._people[track.number].news():
                events.append(self._event(kind, frame, track.number, track.box, reason))
        shown = tuple(
            Shown(track, self._people[track.number].outcome, self._people[track.number].liveness)
            for track in tracked.tracks
        )
        deciding = sum(one.outcome.state == "undecided" for one in shown)
        return Moment(View(frame, shown, self._claim, self._fps()), tuple(events), deciding)

    def interrupted(self, frame: Frame) -> list[LiveEvent]:
        """End all tracks: the source was lost or ended after `frame`. Returns their `left` events."""
        self._tracker.reset()
        self._pace.reset()
        self._looked_at.clear()
        events = []
        for number in sorted(self._people):
            events += self._gone(number, frame)
        return events

    def _detect(self, frame: Frame) -> Sequence[Face]:
        began = self._clock()
        (faces,) = self._detector.detect([frame.image])
        self._pace.detected(frame.time_s, self._clock() - began if self._hurried else 0.0)
        self.counts.detections += 1
        return faces

    def _ended(self, tracks: Sequence[Track], frame: Frame) -> list[LiveEvent]:
        return [event for track in tracks for event in self._gone(track.number, frame)]

    def _gone(self, number: int, frame: Frame) -> list[LiveEvent]:
        event = self._event("left", frame, number)
        self._budget.forget([number])
        person = self._people.pop(number)
        if person.trying and person.candidate is not None:
            self._lockout.failed(person.candidate, frame.time_s)
        return [event] if person.appeared else []

    def _embed(self, frame: Frame, tracks: Sequence[Track], *, detected: bool) -> None:
        """Embed the faces that the budget allows, and the face that a challenge is running for."""
        image, time_s = frame.image, frame.time_s
        model = self._embedder.model
        observed: dict[int, Observation] = {}
        for track in tracks:
            if track.detected:
                crop = align(image, track.face, model.aligner)
                observed[track.number] = Observation(track.face, crop, assess(image, track.face, crop))
        challenged = self._challenged(tracks, time_s)
        candidates = [
            LookCandidate(number, one.quality.score if one.comparable else 0.0)
            for number, one in observed.items()
            if number != challenged
        ]
        chosen = self._budget.choose(candidates, time_s)
        wanted = chosen if challenged not in observed else [challenged, *chosen]
        vectors = self._embedder.embed([observed[number].crop for number in wanted]) if wanted else ()
        self.counts.looks += len(wanted)
        for number, vector in zip(wanted, vectors, strict=True):
            person, one = self._people[number], observed[number]
            if number == challenged:
                self._challenge(frame, person, one.face, vector, one.quality.score)
                continue
            before = person.outcome.state
            person.add_look(image, one.face, vector, one.quality.score, time_s)
            if person.doubted or (before != "undecided" and person.outcome.state == "undecided"):
                self._budget.renew(number)
        if challenged is not None and challenged not in observed and detected:
            self._challenge(frame, self._people[challenged], None, None, 0.0)

    def _challenge(
        self, frame: Frame, person: Person, face: Face | None, vector: Vector | None, quality: float
    ) -> None:
        name, trying = person.candidate, person.trying
        person.challenge(frame.image, face, vector, quality, frame.time_s)
        if name is not None and trying and not person.trying and person.liveness is not None:
            if person.liveness.state == "live":
                self._lockout.passed(name)
            else:
                self._lockout.failed(name, frame.time_s)

    def _challenged(self, tracks: Sequence[Track], time_s: float) -> int | None:
        """The track to challenge: one at a time, the largest face; None while the lockout of its name lasts."""
        asked = [track for track in tracks if self._may_be_challenged(self._people[track.number], time_s)]
        running = [track for track in asked if self._people[track.number].challenged]
        return max(running or asked, key=lambda track: track.face.size).number if asked else None

    def _may_be_challenged(self, person: Person, time_s: float) -> bool:
        name = person.candidate
        if not person.challengeable or name is None:
            return False
        return person.challenged or self._lockout.allows(name, time_s)

    def _event(
        self,
        kind: EventKind,
        frame: Frame,
        number: int,
        box: Box | None = None,
        reason: str | None = None,
    ) -> LiveEvent:
        person = self._people[number]
        outcome, liveness = person.outcome, person.liveness
        return LiveEvent(
            kind,
            utc_now(),
            round(frame.time_s, 3),
            frame.number,
            number,
            outcome.name,
            outcome.distance,
            outcome.threshold,
            outcome.fmr,
            outcome.fmr_alike,
            outcome.looks,
            None if liveness is None else liveness.score,
            box,
            reason,
        )

    def _fps(self) -> float:
        """Frames processed per second, over the last two seconds; 0 before the second frame."""
        now = self._clock()
        self._looked_at.append(now)
        while now - self._looked_at[0] > _FPS_OVER_S and len(self._looked_at) > 2:
            self._looked_at.popleft()
        past = now - self._looked_at[0]
        return (len(self._looked_at) - 1) / past if past > 0.0 else 0.0


def utc_now() -> str:
    """ISO 8601, UTC, milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
