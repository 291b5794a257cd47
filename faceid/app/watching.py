"""The construction of a running watch from a source address, for `FaceID.watch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faceid.app.factories import open_liveness_detector
from faceid.app.services import Services
from faceid.decision.decide import Policy, Target
from faceid.decision.scores import distance_from_similarity
from faceid.errors import UsageError
from faceid.gallery.gallery import clean_name
from faceid.live.decision.evidence import Evidence
from faceid.live.liveness.checks import CHALLENGE_FPS, check_maker
from faceid.live.liveness.checks import Kind as LivenessKind
from faceid.live.loop import Live, Until
from faceid.live.source.addresses import parse_address
from faceid.live.source.capture import Capture
from faceid.live.watch import Watch
from faceid.types import Candidate, Embedding

if TYPE_CHECKING:
    from faceid.types import Vector

CANDIDATES = 10
"""The number of candidates for each look at a watched face: the nearest person, and others who may be the match
later."""


def watch(
    services: Services,
    source: str,
    claim: str | None = None,
    target: Target | None = None,
    *,
    liveness: LivenessKind = "off",
    realtime: bool = False,
    until: Until | None = None,
    max_fps: float | None = None,
    least_looks: int = 1,
) -> Live:
    """A running watch; see `FaceID.watch`."""
    address = parse_address(source)
    if liveness == "challenge" and max_fps is not None and max_fps < CHALLENGE_FPS:
        raise UsageError(
            f"a challenge cannot be followed at {max_fps:g} frames a second",
            remedy="challenge_too_slow",
            least_fps=CHALLENGE_FPS,
        )
    with services.request() as request:
        name = None if claim is None else clean_name(claim)
        if name is not None:
            request.gallery.require(name)
        model, metric = request.model, request.key.metric

        # The gallery is borrowed for each step: a watch lasts, and `close` may come meanwhile.
        def policy() -> Policy:
            with services.borrowed_gallery() as gallery:
                policies = model.policies(gallery)
                return (policies.for_search if name is None else policies.for_claim)(target)

        def search(vector: Vector) -> tuple[Candidate, ...]:
            probe = Embedding(vector, model.embedder.model)
            with services.borrowed_gallery() as gallery:
                if name is None:
                    return gallery.search([probe], CANDIDATES)[0]
                similarity = gallery.similarity_to(name, probe)
            return (Candidate(name, distance_from_similarity(similarity, metric), similarity),)

        def begin() -> Evidence:
            return Evidence(search, policy(), metric, claim=name is not None)

        # Checked before anything is opened: without a threshold no camera is needed.
        begin()
        request.guard()
        check = check_maker(
            liveness,
            open_liveness_detector(liveness, model.name, services.device, services.settings),
            policy(),
            metric,
        )
        watching = Watch(
            model.pipeline.detector,
            model.embedder,
            begin,
            claim=name,
            check=check,
            least_looks=least_looks,
            hurried=address.live or realtime,
        )
    return Live(Capture(address, realtime=realtime), watching, until, max_fps=max_fps)
