"""The chain, spelled once: image -> faces -> aligned crops -> embeddings, streaming and batched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from faceid.align import align
from faceid.errors import InputError
from faceid.quality import assess
from faceid.types import Crop, Embedding, Face, Image, Quality

if TYPE_CHECKING:
    from faceid.ports import Detector, Embedder

BATCH = 8
"""Images worked on together: past this neither detector nor network gets faster on a CPU."""


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """One face of one image, and how well it can be compared."""

    face: Face
    crop: Crop
    quality: Quality


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was seen at one source: an image with its faces left to right, or why there is none.

    `image` and `error`: exactly one is set. `embeddings` go with `observations`, one for one. `timing_ms` has
    `read`, `detect`, `embed`; images of one batch share its time evenly.
    """

    source: str
    image: Image | None
    error: InputError | None
    observations: tuple[Observation, ...]
    embeddings: tuple[Embedding, ...]
    timing_ms: dict[str, float]


Loader: TypeAlias = Callable[[], Image]
Source: TypeAlias = tuple[str, Loader]
Wanted: TypeAlias = Callable[[Image], bool]


class Pipeline:
    """Detector, aligner and network, chained."""

    def __init__(self, detector: Detector, embedder: Embedder) -> None:
        self.detector = detector
        self.embedder = embedder

    def look(self, sources: Iterable[Source], wanted: Wanted | None = None) -> Iterator[Look]:
        """What is at each source, in order: each as soon as it is known, in batches that grow from 1 to BATCH.

        `wanted` says whether an image is worth working on (default: all are); the others come out as they were
        read. A source that cannot be read comes out as a Look with its InputError: the stream goes on.
        """
        remaining = iter(sources)
        size = 1
        while batch := list(islice(remaining, size)):
            yield from self._look_at(batch, wanted)
            size = min(2 * size, BATCH)

    def _look_at(self, batch: Sequence[Source], wanted: Wanted | None) -> Iterator[Look]:
        loaded = [_load(source, loader) for source, loader in batch]
        worked_on = [
            look.image for look in loaded if look.image is not None and (wanted is None or wanted(look.image))
        ]
        started = time.perf_counter()
        observed = self._observe(worked_on)
        detect_ms = _share_ms(started, len(worked_on))

        started = time.perf_counter()
        crops = [observation.crop for observations in observed for observation in observations]
        vectors = iter(self.embedder.embed(crops)) if crops else iter(())
        embed_ms = _share_ms(started, len(worked_on))

        found = {id(image): observations for image, observations in zip(worked_on, observed, strict=True)}
        for look in loaded:
            if look.image is None or id(look.image) not in found:
                yield look
                continue
            observations = found[id(look.image)]
            yield replace(
                look,
                observations=observations,
                embeddings=tuple(Embedding(next(vectors), self.embedder.model) for _ in observations),
                timing_ms={**look.timing_ms, "detect": detect_ms, "embed": embed_ms},
            )

    def _observe(self, images: Sequence[Image]) -> list[tuple[Observation, ...]]:
        if not images:
            return []
        return [
            tuple(self._observation(image, face) for face in faces)
            for image, faces in zip(images, self.detector.detect(images), strict=True)
        ]

    def _observation(self, image: Image, face: Face) -> Observation:
        crop = align(image, face, self.embedder.model.aligner)
        return Observation(face, crop, assess(crop, face))


def _load(source: str, loader: Loader) -> Look:
    started = time.perf_counter()
    image, error = None, None
    try:
        image = loader()
    except InputError as problem:
        error = problem
    timing_ms = {"read": _share_ms(started, 1), "detect": 0.0, "embed": 0.0}
    return Look(source, image, error, (), (), timing_ms)


def _share_ms(started: float, among: int) -> float:
    return (time.perf_counter() - started) * 1e3 / max(1, among)
