"""Clips of people who turn and nod, with what is seen in them, and ways to play them to a challenge.

The clips are those of `video_turns` in the evaluation data. They were labelled by eye; left and right are those of the
picture. No picture is part of this repository.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from faceid.decision.decide import Target, policy_for
from faceid.decision.scores import distance_from_similarity
from faceid.live.decision.evidence import Evidence
from faceid.live.events import LiveEvent
from faceid.live.liveness.challenge import ChallengeCheck, least_similarities
from faceid.live.liveness.checks import STEPS
from faceid.live.liveness.state import LivenessCheck
from faceid.live.source.addresses import VideoFile
from faceid.live.source.stream import Frame
from faceid.live.source.video import VideoReader
from faceid.live.tracking.pace import Intervals
from faceid.live.watch import Watch
from faceid.networks import registry
from faceid.ports.networks import Detector, Embedder
from faceid.recognition.align import align
from faceid.recognition.liveness.challenge import ACTIONS, Action, Challenge, Limits, Progress
from faceid.types import Candidate, Crop, Face, Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from faceid.networks.registry import ModelCard
    from faceid.types import Vector

Label: TypeAlias = Literal["straight", "left", "right", "up", "down"]

SEEN: dict[str, tuple[tuple[int, int, Label], ...]] = {
    "turn_a_267.MOV": (
        (0, 25, "straight"),
        (36, 76, "right"),
        (84, 90, "straight"),
        (99, 131, "left"),
        (139, 143, "straight"),
        (158, 185, "up"),
        (199, 231, "down"),
        (239, 260, "straight"),
    ),
    "turn_b_705.MOV": (
        (0, 18, "straight"),
        (26, 64, "right"),
        (75, 82, "straight"),
        (90, 137, "left"),
        (145, 156, "straight"),
        (165, 206, "up"),
        (213, 217, "straight"),
        (228, 262, "down"),
        (271, 290, "straight"),
    ),
    "turn_c_f74.MOV": (
        (0, 46, "straight"),
        (57, 98, "right"),
        (107, 118, "straight"),
        (127, 164, "left"),
        (173, 188, "straight"),
        (200, 247, "up"),
        (260, 267, "straight"),
        (280, 325, "down"),
        (340, 358, "straight"),
    ),
    "turn_d_eb3.MOV": (
        (0, 42, "straight"),
        (60, 76, "straight"),
        (83, 109, "right"),
        (115, 115, "straight"),
        (120, 148, "left"),
        (157, 181, "straight"),
        (187, 206, "down"),
        (212, 215, "straight"),
    ),
    "turn_e_19c.MOV": (
        (0, 34, "straight"),
        (84, 109, "left"),
        (117, 123, "straight"),
        (133, 167, "right"),
        (178, 203, "straight"),
        (214, 289, "down"),
    ),
    "turn_f_5ec_176x144.3gp": (
        (0, 4, "straight"),
        (10, 43, "right"),
        (47, 49, "straight"),
        (55, 85, "left"),
        (91, 97, "straight"),
        (105, 134, "up"),
        (140, 141, "straight"),
        (145, 164, "down"),
        (172, 211, "straight"),
    ),
}
"""First and last frame of each part whose label is beyond doubt; the rest is on the way from one to the other."""

SPEAKING = ("speak_g_8b2_5fps.mp4", "speak_h_eb9_backlit.3gp")

MOVES: dict[str, dict[Action, tuple[int, ...]]] = {
    "turn_a_267.MOV": {
        "turn_right": tuple(range(25, 86)),
        "turn_left": tuple(range(88, 142)),
        "nod": tuple(range(190, 242)),
    },
    "turn_b_705.MOV": {
        "turn_right": tuple(range(18, 78)),
        "turn_left": tuple(range(80, 148)),
        "nod": tuple(range(214, 274)),
    },
    "turn_c_f74.MOV": {
        "turn_right": tuple(range(46, 112)),
        "turn_left": tuple(range(112, 178)),
        "nod": tuple(range(264, 344)),
    },
    "turn_d_eb3.MOV": {
        "turn_right": tuple(range(76, 116)),
        "turn_left": tuple(range(114, 160)),
        "nod": tuple(range(180, 216)),
    },
    "turn_e_19c.MOV": {
        "turn_right": tuple(range(122, 180)),
        "turn_left": tuple(range(74, 122)),
        # The clip ends with the head lowered.
        "nod": (*range(203, 224), *range(223, 202, -1)),
    },
    "turn_f_5ec_176x144.3gp": {
        "turn_right": tuple(range(4, 48)),
        "turn_left": tuple(range(48, 94)),
        "nod": tuple(range(140, 174)),
    },
}
"""Frames of each movement from a straight look to a straight one, for performances in another order."""

PERFORMED: dict[str, tuple[Action, ...]] = {
    **dict.fromkeys(MOVES, ("turn_right", "turn_left", "nod")),
    # Ends with the head lowered, and so without the straight look after the nod.
    "turn_e_19c.MOV": ("turn_left", "turn_right"),
}
"""What the people do, in their order. Raising the head far is a nod too."""

ORDERS = [
    order for order in product(ACTIONS, repeat=STEPS) if all(first != then for first, then in pairwise(order))
]


@dataclass(frozen=True, eq=False)
class Look:
    """One frame at a time in seconds, the face in it and its vectors by network."""

    time_s: float
    image: Image
    face: Face | None
    vectors: dict[str, NDArray[np.float32]]


class RememberedDetector:
    """Detects each picture once; satisfies `faceid.ports.networks.Detector`."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        # The picture is kept, so that its id stays its own.
        self._known: dict[int, tuple[Image, list[Face]]] = {}

    def know(self, image: Image, faces: list[Face]) -> None:
        self._known[id(image)] = image, faces

    def detect(self, images: Sequence[Image]) -> list[list[Face]]:
        for image in images:
            if id(image) not in self._known:
                self.know(image, self._detector.detect([image])[0])
        return [self._known[id(image)][1] for image in images]


class RememberedEmbedder:
    """Embeds each crop once; satisfies `faceid.ports.networks.Embedder`."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder, self.model, self.input_size = embedder, embedder.model, embedder.input_size
        self._known: dict[bytes, Vector] = {}

    def know(self, crop: Crop, vector: Vector) -> None:
        self._known[_key(crop)] = vector

    def embed(self, crops: Sequence[Crop]) -> NDArray[np.float32]:
        for crop in crops:
            if _key(crop) not in self._known:
                self.know(crop, self._embedder.embed([crop])[0])
        return np.array([self._known[_key(crop)] for crop in crops], np.float32)


def _key(crop: Crop) -> bytes:
    return blake2b(np.ascontiguousarray(crop.pixels), digest_size=16).digest()


@dataclass(frozen=True, eq=False)
class Tools:
    """A detector, and embedders by network, that remember; `cache` keeps what they find in clips."""

    detector: RememberedDetector
    embedders: dict[str, RememberedEmbedder]
    cache: Path | None = None

    def film(self, path: Path) -> list[Frame]:
        """All frames of a clip, with their media times; every face is detected and embedded."""
        shown = frames(path)
        kept = None if self.cache is None else self.cache / f"{path.name}.npz"
        if kept is not None and kept.exists():
            with np.load(kept) as stored:
                self._know(shown, dict(stored))
            return shown
        faces = [self.detector.detect([frame.image])[0] for frame in shown]
        found = [face for each in faces for face in each]
        arrays: dict[str, NDArray[np.float32]] = {
            "counts": np.array([len(each) for each in faces], np.float32),
            "boxes": np.array([face.box for face in found], np.float32).reshape(-1, 4),
            "landmarks": np.array([face.landmarks for face in found], np.float32).reshape(-1, 5, 2),
            "scores": np.array([face.score for face in found], np.float32),
        }
        for name, embedder in self.embedders.items():
            crops = [
                align(frame.image, face, embedder.model.aligner)
                for frame, each in zip(shown, faces, strict=True)
                for face in each
            ]
            arrays[name] = embedder.embed(crops)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, **arrays)
        return shown

    def _know(self, shown: Sequence[Frame], stored: dict[str, NDArray[np.float32]]) -> None:
        place = 0
        for frame, count in zip(shown, stored["counts"], strict=True):
            faces = []
            for _ in range(int(count)):
                x1, y1, x2, y2 = stored["boxes"][place].tolist()
                face = Face((x1, y1, x2, y2), stored["landmarks"][place], float(stored["scores"][place]))
                for name, embedder in self.embedders.items():
                    embedder.know(align(frame.image, face, embedder.model.aligner), stored[name][place])
                faces.append(face)
                place += 1
            self.detector.know(frame.image, faces)

    def looks(self, shown: Sequence[Frame]) -> list[Look]:
        """Every frame with its largest face."""
        found = []
        for frame in shown:
            face = max(self.detector.detect([frame.image])[0], key=lambda face: face.size, default=None)
            vectors = {
                name: embedder.embed([align(frame.image, face, embedder.model.aligner)])[0]
                for name, embedder in self.embedders.items()
                if face is not None
            }
            found.append(Look(frame.time_s, frame.image, face, vectors))
        return found


def frames(path: Path) -> list[Frame]:
    """All frames of a clip, with their media times."""
    reader = VideoReader(VideoFile(str(path)))
    found: list[Frame] = []
    while (grabbed := reader.read()) is not None:
        assert grabbed.media_s is not None
        found.append(Frame(grabbed.image, len(found), grabbed.media_s))
    reader.close()
    return found


def sampled(seen: Sequence[Look], every_s: float, first: int = 0) -> list[Look]:
    """From number `first` on, those at least `every_s` seconds apart, as the live loop detects faces."""
    kept: list[Look] = []
    for look in seen[first:]:
        if not kept or look.time_s - kept[-1].time_s >= every_s - 0.005:
            kept.append(look)
    return kept


class Doors:
    """Challenges of one network, as the live loop gives them."""

    def __init__(self, card: ModelCard, limits: Limits | None = None) -> None:
        assert card.calibration is not None
        self.network, self.policy, self._limits = card.name, policy_for(Target(), card.calibration), limits
        self._least = least_similarities(self.policy, card.metric)

    def challenge(self, order: Sequence[Action]) -> Challenge:
        straight, turned = self._least
        return Challenge(
            order, least_similarity=straight, least_turned_similarity=turned, limits=self._limits
        )

    def play(self, order: Sequence[Action], seen: Sequence[Look]) -> Progress:
        """What a challenge says after the last look."""
        challenge = self.challenge(order)
        progress = challenge.progress
        for look in seen:
            progress = challenge.update(look.time_s, look.face, look.vectors.get(self.network))
        return progress

    def watch(
        self,
        order: Sequence[Action],
        shown: Sequence[Frame],
        enrolled: Vector,
        detector: Detector,
        embedder: Embedder,
        passive: LivenessCheck | None = None,
    ) -> list[LiveEvent]:
        """The events of the live loop for a claim by the person with the template `enrolled`."""

        def search(vector: Vector) -> tuple[Candidate, ...]:
            similarity = float(np.dot(vector, enrolled))
            distance = distance_from_similarity(similarity, embedder.model.metric)
            return (Candidate("subject", distance, similarity),)

        watching = Watch(
            detector,
            embedder,
            lambda: Evidence(search, self.policy, embedder.model.metric, claim=True),
            claim="subject",
            check=lambda: ChallengeCheck(self.challenge(order), passive),
            intervals=Intervals(),
        )
        return [event for frame in shown for event in watching.process(frame).events]


def doors(networks: Sequence[str], limits: Limits | None = None) -> list[Doors]:
    return [Doors(registry.card(name), limits) for name in networks]


def longest(clip: str) -> tuple[int, int]:
    """The longest part in which the person looks straight, from the light that the rest of the clip has."""
    parts = [(last - first, first, last) for first, last, label in SEEN[clip] if label == "straight"]
    _, first, last = max(parts[1:])
    return first, last + 1


def thinned(shown: Sequence[Frame], fps: float) -> Iterator[Frame]:
    """At most `fps` frames a second, as `--max-fps` leaves them."""
    due_s = 0.0
    for frame in shown:
        if frame.time_s >= due_s - 0.002:
            due_s = max(due_s, frame.time_s - 1 / fps) + 1 / fps
            yield frame
