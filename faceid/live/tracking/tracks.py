"""Joins the faces of single frames into tracks: the same face from frame to frame, without its identity.

The detector runs on every n-th frame; in between, optical flow follows faces, and a face that it loses is extrapolated
from its motion. A detected face belongs to the track whose predicted landmarks are nearest, in faces. All tracks end at
a hard cut, and a track ends if its face jumps or changes its size: the face there is a new track. A track has no
identity. If two people change places between two detections, their embeddings show it
(`faceid.live.decision.evidence`): over 818 pairs of looks three frames apart the correlation of aligned faces fell to
0.09 in one person, where between two people it was 0.32 in the middle.

No tracker library is used: the maintained ones need SciPy and more, and track boxes without landmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from faceid.live.tracking.cuts import CutDetector
from faceid.live.tracking.follow import follow
from faceid.types import Face

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.types import Box

    Floats = NDArray[np.float32]

Detect: TypeAlias = Callable[[], Sequence[Face]]
"""Finds the faces of the current frame."""


@dataclass(frozen=True, slots=True)
class Tracking:
    """How faces become tracks.

    Every `interval`-th frame is detected. A face belongs to a track if its landmarks lie on average within `reach`
    faces of where they were expected and it is at most `growth` times larger or smaller. In 818 pairs of detections
    three frames apart, of 34 clips at 12 to 30 frames a second, landmarks had moved by 0.02 faces (median), 0.25 (99
    %), 0.52 (most) and sizes changed 1.22 times at most; the nearest other face was 0.98 away. A track ends after
    `patience_s` seconds without a detection, one that is waited for after `longest_s`: in clips of six people who turn
    and nod as far as they can the detector loses two of them, for 0.8 and 1.4 s.
    """

    interval: int = 3
    reach: float = 0.7
    growth: float = 1.5
    patience_s: float = 0.5
    longest_s: float = 2.0

    def __post_init__(self) -> None:
        times = 0.0 <= self.patience_s <= self.longest_s
        if self.interval < 1 or self.reach <= 0.0 or self.growth <= 1.0 or not times:
            raise ValueError(f"no way of tracking: {self}")


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One face as followed up to a frame.

    `box` and `landmarks` (5, 2) float32 are those of this frame, in pixels, as in `Face`; `score` is that of the last
    detection. `number` is never used again by the same tracker. `frames` counts those since the track began, this one
    included; `began_s` and `seen_s` are the times of its first and its last detection. `detected` means that the
    detector found it in this frame: a face that was only followed is not worth embedding. `sighted` is false if it was
    neither detected nor followed: its place is then extrapolated.
    """

    number: int
    box: Box
    landmarks: Floats
    score: float
    began_s: float
    seen_s: float
    frames: int = 1
    detected: bool = True
    sighted: bool = True
    velocity: tuple[float, float] = (0.0, 0.0)
    """Pixels a second."""

    @property
    def face(self) -> Face:
        """The face in this frame."""
        return Face(self.box, self.landmarks, self.score)


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """The result of a frame: the tracks it shows, left to right, and the tracks that ended before it.

    `cut` means that a hard cut lies before it, `detected` that the detector ran on it.
    """

    tracks: tuple[Track, ...]
    ended: tuple[Track, ...]
    cut: bool
    detected: bool


class Tracker:
    """Makes tracks from the frames of one source, given in order. One thread at a time may use it."""

    def __init__(self, tracking: Tracking | None = None) -> None:
        self._tracking = Tracking() if tracking is None else tracking
        self._numbers = count(1)
        self.reset()

    def reset(self) -> None:
        """Forget the earlier frames, as after the loss of a source. Numbers continue."""
        self._cuts = CutDetector()
        self._before: NDArray[np.uint8] | None = None
        self._time_s = 0.0
        self._since_detection = 0
        self._tracks: tuple[Track, ...] = ()

    def advance(
        self,
        gray: NDArray[np.uint8],
        time_s: float,
        detect: Detect,
        *,
        due: bool | None = None,
        awaited: Container[int] = (),
    ) -> Tracked:
        """The tracks in the next frame, (H, W) uint8, at `time_s`, which must not go back (ValueError).

        The tracks with numbers in `awaited` end later than others if they are not detected, and at a cut only if the
        scene is another one: the caller compares every look of theirs.

        `detect` is called at most once: for the first frame, at a cut, where a face was lost, and every `interval`-th
        frame or, if the caller controls the pace, when a detection is `due`.
        """
        if self._before is not None and time_s < self._time_s:
            raise ValueError(f"time went back from {self._time_s:g} s to {time_s:g} s")
        cut = self._cuts.is_cut(gray)
        known = self._tracks
        if cut:
            kept = awaited if self._cuts.is_same_scene else ()
            known = tuple(track for track in known if track.number in kept)
        expected, lost = self._expected(known, gray, time_s)
        self._since_detection += 1
        due = self._since_detection >= self._tracking.interval if due is None else due
        wanted = self._before is None or cut or lost or due
        tracks = self._matched(expected, detect(), time_s) if wanted else expected
        limits = self._tracking
        tracks = tuple(
            track
            for track in tracks
            if time_s - track.seen_s <= (limits.longest_s if track.number in awaited else limits.patience_s)
        )
        if wanted:
            self._since_detection = 0
        going_on = {track.number for track in tracks}
        ended = tuple(track for track in self._tracks if track.number not in going_on)
        self._before, self._time_s = gray, time_s
        self._tracks = tuple(sorted(tracks, key=lambda track: (track.box[:2], track.number)))
        return Tracked(self._tracks, ended, cut, wanted)

    def _expected(
        self, tracks: Sequence[Track], gray: NDArray[np.uint8], time_s: float
    ) -> tuple[tuple[Track, ...], bool]:
        """The tracks at their expected places, and whether flow lost one that was in sight."""
        expected, lost = [], False
        gap = time_s - self._time_s
        for track in tracks:
            found = None if self._before is None else follow(self._before, gray, track.box, track.landmarks)
            if found is None:
                # A track that was out of sight a frame ago is not worth another detection.
                lost = lost or track.sighted
                # One that is out of sight for long is waited for where it went.
                moving_s = gap if time_s - track.seen_s <= self._tracking.patience_s else 0.0
                shift = (track.velocity[0] * moving_s, track.velocity[1] * moving_s)
                box = track.box
                box = (box[0] + shift[0], box[1] + shift[1], box[2] + shift[0], box[3] + shift[1])
                place = box, (track.landmarks + np.array(shift)).astype(np.float32)
            else:
                place = found
            expected.append(
                replace(
                    track,
                    box=place[0],
                    landmarks=place[1],
                    frames=track.frames + 1,
                    detected=False,
                    sighted=found is not None,
                )
            )
        return tuple(expected), lost

    def _matched(self, expected: Sequence[Track], faces: Sequence[Face], time_s: float) -> tuple[Track, ...]:
        pairs = _assigned(expected, faces, self._tracking)
        before = {track.number: track for track in self._tracks}
        tracks = []
        for place, track in enumerate(expected):
            if place in pairs:
                face = faces[pairs[place]]
                velocity = _velocity(before[track.number], face, time_s - self._time_s)
                track = replace(
                    track,
                    box=face.box,
                    landmarks=face.landmarks,
                    score=face.score,
                    seen_s=time_s,
                    detected=True,
                    sighted=True,
                    velocity=velocity,
                )
            tracks.append(track)
        taken = set(pairs.values())
        # A face that jumped or changed its size belongs to no track.
        fresh = sorted(
            (face for index, face in enumerate(faces) if index not in taken), key=lambda face: face.box
        )
        begun = [
            Track(next(self._numbers), face.box, face.landmarks, face.score, time_s, time_s) for face in fresh
        ]
        return (*(track for track in tracks if not _replaced(track, begun)), *begun)


def _velocity(track: Track, face: Face, gap_s: float) -> tuple[float, float]:
    """Pixels a second since the previous frame, averaged with the earlier velocity: the jitter of one detection is no
    motion.
    """
    if gap_s <= 0.0:
        return track.velocity
    now = [
        ((face.box[axis] + face.box[axis + 2]) - (track.box[axis] + track.box[axis + 2])) / 2.0 / gap_s
        for axis in (0, 1)
    ]
    return (track.velocity[0] + now[0]) / 2.0, (track.velocity[1] + now[1]) / 2.0


def _assigned(tracks: Sequence[Track], faces: Sequence[Face], tracking: Tracking) -> dict[int, int]:
    """Index of a track -> index of its face: nearest pairs first, each track and each face once.

    Faces in one picture hardly overlap, so two tracks seldom compete for one face. The exact assignment (Kuhn 1955)
    could differ only if two faces were closer together than a face moves between two detections.
    """
    costs = []
    for place, track in enumerate(tracks):
        for index, face in enumerate(faces):
            size = (max(face.size, 1e-6) * max(track.face.size, 1e-6)) ** 0.5
            distance = float(np.linalg.norm(track.landmarks - face.landmarks, axis=1).mean()) / size
            growth = max(face.size, 1e-6) / max(track.face.size, 1e-6)
            if distance <= tracking.reach and 1.0 / tracking.growth <= growth <= tracking.growth:
                costs.append((distance, track.number, face.box, place, index))
    pairs: dict[int, int] = {}
    for _, _, _, place, index in sorted(costs):
        if place not in pairs and index not in pairs.values():
            pairs[place] = index
    return pairs


def _replaced(track: Track, begun: Sequence[Track]) -> bool:
    """Whether a new track is at the expected place of this undetected one."""
    return not track.detected and any(_overlap(track.box, other.box) > 0.3 for other in begun)


def _overlap(first: Box, second: Box) -> float:
    """Intersection over union."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0.0 or height <= 0.0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return width * height / (sum(areas) - width * height)
