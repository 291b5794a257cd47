"""Turns DATA of the command line into faces: photos, an archive of embeddings, or the gallery."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from faceid.errors import InputError, UsageError
from faceid.explore.archive import read_archive
from faceid.explore.embedding import EmbedResult, embed_photos
from faceid.explore.faces import Faces
from faceid.explore.photos import of_paths
from faceid.gallery.gallery import Gallery
from faceid.recognition.pipeline import Pipeline

GALLERY = "gallery"
"""The value of DATA that means the gallery itself; a folder of that name is `./gallery`."""

Report = Callable[[EmbedResult, int | None], None]
"""Called with the result of each photo, and the number of photos if it is known."""


def load(
    what: str,
    pipeline: Callable[[], Pipeline],
    gallery: Callable[[], Gallery],
    report: Report,
    least: int = 1,
) -> Faces:
    """The faces of DATA: a folder of photos, or of one folder per person, an archive of either, an .npz, or the
    gallery.

    `pipeline` processes photos. Raises UsageError if DATA does not exist, InputError if it holds fewer than `least`
    faces.
    """
    faces = _load(what, pipeline, gallery, report)
    if len(faces) < least:
        raise InputError(
            f"{what} holds {len(faces):,} faces, where {least} at least are needed", code="too_few", path=what
        )
    return faces


def _load(
    what: str, pipeline: Callable[[], Pipeline], gallery: Callable[[], Gallery], report: Report
) -> Faces:
    if what == GALLERY:
        return of_gallery(gallery())
    path = Path(what)
    if not path.exists():
        raise UsageError(
            f"{what}: no such file or folder",
            code="not_found",
            remedy="explore_data_not_found",
            path=what,
        )
    if path.suffix.lower() == ".npz":
        return read_archive(path)
    photos = of_paths([what])
    return embed_photos(pipeline(), photos, what, lambda result: report(result, photos.total))


def of_gallery(gallery: Gallery) -> Faces:
    """All templates of a gallery. Raises InputError if it is empty, and GalleryError."""
    names: list[str] = []
    sources: list[str] = []
    digests: list[str] = []
    vectors = []
    model = None
    for part in gallery.all_templates():
        model = part.model
        vectors.append(part.vectors)
        names += part.names
        sources += (source or "" for source in part.sources)
        digests += part.digests
    if model is None:
        raise InputError("nothing is enrolled, so there is nothing to see", code="empty")
    count = len(names)
    return Faces(
        source=gallery.location,
        kind="gallery",
        model=model.name,
        metric="cosine" if model.metric == "cosine" else "euclidean",
        vectors=np.concatenate(vectors),
        names=tuple(names),
        sources=tuple(sources),
        digests=tuple(digests),
        boxes=np.full((count, 4), np.nan, np.float32),
        quality=np.full(count, np.nan, np.float32),
        outside=np.full(count, np.nan, np.float32),
        thumbnails=(None,) * count,
        lost={},
    )
