"""Made-up people before a made-up camera: frames of fake faces, and a watch over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from faceid.decision.decide import Policy, Target, policy_for
from faceid.live.decision.evidence import Evidence
from faceid.live.events import LiveEvent
from faceid.live.liveness.state import LivenessCheck
from faceid.live.source.stream import Frame
from faceid.live.view import Moment
from faceid.live.watch import Watch
from faceid.recognition.detect.fake import FakeDetector, draw_face
from faceid.recognition.embed.fake import CALIBRATION, FakeEmbedder
from faceid.types import Candidate, Image

ALICE, BOB, CAROL = (208, 80, 80), (80, 208, 80), (80, 80, 208)
Colour = tuple[int, int, int]
Placed = tuple[Colour, int, int, int]
"""Colour, x, y and side of a face."""

SEARCH = policy_for(Target(fpir=1e-2), CALIBRATION, identities=2)
CLAIM = policy_for(Target(fmr=1e-4), CALIBRATION)


def frame(number: int, *faces: Placed, fps: float = 30.0, background: int = 0) -> Frame:
    """A picture of 320 x 240 with fake faces."""
    canvas = np.full((240, 320, 3), background, np.uint8)
    for colour, x, y, side in faces:
        draw_face(canvas, colour, x, y, side)
    return Frame(Image(canvas, "film", ""), number, number / fps)


def vector_of(colour: Colour) -> np.ndarray:
    """What the fake network makes of a person."""
    from faceid.recognition.align import align

    embedder = FakeEmbedder()
    image = frame(0, (colour, 100, 60, 100)).image
    ((face,),) = FakeDetector().detect([image])
    return embedder.embed([align(image, face, embedder.model.aligner)])[0]


def gallery(people: dict[str, Colour]) -> Callable[[np.ndarray], Sequence[Candidate]]:
    """A search over one template a person."""
    templates = {name: vector_of(colour) for name, colour in people.items()}

    def search(vector: np.ndarray) -> list[Candidate]:
        cosines = {name: float(vector @ template) for name, template in templates.items()}
        return [
            Candidate(name, 1.0 - cosine, cosine)
            for name, cosine in sorted(cosines.items(), key=lambda item: -item[1])
        ]

    return search


def watch(
    people: dict[str, Colour],
    *,
    claim: str | None = None,
    policy: Policy | None = None,
    check: Callable[[], LivenessCheck] | None = None,
    least_looks: int = 1,
) -> Watch:
    """A watch over the fake detector and network; of a claim, the gallery is that one person."""
    search = gallery(people if claim is None else {claim: people[claim]})
    policy = policy or (SEARCH if claim is None else CLAIM)

    def begin() -> Evidence:
        return Evidence(search, policy, "cosine", claim=claim is not None)

    return Watch(FakeDetector(), FakeEmbedder(), begin, claim=claim, check=check, least_looks=least_looks)


def told(moments: Sequence[Moment]) -> list[tuple[str, int | None, str | None]]:
    """Event, track and name of all that was told."""
    return [(event.event, event.track, event.name) for moment in moments for event in events_of(moment)]


def events_of(moment: Moment) -> tuple[LiveEvent, ...]:
    return moment.events
