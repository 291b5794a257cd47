"""Embeds pictures that are crops already, of faces or other objects, without face detection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from faceid.errors import UnreadableImage
from faceid.evaluation.data.photos import EvaluatedPhoto, Progress
from faceid.imaging import decode, fetch
from faceid.ports.networks import Embedder
from faceid.types import Crop, Encoded, Image

_BATCH = 32


def look_at_whole(
    embedder: Embedder, paths: Sequence[str], progress: Progress | None = None
) -> dict[str, EvaluatedPhoto]:
    """The template of each picture, resized to the crop size of the network.

    `EvaluatedPhoto.reason` is None, or `unreadable` for a picture without a template. A
    picture that is not square is stretched.
    """
    found: dict[str, EvaluatedPhoto] = {}
    for part in _parts(paths):
        images: list[Image] = []
        for path in part:
            encoded: Encoded | None = None
            try:
                encoded = fetch(path)
                images.append(decode(encoded, path))
            except UnreadableImage as error:
                found[path] = EvaluatedPhoto(None, error.code, None if encoded is None else encoded.sha256)
        vectors = embedder.embed([whole(image, embedder) for image in images])
        for image, vector in zip(images, vectors, strict=True):
            found[image.source] = EvaluatedPhoto(vector, None, image.sha256)
        if progress is not None:
            progress(len(found), len(paths))
    return found


def whole(image: Image, embedder: Embedder) -> Crop:
    """The whole picture as a crop for `embedder`. `Crop.scale` is that of the side that grew most."""
    import cv2

    size = embedder.input_size
    scale = max(size / image.width, size / image.height)
    # A mean over areas uses all pixels when a picture shrinks.
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    pixels = cv2.resize(image.pixels, (size, size), interpolation=how)
    return Crop(np.ascontiguousarray(pixels, dtype=np.uint8), embedder.model.aligner, scale)


def _parts(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(paths), _BATCH):
        yield paths[start : start + _BATCH]
