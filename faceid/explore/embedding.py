"""Photos -> one row a face, and what became of each photo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from faceid.errors import InputError, not_one_face
from faceid.explore.faces import Faces
from faceid.explore.photos import NOBODY
from faceid.explore.thumbnails import thumbnail
from faceid.pipeline import Look, Pipeline
from faceid.results import Problem
from faceid.sources import Photo
from faceid.types import Box, ModelKey

if TYPE_CHECKING:
    from faceid.types import Vector


@dataclass(frozen=True, slots=True)
class EmbeddedFace:
    """One face of a photo: `row` is its place in the archive. Coordinates are pixels of the upright image."""

    row: int
    box: Box
    detection_score: float
    quality: float


@dataclass(frozen=True, slots=True)
class EmbedResult:
    """What became of one photo. `name` is None where nobody has said whose the face is, or there are several."""

    path: str
    status: Literal["ok", "no_face", "unreadable"]
    name: str | None
    faces: tuple[EmbeddedFace, ...]
    problem: Problem | None = None


@dataclass(slots=True, eq=False)
class Rows:
    """Faces one after the other, as photos are looked at.

    `crowds` counts photos of a named person that show several faces: nobody says which of them is the person's, so
    none has the name.
    """

    pictured: bool = False
    vectors: list[Vector] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    quality: list[float] = field(default_factory=list)
    thumbnails: list[bytes | None] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    photos: int = 0
    crowds: int = 0

    def add(self, look: Look[Photo]) -> EmbedResult:
        """Take up the faces of one photo."""
        self.photos += 1
        if look.error is not None:
            return self._lose(look, "unreadable", look.error)
        if not look.observations:
            return self._lose(look, "no_face", not_one_face(0, look.source))
        name = look.origin.name or NOBODY
        if name and len(look.observations) > 1:
            self.crowds += 1
            name = NOBODY
        found = []
        for observation, embedding in zip(look.observations, look.embeddings, strict=True):
            face = observation.face
            found.append(EmbeddedFace(len(self.vectors), face.box, face.score, observation.quality.score))
            self.vectors.append(embedding.vector)
            self.names.append(name)
            self.sources.append(look.source)
            self.digests.append(look.sha256 or "")
            self.boxes.append(face.box)
            self.quality.append(observation.quality.score)
            kept = self.pictured and look.image is not None
            self.thumbnails.append(
                thumbnail(look.image, face.box) if kept and look.image is not None else None
            )
        return EmbedResult(look.source, "ok", name or None, tuple(found))

    def _lose(
        self, look: Look[Photo], status: Literal["no_face", "unreadable"], error: InputError
    ) -> EmbedResult:
        self.lost[error.code] += 1
        problem = Problem(error.code, str(error), error.hint)
        return EmbedResult(look.source, status, look.origin.name or None, (), problem)

    def faces(self, model: ModelKey, source: str) -> Faces:
        """All of them. Raises InputError where there is none."""
        if not self.vectors:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.lost.most_common())
            raise InputError(
                f"no photo shows a face: {reasons or 'there are none'}",
                code="no_face",
                hint="name photos that show faces",
                path=source,
            )
        return Faces(
            source=source,
            kind="photos",
            model=model.name,
            metric=model.metric,
            vectors=np.stack(self.vectors).astype(np.float32, copy=False),
            names=tuple(self.names),
            sources=tuple(self.sources),
            digests=tuple(self.digests),
            boxes=np.array(self.boxes, np.float32).reshape(-1, 4),
            quality=np.array(self.quality, np.float32),
            thumbnails=tuple(self.thumbnails),
            lost=dict(self.lost),
        )


def embedded(pipeline: Pipeline, photos: Iterable[Photo], rows: Rows) -> Iterator[EmbedResult]:
    """Look at each photo and take its faces up into `rows`; what became of it, as soon as it is known."""
    for look in pipeline.look(photos):
        yield rows.add(look)


def look_at(
    pipeline: Pipeline,
    photos: Iterable[Photo],
    source: str,
    report: Callable[[EmbedResult], None],
) -> Faces:
    """The faces of photos, with thumbnails; `report` is told of each photo. Raises InputError where there is none."""
    rows = Rows(pictured=True)
    for result in embedded(pipeline, photos, rows):
        report(result)
    return rows.faces(pipeline.embedder.model, source)
