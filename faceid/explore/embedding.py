"""Embeds photos: one row per face, and one result per photo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Literal, TypeAlias

import numpy as np

from faceid.errors import InputError, UnreadableImage, implausible_pose, not_one_face
from faceid.explore.faces import FaceRow, Faces, face_thumbnail
from faceid.explore.photos import NOBODY
from faceid.recognition.pipeline import Analysis, Pipeline
from faceid.results import Problem
from faceid.sources import Photo
from faceid.types import Box, Image

Status: TypeAlias = Literal["ok", "no_face", "implausible_pose", "unreadable"]


@dataclass(frozen=True, slots=True)
class EmbeddedFace:
    """One face of a photo: `row` is its row in the archive.

    `box` is in pixels of the picture as its file gives it, also where it was turned to find the face.
    """

    row: int
    box: Box
    detection_score: float
    quality: float


@dataclass(frozen=True, slots=True)
class EmbedResult:
    """The result of one photo. `name` is None if the identity is unknown, or the photo shows several faces.

    `faces` are those that can be compared; without any the status is `implausible_pose`.
    """

    path: str
    status: Status
    name: str | None
    faces: tuple[EmbeddedFace, ...]
    problem: Problem | None = None


@dataclass(slots=True)
class Tally:
    """Counts over photos: `lost` are those without a face by reason code, `named` the faces with a name.

    `crowds` counts photos of a named person with several faces: the person's face is unknown, so none has the name.
    """

    photos: int = 0
    faces: int = 0
    named: int = 0
    crowds: int = 0
    lost: Counter[str] = field(default_factory=Counter)

    def require(self, source: str) -> None:
        """Raises InputError if no photo of `source` shows a face."""
        if not self.faces:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.lost.most_common())
            raise InputError(
                f"no photo shows a face: {reasons or 'there are none'}",
                code="no_face",
                remedy="no_photo_with_a_face",
                path=source,
            )


def embedded(
    pipeline: Pipeline,
    photos: Iterable[Photo],
    keep: Callable[[FaceRow], None],
    tally: Tally,
    *,
    pictured: bool = False,
) -> Iterator[EmbedResult]:
    """Embed each photo, pass its faces to `keep` (`pictured`: with thumbnails), and yield its result."""
    for analysis in pipeline.analyse(photos):
        tally.photos += 1
        if analysis.error is not None:
            yield _lost(analysis, "unreadable", analysis.error, tally)
        elif not analysis.observations:
            error = not_one_face(0, analysis.source, dark=analysis.too_dark)
            yield _lost(analysis, "no_face", error, tally)
        elif not any(observation.comparable for observation in analysis.observations):
            yield _lost(analysis, "implausible_pose", implausible_pose(analysis.source), tally)
        else:
            try:
                pictures = _pictures(analysis) if pictured else {}
            except UnreadableImage as error:
                # There was memory to find the faces, but not for more pixels of a large photo.
                yield _lost(analysis, "unreadable", error, tally)
            else:
                yield _taken_up(analysis, keep, tally, pictures)


def embed_photos(
    pipeline: Pipeline,
    photos: Iterable[Photo],
    source: str,
    report: Callable[[EmbedResult], None],
) -> Faces:
    """The faces of photos, with thumbnails; `report` receives the result of each photo.

    Raises InputError if no photo shows a face.
    """
    rows: list[FaceRow] = []
    tally = Tally()
    for result in embedded(pipeline, photos, rows.append, tally, pictured=True):
        report(result)
    tally.require(source)
    model = pipeline.embedder.model
    return Faces(
        source=source,
        kind="photos",
        model=model.name,
        metric=model.metric,
        vectors=np.stack([row.vector for row in rows]).astype(np.float32, copy=False),
        names=tuple(row.name for row in rows),
        sources=tuple(row.source for row in rows),
        digests=tuple(row.digest for row in rows),
        boxes=np.array([row.box for row in rows], np.float32).reshape(-1, 4),
        quality=np.array([row.quality for row in rows], np.float32),
        outside=np.array([row.outside for row in rows], np.float32),
        thumbnails=tuple(row.thumbnail for row in rows),
        lost=dict(tally.lost),
    )


def share_outside(box: Box, image: Image) -> float:
    """The share 0..1 of a face's box that lies beyond the border of its picture; NaN for a box without area."""
    x1, y1, x2, y2 = box
    area = (x2 - x1) * (y2 - y1)
    if not area > 0.0:
        return nan
    inside = max(0.0, min(x2, image.width) - max(x1, 0.0)) * max(0.0, min(y2, image.height) - max(y1, 0.0))
    return 1.0 - inside / area


def _pictures(analysis: Analysis[Photo]) -> dict[int, bytes]:
    """Thumbnails of the faces that can be compared, by place among the observations. Raises UnreadableImage."""
    image = analysis.image
    if image is None:
        return {}
    return {
        place: face_thumbnail(image, observation.face.box)
        for place, observation in enumerate(analysis.observations)
        if observation.comparable
    }


def _taken_up(
    analysis: Analysis[Photo], keep: Callable[[FaceRow], None], tally: Tally, pictures: Mapping[int, bytes]
) -> EmbedResult:
    name = analysis.origin.name or NOBODY
    if name and sum(observation.comparable for observation in analysis.observations) > 1:
        tally.crowds += 1
        name = NOBODY
    found = []
    seen = zip(analysis.observations, analysis.embeddings, strict=True)
    for place, (observation, embedding) in enumerate(seen):
        if not observation.comparable:
            continue
        face, quality = observation.face, observation.quality.score
        # Readers of an archive open the file: it tells nothing of a turn.
        box = analysis.in_file(face).box
        found.append(EmbeddedFace(tally.faces, box, face.score, quality))
        outside = nan if analysis.image is None else share_outside(face.box, analysis.image)
        sha256 = analysis.sha256 or ""
        picture = pictures.get(place)
        keep(FaceRow(embedding.vector, name, analysis.source, sha256, box, quality, outside, picture))
        tally.faces += 1
        tally.named += name != NOBODY
    return EmbedResult(analysis.source, "ok", name or None, tuple(found))


def _lost(analysis: Analysis[Photo], status: Status, error: InputError, tally: Tally) -> EmbedResult:
    tally.lost[error.code] += 1
    problem = Problem.of(error)
    return EmbedResult(analysis.source, status, analysis.origin.name or None, (), problem)
