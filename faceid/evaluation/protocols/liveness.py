"""Scores presentations and computes the rates of ISO/IEC 30107-3.

A photo has the score of its largest face. A clip is decided as in the live loop: its frames become tracks, and the rule
of `faceid.live.liveness.passive` judges the track with the most looks. Its score is the highest threshold at which that
track is ever accepted as live, so that the errors at every threshold can be computed afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from faceid.errors import InputError
from faceid.evaluation.data.presentation_files import Presentation
from faceid.evaluation.protocols.presentation import PresentationErrors, errors, threshold_at_apcer
from faceid.evaluation.statistics.intervals import Interval, clopper_pearson, rule_of_3
from faceid.imaging import read
from faceid.live.liveness.passive import clip_score
from faceid.live.source.addresses import VideoFile
from faceid.live.source.video import VideoReader
from faceid.live.tracking.cells import gray_of
from faceid.live.tracking.look_budget import LookBudget, LookCandidate
from faceid.live.tracking.tracks import Tracker
from faceid.recognition.align import align
from faceid.recognition.quality import assess

if TYPE_CHECKING:
    from faceid.ports.networks import Detector, LivenessDetector
    from faceid.types import Image

Reason: TypeAlias = Literal["no_face", "too_few_looks", "unreadable"]

ASKED = (0.05, 0.1)
"""The values of APCER at which BPCER is reported: the standard's BPCER20 and BPCER10."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One presentation with its score, 0..1, or the reason why it has none."""

    presentation: Presentation
    score: float | None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """`silent` of `count` presentations of one `kind` (None: live faces) got no answer: no face, or too few looks.

    `rate` is APNRR of attacks and BPNRR of live faces (non-response rates of ISO/IEC 30107-3).
    """

    kind: str | None
    count: int
    silent: int
    rate: Interval


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The lowest `threshold` that accepts no kind of attack as live more often than `apcer`, and BPCER there."""

    apcer: float
    threshold: float
    bpcer: Interval


@dataclass(frozen=True, slots=True)
class LivenessFindings:
    """The findings of an evaluation of liveness.

    `errors` are of the presentations that got an answer, `unanswered` has live faces first, then the kinds of attack.
    `unreadable` files count nowhere else. `suggestions` are those of ASKED that the number of attacks of each kind
    supports, by the rule of 3, and that a score of at most 1 can meet.
    """

    source: str
    errors: PresentationErrors
    worst: str
    acer: float
    unanswered: tuple[Unanswered, ...]
    unreadable: int
    suggestions: tuple[Suggestion, ...]


class Looker:
    """Scores photos and clips; `aligner` is that of the network that selects the looks of a clip."""

    def __init__(self, detector: Detector, liveness: LivenessDetector, aligner: str) -> None:
        self._detector, self._liveness, self._aligner = detector, liveness, aligner

    def scored(
        self, presentations: Sequence[Presentation], progress: Callable[[int, int], None] | None = None
    ) -> Iterator[Scored]:
        """The score of each presentation, in their order."""
        for done, one in enumerate(presentations, start=1):
            try:
                yield self._clip(one) if one.is_clip else self._photo(one)
            except InputError:
                yield Scored(one, None, "unreadable")
            if progress is not None:
                progress(done, len(presentations))

    def _photo(self, one: Presentation) -> Scored:
        score = self.largest(read(one.path))
        return Scored(one, score, "no_face" if score is None else None)

    def largest(self, image: Image) -> float | None:
        """The score of the largest face, None without one."""
        face = max(self._detector.detect([image])[0], key=lambda face: face.size, default=None)
        return None if face is None else float(self._liveness.scores(image, [face])[0])

    def _clip(self, one: Presentation) -> Scored:
        looks = max(self._looks(one.path).values(), key=len, default=[])
        score = clip_score(looks)
        return Scored(one, score, None if score is not None else "too_few_looks" if looks else "no_face")

    def _looks(self, path: str) -> dict[int, list[float]]:
        """Track -> the scores of the looks that the live loop would embed."""
        tracker, budget = Tracker(), LookBudget()
        looks: dict[int, list[float]] = {}
        for image, time_s in _frames(path):
            detect = partial(lambda image: self._detector.detect([image])[0], image)
            tracked = tracker.advance(gray_of(image.pixels), time_s, detect)
            budget.forget(track.number for track in tracked.ended)
            faces = {track.number: track.face for track in tracked.tracks if track.detected}
            glances = [
                LookCandidate(number, assess(image, face, align(image, face, self._aligner)).score)
                for number, face in faces.items()
            ]
            if chosen := budget.choose(glances, time_s):
                scores = self._liveness.scores(image, [faces[number] for number in chosen])
                for number, score in zip(chosen, scores.tolist(), strict=True):
                    looks.setdefault(number, []).append(score)
        return looks


def findings(source: str, scored: Iterable[Scored], threshold: float) -> LivenessFindings:
    """The error rates at `threshold`. Raises InputError (`no_face`) if no live face or no attack got a score."""
    everything = list(scored)
    readable = [one for one in everything if one.reason != "unreadable"]
    live = _scores(readable, None)
    kinds = sorted({one.presentation.kind for one in readable if one.presentation.kind is not None})
    attacks = {kind: scores for kind in kinds if (scores := _scores(readable, kind))}
    if not live or not attacks:
        raise InputError(
            f"in {source} no {'attack' if live else 'live face'} got a score",
            code="no_face",
            remedy="no_scored_presentation",
            path=source,
        )
    found = errors(live, attacks, threshold)
    return LivenessFindings(
        source,
        found,
        found.worst.kind,
        found.acer,
        tuple(_unanswered(readable, kind) for kind in (None, *kinds)),
        len(everything) - len(readable),
        tuple(_suggestions(live, attacks)),
    )


def _frames(path: str) -> Iterator[tuple[Image, float]]:
    reader = VideoReader(VideoFile(path))
    try:
        while (grabbed := reader.read()) is not None:
            yield grabbed.image, grabbed.media_s or 0.0
    finally:
        reader.close()


def _scores(scored: Iterable[Scored], kind: str | None) -> list[float]:
    return [one.score for one in scored if one.presentation.kind == kind and one.score is not None]


def _unanswered(scored: Sequence[Scored], kind: str | None) -> Unanswered:
    own = [one for one in scored if one.presentation.kind == kind]
    silent = sum(one.score is None for one in own)
    return Unanswered(kind, len(own), silent, clopper_pearson(silent, len(own)))


def _suggestions(live: list[float], attacks: dict[str, list[float]]) -> Iterator[Suggestion]:
    for most in ASKED:
        if all(rule_of_3(len(scores)) <= most for scores in attacks.values()):
            # Rounded up, so that the printed threshold still holds.
            threshold = math.ceil(threshold_at_apcer(attacks, most) * 1e6) / 1e6
            if threshold <= 1.0:
                yield Suggestion(most, threshold, errors(live, attacks, threshold).bpcer)
